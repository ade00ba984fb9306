"""Where readers of a ring announce themselves, say how far they are, and sleep.

A file beside the ring, written by the readers and looked at by the writer::

    0          8             64                4096             4096 + 128 × n
    +----------+-------------+-----------------+----------------+------
    | magic    | version u32 | generation u64  | seat 0 (128 B) | seat n ...
    +----------+-------------+-----------------+----------------+------
    seat
    0           4           8              16          20           24          32           40          48          52
    +-----------+-----------+--------------+-----------+------------+-----------+------------+-----------+-----------+
    | taken u32 | pid u32   | position i64 | waiting   | attached   | start i64 | conflated  | lost i64  | policy    |
    |           |           |              | u32       | u32        |           | i64        |           | u32       |
    +-----------+-----------+--------------+-----------+------------+-----------+------------+-----------+-----------+

What a reader delivered isn't written: it is ``position - start - conflated - lost``, so that whoever looks in the
middle of a report still sees numbers that add up.

A reader about to sleep raises ``waiting`` and blocks on its bell; the writer, having published, lowers the flag and
rings. Each reader's bell stands beside this file, and so does the writer's lifeline, by which the kernel tells readers
of its death, also those it never knew (bell.py).

Who sits where changes under the file's lock. The writer asks for it but never waits: a reader stopped while it holds
the lock may keep others from sitting down, but not ticks from coming. ``attached`` is the writer's word that it will
wake this reader; a new taker of a seat lowers it, and so a seat that changed hands unseen is told from one still held.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.ring.bell import HAS_PIPES, UNWOKEN_WAIT_S, Bell, hold_lifeline, open_bell, unheard
from kitecli.ring.location import files_in
from kitecli.ring.locks import lock, unlock
from kitecli.ring.memory import map_new_file
from kitecli.ring.policy import POLICIES, Policy

SEATS: Final = 64
_TITLE: Final = b"KITESEAT" + (2).to_bytes(4, "little")
"""Magic and version."""
_GENERATION_OFFSET: Final = 64
_SEATS_OFFSET: Final = 4096
_SEAT_DTYPE: Final = np.dtype(
    {
        "names": ["taken", "pid", "position", "waiting", "attached", "start", "conflated", "lost", "policy"],
        "formats": ["<u4", "<u4", "<i8", "<u4", "<u4", "<i8", "<i8", "<i8", "<u4"],
        "offsets": [0, 4, 8, 16, 20, 24, 32, 40, 48],
        "itemsize": 128,  # two cache lines: the prefetcher pairs them, and a reader's writes should bother nobody
    }
)
_WAITING: Final = 16
# The same fields as cells of a seat's 64-bit and 32-bit numbers.
_POSITION, _START, _CONFLATED, _LOST = 1, 3, 4, 5
_ATTACHED = 5
_FILE_BYTES: Final = _SEATS_OFFSET + SEATS * _SEAT_DTYPE.itemsize


class SeatMap:
    """The seats file, mapped for reading and writing; raises :class:`DataError` where it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.buffer, self._descriptor = _mapped(path)
        self.seats: NDArray[np.void] = np.frombuffer(self.buffer, _SEAT_DTYPE, SEATS, _SEATS_OFFSET)
        self.generation: NDArray[np.uint64] = np.frombuffer(self.buffer, np.uint64, 1, _GENERATION_OFFSET)

    @classmethod
    def create(cls, path: Path) -> SeatMap:
        with map_new_file(path, _FILE_BYTES) as buffer:
            buffer[: len(_TITLE)] = _TITLE
        return cls(path)

    def bell(self, index: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{index:02d}")

    @contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[bool]:
        """The right to change who sits where, or False where another has it and ``wait`` is False.

        It goes with its holder's life.
        """
        held = lock(self._descriptor, wait=wait)
        try:
            yield held
        finally:
            if held:
                unlock(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class Seat:
    """A reader's seat: its published position and its pipe."""

    def __init__(self, seats: SeatMap, index: int) -> None:
        self.index = index
        self._map = seats
        self._row = seats.seats[index : index + 1]
        self.page = seats.buffer
        self._at = _SEATS_OFFSET + index * _SEAT_DTYPE.itemsize
        self.waiting_offset = self._at + _WAITING
        self.bell = Bell(seats.bell(index), _lifeline(seats.path))
        self._left = False
        # Set with every batch, where NumPy takes 1 us; struct blanks a field first, for the writer to see.
        seat = memoryview(seats.buffer)[self._at : self._at + _SEAT_DTYPE.itemsize]
        self._wide, self._narrow = seat.cast("q"), seat.cast("I")

    @classmethod
    def take(cls, path: Path) -> Seat:
        """Take a free seat of the ring whose seats file is ``path``; raises where there is none, or no room."""
        seats = SeatMap(path)
        try:
            with files_in(path.parent), seats.locked():
                return cls._sit_down(seats)
        except BaseException:
            seats.close()
            raise

    @classmethod
    def _sit_down(cls, seats: SeatMap) -> Seat:
        seat = cls(seats, _free_index(seats))
        seat._row["pid"], seat._row["attached"], seat._row["waiting"] = os.getpid(), 0, 0
        seat.begin(0, Policy.EVERY)
        seat._row["taken"] = 1
        seats.generation += np.uint64(1)
        return seat

    def begin(self, start: int, policy: Policy) -> None:
        """Publish where this reader starts, and what it does when it can't keep up."""
        self._row["policy"] = POLICIES.index(policy)
        self._wide[_START] = start
        self.report(start, 0, 0)

    def report(self, position: int, conflated: int, lost: int) -> None:
        """Publish how far this reader is; the writer's statistics read it."""
        self._wide[_POSITION], self._wide[_CONFLATED], self._wide[_LOST] = position, conflated, lost

    def positions(self) -> NDArray[np.int64]:
        """How far each seated reader is, this one among them."""
        seats = self._map.seats
        positions: NDArray[np.int64] = seats["position"][seats["taken"] == 1]
        return positions

    def attached(self) -> bool:
        """Whether the writer knows this seat and will wake it."""
        return self._narrow[_ATTACHED] != 0

    @property
    def writer_gone(self) -> bool:
        """Whether the writer's process has died or let go of its seats; False where there are no named pipes."""
        return self.bell.abandoned

    def block(self, timeout_s: float) -> None:
        """Sleep until woken, the writer's end, or ``timeout_s``; much shorter where nobody will wake us."""
        self.bell.block(timeout_s if self.attached() else min(timeout_s, UNWOKEN_WAIT_S))

    def leave(self) -> None:
        """Give the seat back; a second time does nothing."""
        if self._left:
            return
        self._left = True
        with self._map.locked():
            self.bell.close()
            self._row["attached"] = self._row["taken"] = 0
            self._map.generation += np.uint64(1)
        self._map.close()


@dataclass(frozen=True, slots=True)
class SeatedReader:
    """A reader as its seat shows it; ``delivered + conflated + lost == position - start``."""

    pid: int
    policy: Policy
    start: int
    position: int
    delivered: int
    conflated: int
    lost: int


def _seated(seat: np.void) -> SeatedReader:
    start, position, conflated, lost = (int(seat[name]) for name in ("start", "position", "conflated", "lost"))
    policy = POLICIES[int(seat["policy"]) % len(POLICIES)]  # whatever another process wrote there
    delivered = position - start - conflated - lost
    return SeatedReader(int(seat["pid"]), policy, start, position, delivered, conflated, lost)


def seated_readers(seats: SeatMap) -> dict[int, SeatedReader]:
    """Who sits where."""
    copied = seats.seats.copy()
    return {int(index): _seated(copied[index]) for index in np.flatnonzero(copied["taken"] == 1)}


class SeatKeeper:
    """The writer's side: who sits where, whom to wake, how far behind the slowest is."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`EnvironmentProblem` where there is no room."""
        with files_in(path.parent):
            self._life = hold_lifeline(_lifeline(path))  # first: who finds the seats must find it
            self._map = SeatMap.create(path)
        self._seen = -1
        self._closed = False
        self._pipes: dict[int, int] = {}
        self.page = self._map.buffer

    def refresh(self) -> list[tuple[int, int]] | None:
        """The sleepers to wake, as (offset of the waiting flag, descriptor); None where nothing has changed.

        Give a list to ``FramePass.wake`` before anything else is ingested: descriptors of the former one are closed.
        """
        dead = self._dead()
        if not dead and int(self._map.generation[0]) == self._seen:
            return None
        with self._map.locked(wait=False) as held:
            if not held:
                return None  # somebody is sitting down or leaving right now: we look again
            self._seen = int(self._map.generation[0])
            for index in dead:
                self._release(index)
            for index in range(SEATS):
                self._look_at(index)
        return [(_SEATS_OFFSET + index * _SEAT_DTYPE.itemsize + _WAITING, pipe) for index, pipe in self._pipes.items()]

    def readers(self) -> list[SeatedReader]:
        """Who reads, how far each one is and what became of its ticks."""
        return list(seated_readers(self._map).values())

    def lag(self, cursor: int) -> int:
        """How many ticks the slowest reader is behind a ring that has come to ``cursor``."""
        seats = self._map.seats
        return max(0, cursor - int(seats["position"][seats["taken"] == 1].min(initial=cursor)))

    def close(self) -> None:
        """Remove the files; a second time does nothing. What is ingested after this would be told to closed pipes."""
        if self._closed:
            return  # by now the names may be a later feed's
        self._closed = True
        for index in list(self._pipes):
            self._forget(index)
        for path in (*map(self._map.bell, range(SEATS)), _lifeline(self._map.path), self._map.path):
            path.unlink(missing_ok=True)
        if self._life is not None:
            os.close(self._life)
        self._map.close()

    def _look_at(self, index: int) -> None:
        seat = self._map.seats[index]
        if not (seat["taken"] and seat["attached"]):
            self._forget(index)
        if seat["taken"] and index not in self._pipes and HAS_PIPES:
            pipe = open_bell(self._map.bell(index))
            if pipe is None:
                seat["taken"] = 0
            else:
                self._pipes[index] = pipe
                seat["attached"] = 1

    def _dead(self) -> list[int]:
        """Seats whose bells nobody hears any more: their readers left, or died."""
        return [index for index, pipe in self._pipes.items() if unheard(pipe)]

    def _release(self, index: int) -> None:
        self._forget(index)
        seat = self._map.seats[index]
        if seat["attached"]:  # else it has a new taker already, who isn't the one that died
            seat["taken"] = seat["attached"] = 0

    def _forget(self, index: int) -> None:
        pipe = self._pipes.pop(index, None)
        if pipe is not None:
            os.close(pipe)


def _mapped(path: Path) -> tuple[mmap.mmap, int]:
    """The file's bytes, and a descriptor of our own to lock it by: its name may have gone to a later feed."""
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except OSError as cause:
        raise DataError(
            f"No reader seats at {path}", why=str(cause.strerror), hint="start a feed first: kite feed --sim"
        ) from cause
    if os.fstat(descriptor).st_size == _FILE_BYTES:
        buffer = mmap.mmap(descriptor, _FILE_BYTES)
        if buffer[: len(_TITLE)] == _TITLE:
            return buffer, descriptor
    os.close(descriptor)
    raise DataError(
        f"{path} holds no reader seats of this version of kite",
        why="its size, its first bytes or its version are others",
        hint="run the feed and its readers from the same installation",
    )


def _free_index(seats: SeatMap) -> int:
    for index in range(SEATS):
        if not seats.seats["taken"][index]:
            return index
    raise EnvironmentProblem(
        f"All {SEATS} reader seats of this ring are taken",
        why="that many processes read it already",
        hint="stop a reader you no longer need",
    )


def _lifeline(seats: Path) -> Path:
    return seats.with_name(f"{seats.name}.life")
