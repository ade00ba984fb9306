"""``python -m kitecli.gateway`` is the gateway's process; what it does is tested in test_process.py."""

import subprocess
import sys


def test_a_spec_that_is_none_is_an_error_and_not_a_hang():
    done = subprocess.run(
        [sys.executable, "-m", "kitecli.gateway"],
        input="{}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
