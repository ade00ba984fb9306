"""A simulated exchange that goes on in the background, for a feed that does; it ends when nobody listens to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import Final

from kitecli.errors import EnvironmentProblem
from kitecli.ring.location import files_in
from kitecli.secret import without_secrets
from kitecli.sim.launcher import DIRECT, START_TIMEOUT_S, STOP_TIMEOUT_S, as_ready, first_line, logged
from kitecli.sim.options import Ready, SimOptions

IDLE_S: Final = 15.0
"""Without a listener for this long it ends: longer than any pause of a feed that reconnects."""
_FILE: Final = "sim.json"


def begin(options: SimOptions, folder: Path) -> Ready:
    """Start one that outlives this process, and leave word of it in ``folder``. Raises as launcher.launch."""
    process = subprocess.Popen(  # noqa: S603 - our own module, told where its word stands
        [sys.executable, "-m", "kitecli.sim", str(folder.absolute())],
        env=without_secrets(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None  # Popen was given PIPE
    assert process.stdout is not None
    try:
        with process.stdin as pipe:
            pipe.write(replace(logged(options), idle_s=IDLE_S).to_json().encode() + b"\n")
        line = first_line(process, START_TIMEOUT_S)
        if not line:
            raise EnvironmentProblem("The simulated exchange didn't start", hint="run `kite sim` to see what it says")
        ready = as_ready(line)
        with files_in(folder):
            path = folder / _FILE
            path.touch(0o600)
            path.write_text(ready.to_json())
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
    # It isn't ours to wait for any more, and subprocess would complain of it.
    process.returncode = 0
    return ready


def forget(folder: Path, pid: int) -> None:
    """Remove the word of one that ends, which holds its credentials; not a newer one's."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        if json.loads((folder / _FILE).read_text())["pid"] == pid:
            (folder / _FILE).unlink()


def running(folder: Path) -> Ready | None:
    """The one that ``folder`` tells of, if it answers."""
    try:
        ready = Ready(**json.loads((folder / _FILE).read_text()))
        with DIRECT.open(f"{ready.control_url}/sim/status", timeout=STOP_TIMEOUT_S):
            return ready
    except (OSError, HTTPException, ValueError, TypeError):
        (folder / _FILE).unlink(missing_ok=True)
        return None
