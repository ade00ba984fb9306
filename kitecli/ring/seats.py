"""Where readers of a ring announce themselves, say how far they are, and sleep.

A file beside the ring, written by the readers and looked at by the writer::

    0                64                    4096             4096 + 128 × n
    +----------------+---------------------+----------------+------
    | magic, version | generation u64      | seat 0 (128 B) | seat n ...
    +----------------+---------------------+----------------+------
    seat: taken u32 | pid u32 | position i64 | waiting u32 | attached u32 | delivered i64 | lost i64

A reader about to sleep raises ``waiting`` and blocks on its named pipe; the writer, having published, lowers the flag
and writes a byte into the pipe. So a frame costs a system call only for readers that really sleep, and the kernel tells
both sides of the other's death (a pipe without its other end). Where there are no named pipes, readers look again
every millisecond.
"""

from __future__ import annotations

import errno
import mmap
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import EnvironmentProblem

SEATS: Final = 64
_MAGIC: Final = b"KITESEAT"
_GENERATION_OFFSET: Final = 64
_SEATS_OFFSET: Final = 4096
_SEAT_DTYPE: Final = np.dtype(
    {
        "names": ["taken", "pid", "position", "waiting", "attached", "delivered", "lost"],
        "formats": ["<u4", "<u4", "<i8", "<u4", "<u4", "<i8", "<i8"],
        "offsets": [0, 4, 8, 16, 20, 24, 32],
        "itemsize": 128,  # two cache lines: the prefetcher pairs them, and a reader's writes should bother nobody
    }
)
_WAITING: Final = 16
_HAS_PIPES: Final = hasattr(os, "mkfifo")


class SeatMap:
    """The seats file, mapped for reading and writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self.buffer = mmap.mmap(file.fileno(), 0)
        self.seats: NDArray[np.void] = np.frombuffer(self.buffer, _SEAT_DTYPE, SEATS, _SEATS_OFFSET)
        self.generation: NDArray[np.uint64] = np.frombuffer(self.buffer, np.uint64, 1, _GENERATION_OFFSET)

    @classmethod
    def create(cls, path: Path) -> SeatMap:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_MAGIC.ljust(_SEATS_OFFSET, b"\0") + bytes(_SEAT_DTYPE.itemsize * SEATS))
        return cls(path)

    def pipe(self, index: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{index:02d}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One taker of seats at a time; the lock goes with its holder's life."""
        with self.path.open("r+b") as file:
            _lock(file.fileno())
            yield


class Seat:
    """A reader's seat: its published position and its pipe."""

    def __init__(self, seats: SeatMap, index: int) -> None:
        self._map = seats
        self._row = seats.seats[index : index + 1]
        self._pipe_path = seats.pipe(index)
        self.page = seats.buffer
        self.waiting_offset = _SEATS_OFFSET + index * _SEAT_DTYPE.itemsize + _WAITING
        self.descriptor = _open_pipe(self._pipe_path)

    @classmethod
    def take(cls, path: Path) -> Seat:
        """Take a free seat of the ring whose seats file is ``path``; raises where all are taken."""
        seats = SeatMap(path)
        with seats.locked():
            seat = cls(seats, _free_index(seats))
            seat._row["pid"], seat._row["attached"], seat._row["waiting"] = os.getpid(), 0, 0
            seat.report(0, 0, 0)
            seat._row["taken"] = 1
            seats.generation += np.uint64(1)
        return seat

    def report(self, position: int, delivered: int, lost: int) -> None:
        """Publish how far this reader is; the writer's statistics read it."""
        self._row["position"], self._row["delivered"], self._row["lost"] = position, delivered, lost

    def attached(self) -> bool:
        """Whether the writer knows this seat and will wake it."""
        return bool(self._row["attached"][0])

    def block(self, timeout_s: float) -> None:
        """Sleep until woken or ``timeout_s`` has passed."""
        if self.descriptor < 0:
            select.select([], [], [], min(timeout_s, 0.001))
            return
        poller = select.poll()
        poller.register(self.descriptor, select.POLLIN)
        if poller.poll(timeout_s * 1000):
            os.read(self.descriptor, 4096)

    def leave(self) -> None:
        self._row["taken"] = 0
        self._map.generation += np.uint64(1)
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
            self._pipe_path.unlink(missing_ok=True)


class SeatKeeper:
    """The writer's side: who sits where, whom to wake, how far behind the slowest is."""

    def __init__(self, path: Path) -> None:
        self._map = SeatMap.create(path)
        self._seen = -1
        self._pipes: dict[int, int] = {}
        self.page = self._map.buffer

    def refresh(self) -> list[tuple[int, int]] | None:
        """The sleepers to wake, as (offset of the waiting flag, descriptor); None where nothing has changed."""
        self._release_dead()
        generation = int(self._map.generation[0])
        if generation == self._seen:
            return None
        self._seen = generation
        for index in range(SEATS):
            self._look_at(index)
        return [(_SEATS_OFFSET + index * _SEAT_DTYPE.itemsize + _WAITING, pipe) for index, pipe in self._pipes.items()]

    def readers(self) -> NDArray[np.void]:
        """A copy of the taken seats: pid, position, delivered, lost."""
        return self._map.seats[self._map.seats["taken"] == 1].copy()

    def close(self) -> None:
        for pipe in self._pipes.values():
            os.close(pipe)
        self._pipes.clear()
        for index in range(SEATS):
            self._map.pipe(index).unlink(missing_ok=True)
        self._map.path.unlink(missing_ok=True)

    def _look_at(self, index: int) -> None:
        seat = self._map.seats[index]
        if not seat["taken"]:
            self._forget(index)
        elif index not in self._pipes and _HAS_PIPES:
            pipe = _open_writing(self._map.pipe(index))
            if pipe is None:
                seat["taken"] = 0
            else:
                self._pipes[index] = pipe
                seat["attached"] = 1

    def _release_dead(self) -> None:
        """A pipe whose reading end is gone reports an error: its reader left without saying so."""
        for index, pipe in list(self._pipes.items()):
            poller = select.poll()
            poller.register(pipe, 0)
            if poller.poll(0):
                self._map.seats[index]["taken"] = 0
                self._forget(index)
                self._seen = -1

    def _forget(self, index: int) -> None:
        pipe = self._pipes.pop(index, None)
        if pipe is not None:
            os.close(pipe)


def _free_index(seats: SeatMap) -> int:
    for index in range(SEATS):
        if not seats.seats["taken"][index]:
            return index
    raise EnvironmentProblem(
        f"All {SEATS} reader seats of this ring are taken",
        why="that many processes read it already",
        hint="stop a reader you no longer need",
    )


def _open_pipe(path: Path) -> int:
    if not _HAS_PIPES:
        return -1
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def _open_writing(path: Path) -> int | None:
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as cause:
        if cause.errno in (errno.ENXIO, errno.ENOENT):  # nobody reads it, or it is gone
            return None
        raise


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
