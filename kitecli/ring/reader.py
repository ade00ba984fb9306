"""What every reader of a ring does: take what is new, count what was lost, wait for more.

Delivered + lost = produced since the reader started, exactly. A reader can't delay the writer, whatever it does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from mmap import mmap
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, TICK_DTYPE
from kitecli.ring.layout import RingLayout
from kitecli.ring.seats import UNWOKEN_WAIT_S, Seat

DEFAULT_BATCH: Final = 10_000
_HEADROOM_SHARE: Final = 8
"""A lapped reader goes on an eighth of the ring above the oldest tick."""
_CATCH_UPS: Final = 8
"""How often one poll jumps after a writer that laps it again and again, before it gives its caller a turn."""
_SPIN_ROUNDS: Final = 20_000


class View(Protocol):
    """What a reader needs of a ring; the reference and the compiled view both fit."""

    layout: RingLayout

    def cursor(self) -> int: ...
    def closed(self) -> bool: ...
    def board_rows(self) -> int: ...
    def counters(self) -> NDArray[np.uint64]: ...
    def copy(self, start: int, count: int, ticks: NDArray[np.void], depth: NDArray[np.void] | None) -> int: ...
    def history(self, row: int, count: int, ticks: NDArray[np.void], sequences: NDArray[np.int64]) -> int: ...
    def tokens(self, start: int, stop: int) -> NDArray[np.uint32]: ...
    def snapshot(
        self, ticks: NDArray[np.void], depth: NDArray[np.void] | None, sequences: NDArray[np.int64]
    ) -> int: ...
    def spin(self, cursor: int, rounds: int) -> bool: ...
    def announce_sleep(self, page: mmap, offset: int, cursor: int) -> bool: ...


@dataclass(slots=True)  # not frozen: that costs a microsecond a batch
class Batch:
    """Ticks in the order they came. The arrays belong to the reader and are overwritten by its next read.

    ``ticks[i]`` has sequence ``first_sequence + i``; ``lost`` ticks before the first one were overwritten unread.
    The lengths and losses of all batches add up to what was produced, without a gap. A row of ``depth`` belongs to its
    tick where the tick's flags carry ``FLAG_DEPTH``.
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
        if batch < 1:
            raise ValueError(f"a reader can't take {batch} ticks at a time")
        self.view = view
        self._seat = seat
        size = min(batch, view.layout.capacity)
        self._ticks = np.zeros(size, TICK_DTYPE)
        self._depth = np.zeros(size, DEPTH_DTYPE) if depth else None
        self.position = max(0, view.cursor() - view.layout.capacity) if from_oldest else view.cursor()
        self.delivered = 0
        self.lost = 0
        self.depth_lost = 0
        self._untold = 0  # lost since the last batch
        self._spin = spin
        self._depth_gap = view.layout.capacity - view.layout.depth_capacity

    def lag(self) -> int:
        """Ticks published and not yet read."""
        return self.view.cursor() - self.position

    def poll(self) -> Batch | None:
        """The next ticks, at most a batch of them, or None where nothing new can be had."""
        for _ in range(_CATCH_UPS):
            count = min(self.lag(), len(self._ticks))
            if count <= 0:
                return None
            oldest = self.view.copy(self.position, count, self._ticks, self._depth)
            overwritten = max(0, oldest - self.position)
            self._lose(min(overwritten, count))
            if overwritten < count:
                return self._deliver(overwritten, count, oldest)
            self._jump(oldest)
        return None

    def read(self, timeout_s: float) -> Batch | None:
        """Like :meth:`poll`, but waits up to ``timeout_s`` for something to come."""
        batch = self.poll()
        if batch is None and self.wait(timeout_s):
            batch = self.poll()
        return batch

    def wait(self, timeout_s: float) -> bool:
        """Sleep until there is something new; False if there isn't after ``timeout_s``, or the writer has closed."""
        if self._spin and self.view.spin(self.position, _SPIN_ROUNDS):
            return True
        deadline = time.monotonic() + timeout_s
        while self.lag() <= 0 and not self.view.closed():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            self._sleep(left_s)
        return self.lag() > 0

    def close(self) -> None:
        """Give the seat back."""
        if self._seat is not None:
            self._seat.leave()
            self._seat = None

    def _sleep(self, timeout_s: float) -> None:
        """Once; it may end early, woken for a tick that was already read."""
        if self._seat is None:
            time.sleep(min(timeout_s, UNWOKEN_WAIT_S))
        elif self.view.announce_sleep(self._seat.page, self._seat.waiting_offset, self.position):
            self._seat.block(timeout_s)

    def _lose(self, count: int) -> None:
        self.position += count
        self.lost += count
        self._untold += count

    def _jump(self, oldest: int) -> None:
        """All of it was overwritten: go on some way above the oldest tick, or the writer would lap us again at once."""
        headroom = self.view.layout.capacity // _HEADROOM_SHARE
        # A message larger than the headroom lifts the oldest tick above all that is published yet.
        self._lose(min(oldest + headroom, self.view.cursor()) - self.position)

    def _deliver(self, skip: int, count: int, oldest: int) -> Batch:
        """What was certainly whole: the ticks of the last copy but the first ``skip``."""
        ticks = self._ticks[skip:count]
        depth = None if self._depth is None else self._depth[skip:count]
        first, lost = self.position, self._untold
        if depth is not None and first < oldest + self._depth_gap:
            self._drop_stale_depth(ticks, oldest + self._depth_gap - first)
        self.position = first + len(ticks)
        self.delivered += len(ticks)
        self._untold = 0
        if self._seat is not None:
            self._seat.report(self.position, self.delivered, self.lost)
        return Batch(ticks, depth, first, lost)

    def _drop_stale_depth(self, ticks: NDArray[np.void], stale: int) -> None:
        """Depth is kept for fewer ticks than the records: a tick too old for it loses the flag, and that is counted."""
        flags = ticks["flags"][:stale]
        self.depth_lost += int(np.count_nonzero(flags & FLAG_DEPTH))
        flags &= np.uint16(~FLAG_DEPTH & 0xFFFF)
