"""``python -m kitecli``."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED = """
import builtins

from kitecli.__main__ import main

load = builtins.__import__


def interrupted(name, *rest):
    if name == "typer":
        raise KeyboardInterrupt
    return load(name, *rest)


builtins.__import__ = interrupted
main()
"""


def test_it_is_kite(run_kite):
    assert run_kite("--version").stdout.startswith("kite ")


def test_ctrl_c_while_it_is_still_being_loaded_exits_130_and_says_nothing():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
