"""Reading a ring's memory: the reference, for a ring whose writer lives in the same process.

A view copies and reports; what to do about what it reports is :class:`~kitecli.ring.reader.RingReader`'s.
The compiled view has the same methods and adds the memory barriers that a writer in another process needs.
"""

from __future__ import annotations

from mmap import mmap

import numpy as np
from numpy.typing import NDArray

from kitecli.ring.layout import NOT_WHOLE, STATE_CLOSED
from kitecli.ring.memory import RingMemory
from kitecli.ring.parts import RingParts


class RingView:
    """Read access to one ring, by sequence and by board row."""

    def __init__(self, memory: RingMemory) -> None:
        self.layout = memory.layout
        self._parts = RingParts.of(memory)

    def cursor(self) -> int:
        """The sequence the next tick will get: the number of ticks published so far."""
        return int(self._parts.cursor[0])

    def board_rows(self) -> int:
        return int(self._parts.board_rows[0])

    def closed(self) -> bool:
        """Whether the writer has said goodbye."""
        return int(self._parts.state[0]) == STATE_CLOSED

    def heartbeat_ns(self) -> int:
        return int(self._parts.heartbeat_ns[0])

    def counters(self) -> NDArray[np.uint64]:
        """A copy of the counters, in the order of :data:`~kitecli.ring.layout.COUNTERS`."""
        return self._parts.counters.copy()

    def copy(self, start: int, count: int, ticks: NDArray[np.void], depth: NDArray[np.void] | None) -> int:
        """Copy ``count`` ticks from sequence ``start`` on, and their depth where ``depth`` is given.

        Returns the oldest sequence that was certainly not overwritten meanwhile: rows below it are not to be trusted.
        Depth rows below that value plus (capacity - depth capacity) aren't either. ``count``: the capacity at most.
        """
        slots = np.arange(start, start + count)
        ticks[:count] = self._parts.ticks[slots & (self.layout.capacity - 1)]
        if depth is not None:
            depth[:count] = self._parts.depth[slots & (self.layout.depth_capacity - 1)]
        return int(self._parts.intent[0]) - self.layout.capacity

    def history(self, row: int, count: int, ticks: NDArray[np.void], sequences: NDArray[np.int64]) -> int:
        """The newest ``count`` ticks of the instrument in board row ``row``, newest first; returns how many."""
        sequence, found = int(self._parts.meta["next_sequence"][row]) - 1, 0
        while sequence >= 0 and found < count:
            slot = sequence & (self.layout.capacity - 1)
            ticks[found] = self._parts.ticks[slot]
            link = int(self._parts.links[slot])
            if sequence < int(self._parts.intent[0]) - self.layout.capacity:
                break
            sequences[found] = sequence
            found += 1
            sequence = sequence - link if link else -1
        return found

    def tokens(self, start: int, stop: int) -> NDArray[np.uint32]:
        """Instrument tokens of the board's rows ``start`` to ``stop``; a row keeps its token while the ring lives."""
        tokens: NDArray[np.uint32] = self._parts.meta["token"][start:stop].copy()
        return tokens

    def snapshot(self, ticks: NDArray[np.void], depth: NDArray[np.void] | None, sequences: NDArray[np.int64]) -> int:
        """The latest tick of every instrument, one row each; returns the number of rows.

        A row's sequence is ``NO_TICK`` where the instrument is only expected so far, and ``NOT_WHOLE`` where it
        couldn't be read: its writer stands still in the middle of it, or has died there. Both are below 0.
        """
        rows = min(self.board_rows(), ticks.size)
        versions = self._parts.meta["version"][:rows]
        before = versions.copy()
        ticks[:rows] = self._parts.board_ticks[:rows]
        if depth is not None:
            depth[:rows] = self._parts.board_depth[:rows]
        sequences[:rows] = self._parts.meta["next_sequence"][:rows] - 1
        sequences[:rows][(before & 1 != 0) | (versions != before)] = NOT_WHOLE
        return rows

    def spin(self, cursor: int, rounds: int) -> bool:  # noqa: ARG002
        """The compiled view busy-waits here; within one interpreter that would only keep the writer from running."""
        return self.cursor() > cursor

    def announce_sleep(self, page: mmap, offset: int, cursor: int) -> bool:  # noqa: ARG002
        """The compiled view raises the waiting flag at ``offset``; without barriers a wake could get lost."""
        return self.cursor() <= cursor
