"""Starts a gateway's process: its own session, the spec through a pipe, its first word back through another."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any, Final

from kitecli.errors import FeedError
from kitecli.gateway.spec import READY, TAKEN, GatewaySpec, revived
from kitecli.secret import without_secrets

START_S: Final = 30.0
END_S: Final = 1.0
"""From the end of its output to its own: the kernel closes a process's files some time before it says how it ended."""


class Launched:
    """A gateway process that listens. Nothing but its first word ties it to this process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        # Somebody has to ask the kernel how it ended, or its entry in the table of processes stays as long as we do.
        self._reaper = threading.Thread(target=process.wait, daemon=True, name="gateway's end")
        self._reaper.start()

    def let_go(self) -> None:
        """We have joined: from now on it watches its clients instead."""
        _close(self._process.stdin)

    def ended(self, timeout_s: float) -> bool:
        """Whether the process is gone, after ``timeout_s`` at most."""
        self._reaper.join(timeout_s)
        return not self._reaper.is_alive()


def launch(spec: GatewaySpec) -> Launched | None:
    """Start a gateway and wait until it listens; None where another process was first.

    Raises what kept it from starting.
    """
    with tempfile.TemporaryFile() as complaints:  # a pipe nobody drains would stop it
        process = subprocess.Popen(
            [sys.executable, "-m", "kitecli.gateway"],
            env=without_secrets(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            **_apart(),
        )
        try:
            word = _first_word(process, spec)
            if word.get("start") not in (READY, TAKEN):
                raise revived(word) if "error" in word else _silent(process, complaints)
        except BaseException:
            process.kill()
            _close(process.stdin)
            process.wait()
            raise
        finally:
            _close(process.stdout)
    if word["start"] == READY:
        return Launched(process)
    _close(process.stdin)
    process.wait()
    return None


def _apart() -> dict[str, Any]:  # Any: as Popen has it
    """Out of reach of the terminal's Ctrl-C, which is meant for its readers."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _first_word(process: subprocess.Popen[bytes], spec: GatewaySpec) -> dict[str, Any]:  # Any: JSON
    """A thread reads it, because a pipe can't be waited for with a timeout on every system."""
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - both were asked for
    with suppress(OSError):  # it has ended; what it said is read below
        process.stdin.write(replace(spec, modes={}).to_line().encode() + b"\n")
        process.stdin.flush()
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    reader = threading.Thread(target=lambda out=process.stdout: lines.put(out.readline()), daemon=True)
    reader.start()
    try:
        line = lines.get(timeout=START_S)
    except queue.Empty:
        return {}
    reader.join()
    word = json.loads(line) if line.strip() else {}
    return word if isinstance(word, dict) else {}


def _silent(process: subprocess.Popen[bytes], complaints: IO[bytes]) -> FeedError:
    code: int | None = None
    with suppress(subprocess.TimeoutExpired):  # it hangs
        code = process.wait(END_S)
    complaints.seek(0)
    last = complaints.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    why = f"it said nothing for {START_S:g} s" if code is None else f"it ended with code {code}"
    return FeedError("The feed process did not start", why=f"{why}: {last}" if last else why, hint="run kite doctor")


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with suppress(OSError):  # what it didn't read
            pipe.close()
