"""``python -m kitecli.loadtest`` serves its stdin; the processes of tests/loadtest/test_child.py are it."""

from __future__ import annotations

import subprocess
import sys


def test_it_ends_with_its_orders():
    done = subprocess.run(
        [sys.executable, "-m", "kitecli.loadtest", "kite"], input="", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1  # no job, so no client
    assert done.stdout == ""
