"""The newest tick of each instrument, for a reader that wants no others.

Near the writer they are taken from the ring, where the ticks stand in their order. Far behind, or when the ring was
lapped, they are taken from the board: it has one row for every instrument, however long ago its last tick was, so
nothing is left out. A board row that went on meanwhile is traced back through the ring's links; where the ring has
forgotten that tick, a newer one of the same instrument is about to be read and replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, TICK_DTYPE
from kitecli.ring.layout import NO_TICK, NOT_WHOLE, RingLayout

_PLACE_BITS: Final = np.uint64(32)
_PLACES: Final = np.uint64(0xFFFFFFFF)
_STEPS: Final = 64
"""How far a row is traced back: as many ticks of one instrument as may come while the board is copied."""


class BoardView(Protocol):
    """What conflating needs of a ring's view."""

    layout: RingLayout

    def board_rows(self) -> int: ...
    def copy(self, start: int, count: int, ticks: NDArray[np.void], depth: NDArray[np.void] | None) -> int: ...
    def history(self, row: int, count: int, ticks: NDArray[np.void], sequences: NDArray[np.int64]) -> int: ...
    def snapshot(
        self, ticks: NDArray[np.void], depth: NDArray[np.void] | None, sequences: NDArray[np.int64]
    ) -> int: ...


@dataclass(slots=True)
class Newest:
    """Ticks of different instruments, by sequence; their depth rows where it was asked for."""

    ticks: NDArray[np.void]
    depth: NDArray[np.void] | None
    sequences: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        ticks: NDArray[np.void],
        depth: NDArray[np.void] | None,
        rows: NDArray[np.intp],
        sequences: NDArray[np.int64],
    ) -> Newest:
        """Copies of some rows. ``take`` copies them whole; indexing goes field by field, at twenty times the price."""
        return cls(ticks.take(rows), None if depth is None else depth.take(rows), sequences)


def last_of_each(tokens: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Where each token stands last, ascending; ``tokens`` has one at least."""
    # Tokens above places in one number: NumPy sorts 10,000 of those in a third of what a stable argsort takes.
    places = tokens.astype(np.uint64) << _PLACE_BITS | np.arange(len(tokens), dtype=np.uint64)
    places.sort()
    ends = np.append(np.diff(places >> _PLACE_BITS) != 0, True)
    last: NDArray[np.intp] = np.sort((places[ends] & _PLACES).astype(np.intp))
    return last


class Board:
    """Copies of the board, one after the other, in memory of its own."""

    def __init__(self, view: BoardView, *, depth: bool) -> None:
        self._view = view
        self._depth_gap = view.layout.capacity - view.layout.depth_capacity
        self._sequences = np.zeros(0, np.int64)
        self._ticks = np.zeros(0, TICK_DTYPE)
        self._depth = np.zeros(0, DEPTH_DTYPE) if depth else None
        self._past = np.zeros(_STEPS, TICK_DTYPE)
        self._past_sequences = np.zeros(_STEPS, np.int64)
        self.depth_lost = 0

    def newest(self, start: int, stop: int) -> Newest:
        """The newest tick of each instrument that has one in ``start`` to ``stop``; ``stop``: a cursor already read."""
        self._make_room(self._view.board_rows())
        rows = self._view.snapshot(self._ticks, self._depth, self._sequences)
        sequences = self._sequences[:rows]
        for row in np.flatnonzero((sequences >= stop) | (sequences == NOT_WHOLE)):
            sequences[row] = self._trace_back(int(row), stop)
        wanted = np.flatnonzero(sequences >= start)
        wanted = wanted[sequences[wanted].argsort()]
        return Newest.of(self._ticks, self._depth, wanted, sequences[wanted])

    def _make_room(self, rows: int) -> None:
        if rows > len(self._sequences):
            self._sequences = np.zeros(rows, np.int64)
            self._ticks = np.zeros(rows, TICK_DTYPE)
            self._depth = None if self._depth is None else np.zeros(rows, DEPTH_DTYPE)

    def _trace_back(self, row: int, stop: int) -> int:
        """Replace a row by the instrument's newest tick below ``stop``; its sequence, or that there is none."""
        found = self._view.history(row, _STEPS, self._past, self._past_sequences)
        older = self._past_sequences[:found][self._past_sequences[:found] < stop]
        if not older.size:
            return NO_TICK
        sequence = int(older[0])
        tick = self._ticks[row : row + 1]
        oldest = self._view.copy(sequence, 1, tick, None if self._depth is None else self._depth[row : row + 1])
        if sequence < oldest:
            return NO_TICK
        if self._depth is not None and sequence < oldest + self._depth_gap:
            self.depth_lost += drop_depth(tick)
        return sequence


def drop_depth(ticks: NDArray[np.void]) -> int:
    """Take the depth flag from ticks whose depth rows are others' by now; returns how many had it."""
    flags = ticks["flags"]
    lost = int(np.count_nonzero(flags & FLAG_DEPTH))
    flags &= np.uint16(~FLAG_DEPTH & 0xFFFF)
    return lost
