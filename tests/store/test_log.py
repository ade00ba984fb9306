"""Which of the two implementations serves."""

import os
import subprocess
import sys

import pytest

ASK = "from kitecli.store import log; print(log.COMPILED, log.Stage.__module__, log.scan.__module__)"


def asked(**environment: str) -> list[str]:
    env = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True
    ).stdout.split()


def test_pure_python_can_be_asked_for():
    assert asked(KITE_PURE="1") == ["False", "kitecli.store.stage", "kitecli.store.scanning"]


@pytest.mark.skipif(os.environ.get("KITE_PURE") == "1", reason="this run asks for pure Python")
def test_the_compiled_log_serves_where_it_was_built():
    pytest.importorskip("kitecli.store._log")
    assert asked(KITE_PURE="") == ["True", "kitecli.store._log", "kitecli.store._log"]
