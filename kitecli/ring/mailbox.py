"""Messages of bytes from one process to one other, as quick as ticks but the other way.

For what a strategy has to say to the process that owns the sockets and can't wait for a request's round trip: later,
order intents and their updates. What may take a millisecond goes by the control socket. One side pushes, one side pops,
each through a ``Mailbox`` of its own on the same file; nothing is ever overwritten, and a full mailbox says so::

    0          8             12             16
    +----------+-------------+--------------+
    | KITEMAIL | version u32 | capacity u32 |
    +----------+-------------+--------------+
    | 64: pushed i64   bytes ever pushed; the pushing side's own cache line                  |
    | 128: popped i64  bytes ever popped; the popping side's                                 |
    | 192: waiting u32 raised by a popper about to sleep, lowered by the pusher that wakes it |
    +----------------------------------------------------------------------------------------+
    | 4096: capacity bytes; byte number n at n % capacity                                    |
    +----------------------------------------------------------------------------------------+
    a message: length u32 | seal u32 | its bytes, and up to seven more to a multiple of eight
    seal = length ^ "LIAM" ^ the low 32 bits of its byte number

``pushed`` is raised after a message is whole, so who pushes may be killed at any time: what is popped is a beginning of
what it pushed. The seal tells a length that was never pushed, and it isn't followed.

The ``Mailbox`` here is the readable reference: without memory barriers, so both sides must be in one process. The
compiled one (``kitecli.hot.Mailbox``) leaves the same memory, byte for byte.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from mmap import ACCESS_WRITE, mmap
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError
from kitecli.ring.bell import Bell, hold_lifeline, open_bell, unheard
from kitecli.ring.layout import round_up
from kitecli.ring.memory import map_new_file

PUSHED_OFFSET: Final = 64
POPPED_OFFSET: Final = 128
WAITING_OFFSET: Final = 192
DATA_OFFSET: Final = 4096
DEFAULT_CAPACITY: Final = 65_536
_TITLE: Final = struct.Struct("<8sII")
_HEAD: Final = struct.Struct("<II")
_MAGIC, _VERSION = b"KITEMAIL", 1
_SEAL: Final = 0x4D41494C


class Messages(Protocol):
    """What both mailboxes can do."""

    def push(self, message: bytes) -> bool: ...
    def pop(self) -> bytes | None: ...
    def announce_sleep(self) -> bool: ...
    def take_waiting(self) -> bool: ...


class Mailbox:
    """The reference: either side of a mailbox, over its mapped bytes."""

    def __init__(self, buffer: mmap) -> None:
        self._capacity = capacity_of(buffer)
        self._pushed = np.frombuffer(buffer, np.int64, 1, PUSHED_OFFSET)
        self._popped = np.frombuffer(buffer, np.int64, 1, POPPED_OFFSET)
        self._waiting = np.frombuffer(buffer, np.uint32, 1, WAITING_OFFSET)
        self._data = np.frombuffer(buffer, np.uint8, self._capacity, DATA_OFFSET)

    def push(self, message: bytes) -> bool:
        """Append a message; False where there is no room for it now. Raises ValueError where there never will be."""
        check_fits(message, self._capacity)
        if self._used() + _room(len(message)) > self._capacity:
            return False
        at = int(self._pushed[0])
        head = _HEAD.pack(len(message), _seal(len(message), at))
        self._data[self._places(at, len(head) + len(message))] = np.frombuffer(head + message, np.uint8)
        self._pushed += _room(len(message))
        return True

    def pop(self) -> bytes | None:
        """The oldest message, or None. Raises :class:`DataError` where what stands there was never pushed."""
        ready, at = self._used(), int(self._popped[0])
        if not ready:
            return None
        length, seal = _HEAD.unpack(self._data[self._places(at, _HEAD.size)].tobytes())
        if seal != _seal(length, at) or _room(length) > ready:
            raise damaged()
        message = self._data[self._places(at + _HEAD.size, length)].tobytes()
        self._popped += _room(length)
        return message

    def announce_sleep(self) -> bool:
        """Raise the waiting flag, then look once more; True if nothing came and the popper may sleep."""
        self._waiting[0] = 1
        return bool(self._pushed[0] == self._popped[0])

    def take_waiting(self) -> bool:
        """Whether the popper announced its sleep; it is woken once for that, so the flag is lowered."""
        waiting = bool(self._waiting[0])
        self._waiting[0] = 0
        return waiting

    def _used(self) -> int:
        used = int(self._pushed[0]) - int(self._popped[0])
        if not 0 <= used <= self._capacity or (self._pushed[0] | self._popped[0]) % 8:
            raise damaged()
        return used

    def _places(self, at: int, size: int) -> NDArray[np.int64]:
        return np.arange(at, at + size) % self._capacity


class Outbox:
    """The pushing side, which makes the file. ``capacity``: bytes not yet popped, rounded up to a power of two."""

    def __init__(self, path: Path, make: Callable[[mmap], Messages], capacity: int = DEFAULT_CAPACITY) -> None:
        self._path = path
        self._life = hold_lifeline(_beside(path, "life"))
        self._mailbox = make(_created(path, round_up(capacity)))
        self._ear: int | None = None  # the popper's bell

    def push(self, message: bytes) -> bool:
        """Append a message and wake a sleeping popper; False where there is no room now. Never waits."""
        if not self._mailbox.push(message):
            return False
        if self._mailbox.take_waiting():
            self._wake()
        return True

    def close(self) -> None:
        """Let go and remove the files; the popper still gets what was pushed. A second time does nothing."""
        for path in (self._path, _beside(self._path, "life")):
            path.unlink(missing_ok=True)
        for descriptor in (self._life, self._ear):
            if descriptor is not None:
                os.close(descriptor)
        self._life = self._ear = None

    def _wake(self) -> None:
        if self._ear is not None and unheard(self._ear):  # that popper is gone; another one has a bell of its own
            os.close(self._ear)
            self._ear = None
        self._ear = self._ear or open_bell(_beside(self._path, "bell"))
        if self._ear is not None:
            with suppress(BlockingIOError, BrokenPipeError):  # a full pipe wakes as well
                os.write(self._ear, b"w")


class Inbox:
    """The popping side; raises :class:`DataError` where ``path`` is no mailbox."""

    def __init__(self, path: Path, make: Callable[[mmap], Messages]) -> None:
        self._mailbox = make(_attached(path))
        self._bell = Bell(_beside(path, "bell"), _beside(path, "life"))
        self.pop = self._mailbox.pop

    def wait(self, timeout_s: float) -> None:
        """Sleep until something may be there, the other side is gone, or ``timeout_s`` has passed."""
        if self._mailbox.announce_sleep():
            self._bell.block(timeout_s)

    @property
    def sender_gone(self) -> bool:
        """Whether nothing will come any more; what was pushed before is still to be popped."""
        return self._bell.abandoned

    def close(self) -> None:
        self._bell.close()


def capacity_of(buffer: mmap) -> int:
    """The capacity a mailbox's first bytes say; raises :class:`DataError` where it isn't one."""
    if len(buffer) >= DATA_OFFSET:
        magic, version, capacity = _TITLE.unpack_from(buffer)
        if (magic, version, DATA_OFFSET + capacity) == (_MAGIC, _VERSION, len(buffer)):
            return int(capacity)
    raise DataError("Not a mailbox of this version of kite", why="its size or its first bytes are others")


def check_fits(message: bytes, capacity: int) -> None:
    if _room(len(message)) > capacity:
        raise ValueError(f"a message of {len(message):,} bytes never fits into a mailbox of {capacity:,}")


def damaged() -> DataError:
    return DataError(
        "A mailbox is damaged",
        why="a length or a count in it was never written by its other side",
        hint="restart both sides",
    )


def _created(path: Path, capacity: int) -> mmap:
    buffer = map_new_file(path, DATA_OFFSET + capacity)
    buffer[: _TITLE.size] = _TITLE.pack(_MAGIC, _VERSION, capacity)
    return buffer


def _attached(path: Path) -> mmap:
    try:
        with path.open("r+b") as file:
            return mmap(file.fileno(), 0, access=ACCESS_WRITE)
    except (OSError, ValueError) as cause:
        raise DataError(
            f"No mailbox at {path}", why=str(cause), hint="its other side has to be started first"
        ) from cause


def _room(length: int) -> int:
    return _HEAD.size + -(-length // 8) * 8


def _seal(length: int, at: int) -> int:
    return (length ^ _SEAL ^ at) & 0xFFFFFFFF


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.name}.{what}")
