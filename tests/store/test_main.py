"""``python -m kitecli.store``."""

import subprocess
import sys


def test_it_says_how_it_is_called():
    command = [sys.executable, "-m", "kitecli.store", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "--attended" in done.stdout
