"""Waking a process that sleeps, and knowing that the other one lives, through named pipes.

A sleeper raises a flag in shared memory and blocks on its bell; who has news for it lowers the flag and writes a byte
into that pipe. So news costs a system call only where somebody really sleeps. A lifeline is a pipe that its owner holds
open and never writes: the kernel closes it with its owner's life, however that ends, and whoever listens is told at
once. Where there are no named pipes, sleepers look again every millisecond and learn of a death from others.
"""

from __future__ import annotations

import errno
import os
import select
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Final

UNWOKEN_WAIT_S: Final = 0.001
"""How long a sleeper sleeps that nobody will wake: there are no pipes, or the other side doesn't know it yet."""
HAS_PIPES: Final = hasattr(os, "mkfifo")


class Bell:
    """The sleeper's end. ``lifeline``: that of the one it waits for."""

    def __init__(self, path: Path, lifeline: Path) -> None:
        self._path = path
        self._lifeline = _follow(lifeline)
        self._gone = HAS_PIPES and self._lifeline is None
        self.descriptor = _listen(path)
        self._poller = _poller(self.descriptor, self._lifeline)  # made once: 0.5 us of each sleep

    @property
    def abandoned(self) -> bool:
        """Whether the other side has left or died. False for ever where there are no pipes."""
        if not self._gone and self._lifeline is not None:
            self._gone = _ended(self._lifeline)
        return self._gone

    def block(self, timeout_s: float) -> None:
        """Sleep until the bell rings, the other side is gone, or ``timeout_s`` has passed.

        ``UNWOKEN_WAIT_S`` at most where there are no pipes, or the other side is gone already.
        """
        if self._poller is None or self._gone:
            sleep(min(timeout_s, UNWOKEN_WAIT_S))  # select() without sockets is an error on Windows
            return
        told = dict(self._poller.poll(timeout_s * 1000))
        if told.get(self.descriptor or -1, 0) & select.POLLIN:
            os.read(self.descriptor or -1, 4096)
        elif told and not self.abandoned:
            sleep(min(timeout_s, UNWOKEN_WAIT_S))  # some systems say so of a bell that nobody has opened yet

    def close(self) -> None:
        """Close it, and remove its file unless that is another's by now: a later sleeper may have the same name."""
        if self.descriptor is None:
            return
        with suppress(FileNotFoundError):
            if os.path.samestat(self._path.stat(), os.fstat(self.descriptor)):
                self._path.unlink()
        os.close(self.descriptor)
        if self._lifeline is not None:
            os.close(self._lifeline)
        self.descriptor = self._lifeline = None


def open_bell(path: Path) -> int | None:
    """The end to ring with, or None where nobody listens."""
    if not HAS_PIPES:
        return None
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as cause:
        if cause.errno in (errno.ENXIO, errno.ENOENT):  # nobody reads it, or it is gone
            return None
        raise


def unheard(descriptor: int) -> bool:
    """Whether the sleeper at the other end of an opened bell is gone."""
    poller = select.poll()
    poller.register(descriptor, 0)
    return bool(poller.poll(0))


def hold_lifeline(path: Path) -> int | None:
    """Make a lifeline and hold it; who closes the descriptor, or dies, lets go. None where there are no pipes."""
    listening = _listen(path)
    if listening is None:
        return None
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # which takes somebody who listens
    finally:
        os.close(listening)


def _listen(path: Path) -> int | None:
    if not HAS_PIPES:
        return None
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def _follow(path: Path) -> int | None:
    """The end that tells of its owner's; None where it has been removed already."""
    with suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK) if HAS_PIPES else None
    return None


def _ended(lifeline: int) -> bool:
    """A pipe nobody holds is at its end; polling wouldn't say so of one let go before we opened it."""
    try:
        return not os.read(lifeline, 1)
    except BlockingIOError:
        return False


def _poller(bell: int | None, lifeline: int | None) -> select.poll | None:
    if bell is None or lifeline is None:
        return None
    poller = select.poll()
    poller.register(bell, select.POLLIN)
    poller.register(lifeline, 0)
    return poller
