"""``python -m kitecli.sim``: options on stdin, one line on stdout, ends with its stdin."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from kitecli.sim.options import SimOptions


def start(options: SimOptions) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "kitecli.sim"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdin.write(options.to_json() + "\n")
    process.stdin.flush()
    return process


def test_ctrl_c_is_left_to_the_parent_and_the_end_of_stdin_ends_it():
    process = start(SimOptions(instruments=10))
    assert json.loads(process.stdout.readline())["ws_url"].startswith("ws://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    process.stdin.close()
    assert process.wait(10) == 0
    assert process.stdout.read() == ""
    process.stdout.close()


def test_an_error_is_one_json_line_and_an_exit_code():
    process = start(SimOptions(source="nothing.csv"))
    out, _ = process.communicate(timeout=60)
    assert json.loads(out)["error"] == "data"
    assert process.returncode == 6
