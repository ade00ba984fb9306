"""Waiting for a ring's next tick on an event loop, without a thread and without blocking it."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from kitecli.ring.bell import UNWOKEN_WAIT_S
from kitecli.ring.reader import RingReader

_DRAIN_BYTES: Final = 4096


async def nap(reader: RingReader, timeout_s: float) -> None:
    """Sleep until the reader is woken or ``timeout_s`` has passed; it may end early.

    The loop watches the pipe of the reader's seat. Where there is none, or nobody wakes this reader yet, it looks again
    every millisecond, as a thread would.
    """
    descriptor = _copy(reader.descriptor)
    if descriptor is None:
        await asyncio.sleep(min(timeout_s, UNWOKEN_WAIT_S))
        return
    try:
        if reader.announce_sleep():
            await _readable(descriptor, timeout_s)
    finally:
        os.close(descriptor)


def _copy(descriptor: int | None) -> int | None:
    """One of our own: the seat may be given back, and its number to another file, while the loop watches."""
    try:
        return None if descriptor is None else os.dup(descriptor)
    except OSError:  # it was given back just now
        return None


async def _readable(descriptor: int, timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    timer = loop.call_later(timeout_s, woken.set)
    loop.add_reader(descriptor, woken.set)
    try:
        await woken.wait()
    finally:
        loop.remove_reader(descriptor)
        timer.cancel()
    try:
        ended = not os.read(descriptor, _DRAIN_BYTES)
    except BlockingIOError:  # the time was up
        return
    if ended:  # the writer is gone: from now on it would be readable at once, every time
        await asyncio.sleep(UNWOKEN_WAIT_S)
