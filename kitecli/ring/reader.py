"""What every reader of a ring does: take what is new, count what was lost, wait for more.

Delivered + lost = produced since the reader started, exactly. A reader can't delay the writer, whatever it does.
"""

from __future__ import annotations

import select
from dataclasses import dataclass
from mmap import mmap
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, TICK_DTYPE
from kitecli.ring.layout import RingLayout

if TYPE_CHECKING:
    from kitecli.ring.seats import Seat

DEFAULT_BATCH: Final = 10_000
_HEADROOM_SHARE: Final = 8
"""A lapped reader goes on an eighth of the ring above the oldest tick, or the writer would lap it again at once."""
_SPIN_ROUNDS: Final = 20_000
_UNWOKEN_WAIT_S: Final = 0.001
"""How long a reader sleeps that nobody will wake: no seat, or one the writer hasn't noticed yet."""


class View(Protocol):
    """What a reader needs of a ring; the reference and the compiled view both fit."""

    layout: RingLayout

    def cursor(self) -> int: ...
    def closed(self) -> bool: ...
    def board_rows(self) -> int: ...
    def counters(self) -> NDArray[np.uint64]: ...
    def copy(self, start: int, count: int, ticks: NDArray[np.void], depth: NDArray[np.void] | None) -> int: ...
    def history(
        self, row: int, count: int, ticks: NDArray[np.void], sequences: NDArray[np.int64]
    ) -> int: ...
    def tokens(self, start: int, stop: int) -> NDArray[np.uint32]: ...
    def snapshot(
        self, ticks: NDArray[np.void], depth: NDArray[np.void] | None, sequences: NDArray[np.int64]
    ) -> int: ...
    def spin(self, cursor: int, rounds: int) -> bool: ...
    def announce_sleep(self, page: mmap, offset: int, cursor: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Ticks in the order they came. The arrays belong to the reader and are overwritten by its next read.

    ``ticks[i]`` has sequence ``first_sequence + i``; ``lost`` ticks before the first one were overwritten unread.
    """

    ticks: NDArray[np.void]
    depth: NDArray[np.void] | None
    first_sequence: int
    lost: int

    def __len__(self) -> int:
        return len(self.ticks)


class RingReader:
    """One reader's place in a ring."""

    def __init__(
        self,
        view: View,
        *,
        seat: Seat | None = None,
        batch: int = DEFAULT_BATCH,
        depth: bool = False,
        from_oldest: bool = False,
        spin: bool = False,
    ) -> None:
        self.view = view
        self._seat = seat
        size = min(batch, view.layout.capacity)
        self._ticks = np.zeros(size, TICK_DTYPE)
        self._depth = np.zeros(size, DEPTH_DTYPE) if depth else None
        self.position = max(0, view.cursor() - view.layout.capacity) if from_oldest else view.cursor()
        self.delivered = 0
        self.lost = 0
        self.depth_lost = 0
        self._spin = spin

    def lag(self) -> int:
        """Ticks published and not yet read."""
        return self.view.cursor() - self.position

    def poll(self) -> Batch | None:
        """The next ticks, at most a batch of them, or None where there is nothing new."""
        count = min(self.lag(), len(self._ticks))
        if count <= 0:
            return None
        start = self.position
        oldest = self.view.copy(start, count, self._ticks, self._depth)
        if oldest > start:
            return self._recover(start, count, oldest)
        return self._deliver(start, 0, count, oldest, lost=0)

    def read(self, timeout_s: float) -> Batch | None:
        """Like :meth:`poll`, but waits up to ``timeout_s`` for something to come."""
        batch = self.poll()
        if batch is None and self.wait(timeout_s):
            batch = self.poll()
        return batch

    def wait(self, timeout_s: float) -> bool:
        """Sleep until there is something new; False if there isn't after ``timeout_s``."""
        if self._spin and self.view.spin(self.position, _SPIN_ROUNDS):
            return True
        if self._seat is None:
            if self.lag() <= 0:
                select.select([], [], [], min(timeout_s, _UNWOKEN_WAIT_S))
        elif self.view.announce_sleep(self._seat.page, self._seat.waiting_offset, self.position):
            self._seat.block(timeout_s if self._seat.attached() else min(timeout_s, _UNWOKEN_WAIT_S))
        return self.lag() > 0

    def close(self) -> None:
        """Give the seat back."""
        if self._seat is not None:
            self._seat.leave()
            self._seat = None

    def _recover(self, start: int, count: int, oldest: int) -> Batch | None:
        """We were lapped: keep what was certainly whole, or jump ahead and say what that cost."""
        kept = start + count - oldest
        if kept > 0:
            return self._deliver(start, oldest - start, kept, oldest, lost=oldest - start)
        capacity = self.view.layout.capacity
        target = min(oldest + capacity // _HEADROOM_SHARE, self.view.cursor())
        skipped = target - start
        self.position = target
        self.lost += skipped
        batch = self.poll()
        return None if batch is None else Batch(batch.ticks, batch.depth, batch.first_sequence, batch.lost + skipped)

    def _deliver(self, start: int, skip: int, count: int, oldest: int, *, lost: int) -> Batch:
        ticks = self._ticks[skip : skip + count]
        depth = None if self._depth is None else self._depth[skip : skip + count]
        first = start + skip
        if depth is not None:
            self._drop_stale_depth(ticks, first, oldest)
        self.position = first + count
        self.delivered += count
        self.lost += lost
        if self._seat is not None:
            self._seat.report(self.position, self.delivered, self.lost)
        return Batch(ticks, depth, first, lost)

    def _drop_stale_depth(self, ticks: NDArray[np.void], first: int, oldest: int) -> None:
        """Depth is kept for fewer ticks than the records: a tick too old for it loses the flag, and that is counted."""
        layout = self.view.layout
        stale = oldest + layout.capacity - layout.depth_capacity - first
        if stale > 0:
            flags = ticks["flags"][:stale]
            self.depth_lost += int(np.count_nonzero(flags & FLAG_DEPTH))
            flags &= np.uint16(~FLAG_DEPTH & 0xFFFF)
