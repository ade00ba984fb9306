"""A simulated exchange that outlives its starter, and ends when nobody listens."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess

import pytest

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.sim import background
from kitecli.sim.options import SimOptions
from kitecli.sim.server import serve


def test_it_goes_on_without_its_starter_and_is_found_by_its_file(tmp_path):
    ready = background.begin(SimOptions(instruments=30), tmp_path)
    try:
        assert background.running(tmp_path) == ready
        assert (tmp_path / "sim.json").stat().st_mode & 0o077 == 0
    finally:
        os.kill(ready.pid, signal.SIGTERM)
    os.waitpid(ready.pid, 0)
    assert background.running(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_at_its_own_end_its_word_is_gone_and_a_newer_one_s_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(background, "IDLE_S", 0.3)
    ready = background.begin(SimOptions(instruments=30), tmp_path)
    os.waitpid(ready.pid, 0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "sim.json").write_text(ready.to_json())
    background.forget(tmp_path, ready.pid + 1)
    assert (tmp_path / "sim.json").exists()


def test_what_is_no_word_of_an_exchange_is_none(tmp_path):
    (tmp_path / "sim.json").write_text("{")
    assert background.running(tmp_path) is None


@pytest.mark.parametrize(
    ("options", "error"),
    [(SimOptions(instruments=30), EnvironmentProblem), (SimOptions(source="/missing.csv"), DataError)],
)
def test_one_that_nobody_could_find_or_that_never_began_leaves_no_process(tmp_path, monkeypatch, options, error):
    begun = []

    def note(*arguments, popen=subprocess.Popen, **more):
        begun.append(popen(*arguments, **more))
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", note)
    with pytest.raises(error):
        background.begin(options, tmp_path / "missing")
    with pytest.raises(ChildProcessError):
        os.waitpid(begun[0].pid, os.WNOHANG)


def test_it_ends_when_nobody_was_connected_for_its_time():
    asyncio.run(asyncio.wait_for(serve(SimOptions(instruments=30, idle_s=0.3), lambda _: None, asyncio.Event()), 20))
