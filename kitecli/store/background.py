"""Sealing in a process of its own that gives way to everything else: ``python -m kitecli.store STORE [--follow]``.

Who records starts it with :func:`start_sealing` and lets go of it: it ends by itself when all is sealed, or, following,
when its standard input ends, as it does when its parent dies.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from kitecli.errors import KiteError, RecordingHeld
from kitecli.store.sealing import seal_ended

LOOK_S: Final = 60.0
"""How often a following process looks for ended segments; one is ended each hour or each 256 MiB."""
_IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30}
_IDLE_CLASS: Final = 3 << 13


def start_sealing(store: Path) -> subprocess.Popen[bytes]:
    """Seal a store's ended segments, those of now and those to come, until this process ends or closes its ``stdin``.

    What it has to say stands on its standard error, which is ours. ``wait()`` for it after closing ``stdin``.
    """
    command = [sys.executable, "-m", "kitecli.store", str(store), "--follow"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, **_apart())  # noqa: S603 - ours


def main(arguments: list[str] | None = None) -> int:
    """The process: 0 where all went well, else the last problem's exit code."""
    parser = argparse.ArgumentParser("python -m kitecli.store", description="seal what was recorded, at low priority")
    parser.add_argument("store", type=Path)
    parser.add_argument("--follow", action="store_true", help="go on until standard input ends")
    options = parser.parse_args(arguments)
    give_way()
    ending = threading.Event()
    if options.follow:
        threading.Thread(target=_end_with, args=(ending,), daemon=True, name="parent's end").start()
    code = _seal_all(options.store, ending)
    while options.follow and not ending.wait(LOOK_S):
        code = _seal_all(options.store, ending)
    return code


def give_way() -> None:
    """Take processor and disk only where nobody else wants them, as far as the system has a word for that."""
    if sys.platform == "win32":
        return  # start_sealing() asked for it when it made the process
    os.nice(19)
    number = _IOPRIO_SET.get(os.uname().machine)
    if sys.platform == "linux" and number is not None:
        ctypes.CDLL(None).syscall(number, 1, 0, _IDLE_CLASS)  # refused, it is slower for others and no worse


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
