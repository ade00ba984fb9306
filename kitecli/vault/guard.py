"""While a vault is open: keys are overwritten when the process ends, also by SIGTERM, and it leaves no core dump.

Core dumps stay off until the process ends: what was revealed may live on in strings, which Python can't overwrite.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Final, Protocol
from weakref import WeakSet

PR_SET_DUMPABLE: Final = 4  # linux/prctl.h


class Wipeable(Protocol):
    """Something with a key in it. ``close`` may be called again."""

    def close(self) -> None: ...


_open: WeakSet[Wipeable] = WeakSet()


def guard(one: Wipeable) -> None:
    """Have it closed when the process ends, at the latest. SIGTERM is left to whoever handles it already."""
    if not _open:
        forbid_dumps()
        _catch_sigterm()
    _open.add(one)


def close_all() -> None:
    """Overwrite every key there is."""
    for one in list(_open):
        one.close()


def forbid_dumps() -> None:
    """No core file; on Linux neither a debugger nor ``/proc/PID/mem`` for other processes of this user."""
    if sys.platform == "win32":
        return  # Windows Error Reporting is the administrator's to switch off
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a C library without prctl: the limit above holds all the same
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _catch_sigterm() -> None:
    # Only the main thread may, and a handler of somebody else ends the process in its own way: through atexit.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, end_by_signal)


def end_by_signal(number: int, _frame: FrameType | None) -> None:
    """The handler of SIGTERM while a vault is open: overwrites its key, and ends as if there were no handler."""
    close_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)  # so that whoever waits for us sees what ended us


atexit.register(close_all)
