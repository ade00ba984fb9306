"""Sealing beside a recorder, in a process that gives way to everything else: ``python -m kitecli.store STORE``.

It packs what is ended and is gone again. It may be killed at any moment: a half-packed file is packed anew. While
something is recorded, it ends with who records; what a recording leaves is packed by one that nobody waits for.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from kitecli.errors import KiteError, RecordingHeld
from kitecli.logs import logger
from kitecli.secret import without_secrets
from kitecli.store.folder import SUFFIX, day_folders, segment_paths
from kitecli.store.sealing import is_ended, seal_ended

_LOG: Final = logger("kitecli.recording")
PATIENCE_S: Final = 1.0
"""How long a process gets to end by itself: it looks after each megabyte, at the lowest priority."""
_IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30}
_IDLE_CLASS: Final = 3 << 13


class Sealing:
    """Packs what a recorder has ended, a process at a time. All of one thread's; nothing here waits but :meth:`close`.

    What can't be packed stays raw: the log says so, and ``kite data seal`` why. Where no process can be started, the
    next file is another occasion.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._seen: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def look(self, writing: Path) -> None:
        """Pack what is ended; ``writing``: the file being written. Does nothing until that is another one."""
        if writing == self._seen or (self._process is not None and self._process.poll() is None):
            return
        self.close()
        self._seen = writing
        self._process = self._start(attended=True)

    def finish(self) -> None:
        """Recording has ended: what it left is packed by a process that outlives this one, if need be."""
        self.close()
        process = self._start(attended=False)
        if process is not None:  # the kernel keeps an entry of it until somebody asks how it ended
            threading.Thread(target=self._judge, args=(process.wait,), daemon=True, name="sealing's end").start()

    def close(self) -> None:
        """End the process, if one runs."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:  # lets go of its standard input
            try:
                process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                return
        self._judge(process.wait)

    def _start(self, *, attended: bool) -> subprocess.Popen[bytes] | None:
        """A process, if there is anything to pack."""
        if not any(map(is_ended, _raw(self._store))):
            return None
        try:
            return start_sealing(self._store, attended=attended)
        except OSError as cause:
            _LOG.warning("sealing of %s could not be started: %s", self._store, cause)
            return None

    def _judge(self, wait: Callable[[], int]) -> None:
        if wait():
            _LOG.warning("not all of %s could be sealed: kite data seal says why", self._store)


def start_sealing(store: Path, *, attended: bool = True) -> subprocess.Popen[bytes]:
    """Seal a store's ended segments, once; ``attended``: it ends early with this process, or when its ``stdin`` is
    closed."""
    command = [sys.executable, "-m", "kitecli.store", str(store), *(["--attended"] if attended else [])]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **_apart()}
    stdin = subprocess.PIPE if attended else subprocess.DEVNULL
    return subprocess.Popen(command, stdin=stdin, env=without_secrets(os.environ), **quiet)  # noqa: S603 - ours


def main(arguments: list[str] | None = None) -> int:
    """The process: 0 where all went well, else the last problem's exit code."""
    parser = argparse.ArgumentParser("python -m kitecli.store", description="seal what was recorded, at low priority")
    parser.add_argument("store", type=Path)
    parser.add_argument("--attended", action="store_true", help="end early when standard input ends")
    options = parser.parse_args(arguments)
    give_way()
    ending = threading.Event()
    if options.attended:
        threading.Thread(target=_end_with, args=(ending,), daemon=True, name="parent's end").start()
    return _seal_all(options.store, ending)


def give_way() -> None:
    """Take processor and disk only where nobody else wants them, as far as the system has a word for that."""
    if sys.platform == "win32":
        return  # start_sealing() asked for it when it made the process
    os.nice(19)
    number = _IOPRIO_SET.get(os.uname().machine)
    if sys.platform == "linux" and number is not None:
        ctypes.CDLL(None).syscall(number, 1, 0, _IDLE_CLASS)  # refused, it is slower for others and no worse


def _raw(store: Path) -> list[Path]:
    return [path for folder in day_folders(store) for path in segment_paths(folder) if path.suffix == SUFFIX]


def _seal_all(store: Path, ending: threading.Event) -> int:
    code = 0
    try:
        for progress in seal_ended(store):
            if progress.problem is not None:
                sys.stderr.write(f"{progress.problem}\n")
                code = progress.problem.exit_code
            if ending.is_set():
                break
    except RecordingHeld:
        pass  # another one does it
    except KiteError as problem:
        sys.stderr.write(f"{problem}\n")
        code = problem.exit_code
    return code


def _end_with(ending: threading.Event) -> None:
    """The parent never writes: what comes is its end."""
    with suppress(OSError):
        sys.stdin.buffer.read()
    ending.set()


def _apart() -> dict[str, Any]:  # Any: as Popen has it
    """Out of reach of the terminal's Ctrl-C: its parent says when it ends."""
    if sys.platform == "win32":
        idle = subprocess.IDLE_PRIORITY_CLASS
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW | idle}
    return {"start_new_session": True}
