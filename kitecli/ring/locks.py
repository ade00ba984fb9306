"""Locks on open files. They belong to the kernel: however their holder ends, they end with it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

if sys.platform == "win32":
    import msvcrt

    def lock(descriptor: int, *, wait: bool, shared: bool = False) -> bool:  # noqa: ARG001 - Windows shares none
        """Lock the open file; False where another holds it and ``wait`` is False."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            if wait:
                raise
            return False
        return True

    def unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def lock(descriptor: int, *, wait: bool, shared: bool = False) -> bool:
        """Lock the open file; False where another holds it and ``wait`` is False."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class LockFile:
    """A file whose holder is the only one; made by :meth:`take` and gone after :meth:`release`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Hold ``path``, made where it isn't there, or None where another holds it. Never waits."""
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            if not lock(descriptor, wait=False):
                os.close(descriptor)
                return None
            if _is_still(path, descriptor):
                return cls(path, descriptor)
            os.close(descriptor)  # its former holder removed it after we opened it: a lock on nothing

    @staticmethod
    def is_held(path: Path) -> bool:
        """Whether somebody holds ``path`` now. Makes nothing, and has it itself for an instant, if at all."""
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not lock(descriptor, wait=False, shared=True)
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Remove the file and let go; a second time does nothing."""
        if self._descriptor < 0:
            return
        with suppress(PermissionError):  # Windows removes no open file; left there, it is taken again
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
