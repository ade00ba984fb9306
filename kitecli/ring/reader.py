"""What every reader of a ring does: take what is new, count what it missed, wait for more.

Delivered + conflated + lost = produced since the reader started, exactly, whenever a method returns; the reader's
policy says which of the three a tick becomes. A reader can't delay the writer, whatever it does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from mmap import mmap
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.ring.bell import UNWOKEN_WAIT_S
from kitecli.ring.conflation import Board, Newest, drop_depth, last_of_each
from kitecli.ring.layout import RingLayout
from kitecli.ring.policy import Policy
from kitecli.ring.seats import Seat

DEFAULT_BATCH: Final = 10_000
DEFAULT_MAX_LAG: Final = 10_000
"""What 9,000 instruments bring in half a second of a busy market."""
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
    def heartbeat_ns(self) -> int: ...
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

    A row of ``depth`` belongs to its tick where the tick's flags carry ``FLAG_DEPTH``. ``lost`` and ``conflated`` count
    what was missed since the batch before: the lengths, losses and conflated ticks of all batches add up to what was
    produced, without a gap. A conflated batch has one tick of each instrument at most, and may so be longer or shorter
    than the reader's batch; in all others ``ticks[i]`` has sequence ``first_sequence + i``.
    """

    ticks: NDArray[np.void]
    depth: NDArray[np.void] | None
    first_sequence: int
    lost: int
    conflated: int = 0
    scattered: NDArray[np.int64] | None = None

    @property
    def sequences(self) -> NDArray[np.int64]:
        """The sequence of each tick, ascending."""
        if self.scattered is not None:
            return self.scattered
        return np.arange(self.first_sequence, self.first_sequence + len(self.ticks))

    def __len__(self) -> int:
        return len(self.ticks)


class RingReader:
    """One reader's place in a ring.

    ``batch``: ticks taken at a time, at most. ``from_oldest``: begin with what is there already, the oldest tick of the
    ring or, with ``Policy.LATEST``, the whole board. ``max_lag``: how many ticks behind a ``Policy.DROP_OLDEST`` reader
    may be when it reads.
    """

    def __init__(
        self,
        view: View,
        *,
        seat: Seat | None = None,
        batch: int = DEFAULT_BATCH,
        depth: bool = False,
        from_oldest: bool = False,
        spin: bool = False,
        policy: Policy = Policy.EVERY,
        max_lag: int = DEFAULT_MAX_LAG,
    ) -> None:
        if batch < 1 or max_lag < 1:
            raise ValueError(f"a reader can't take {batch} ticks at a time from at most {max_lag} behind")
        self.view = view
        self.policy = policy
        self._seat = seat
        size = min(batch, view.layout.capacity)
        self._ticks = np.zeros(size, TICK_DTYPE)
        self._depth = np.zeros(size, DEPTH_DTYPE) if depth else None
        self._board = Board(view, depth=depth)
        self._max_lag = max_lag
        self.start = self._oldest() if from_oldest else view.cursor()
        self.position = self.start
        self.delivered = 0
        self.conflated = 0
        self.lost = 0
        self.depth_lost = 0
        self._untold_lost = self._untold_conflated = 0  # since the last batch
        self._spin = spin
        self._depth_gap = view.layout.capacity - view.layout.depth_capacity
        if seat is not None:
            seat.begin(self.start, policy)

    def lag(self) -> int:
        """Ticks published and not yet read."""
        return self.view.cursor() - self.position

    @property
    def seat(self) -> int | None:
        """The number of its seat; None where it has none."""
        return None if self._seat is None else self._seat.index

    def slowest_lag(self) -> int:
        """The lag of the slowest reader of this ring; without a seat nobody else is known."""
        seat = self._seat
        if seat is None:
            return self.lag()
        return max(0, self.view.cursor() - int(seat.positions().min(initial=self.position)))

    def poll(self) -> Batch | None:
        """The next ticks, or None where nothing new can be had."""
        before = self.position
        batch = self._newest() if self.policy is Policy.LATEST else self._next()
        if self._seat is not None and self.position != before:
            self._seat.report(self.position, self.conflated, self.lost)
        return batch

    def read(self, timeout_s: float) -> Batch | None:
        """Like :meth:`poll`, but waits up to ``timeout_s`` for something to come."""
        batch = self.poll()
        if batch is None and self.wait(timeout_s):
            batch = self.poll()
        return batch

    def wait(self, timeout_s: float) -> bool:
        """Sleep until there is something new; False if there isn't after ``timeout_s``, or the writer is gone.

        :attr:`writer_gone` tells silence from the end.
        """
        if self._spin and self.view.spin(self.position, _SPIN_ROUNDS):
            return True
        deadline = time.monotonic() + timeout_s
        while self.lag() <= 0 and not self.writer_gone:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            self._sleep(left_s)
        return self.lag() > 0

    @property
    def writer_gone(self) -> bool:
        """Whether nothing will come any more: the writer has said goodbye, or its process has died.

        The kernel tells of a death at once, but only readers with a seat, and none where there are no named pipes.
        """
        return self.view.closed() or (self._seat is not None and self._seat.writer_gone)

    @property
    def descriptor(self) -> int | None:
        """What becomes readable when a sleeper is woken, for an event loop to watch; None where nobody wakes it."""
        seat = self._seat
        return seat.bell.descriptor if seat is not None and seat.attached() and not seat.writer_gone else None

    def announce_sleep(self) -> bool:
        """Ask to be woken by the next tick; False where there is something to read already."""
        seat = self._seat
        return seat is not None and self.view.announce_sleep(seat.page, seat.waiting_offset, self.position)

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

    def _oldest(self) -> int:
        return 0 if self.policy is Policy.LATEST else max(0, self.view.cursor() - self.view.layout.capacity)

    # Every tick

    def _next(self) -> Batch | None:
        for _ in range(_CATCH_UPS):
            if self.policy is Policy.DROP_OLDEST:
                self._lose(max(0, self.lag() - self._max_lag))
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

    def _lose(self, count: int) -> None:
        self.position += count
        self.lost += count
        self._untold_lost += count

    def _jump(self, oldest: int) -> None:
        """All of it was overwritten: go on some way above the oldest tick, or the writer would lap us again at once."""
        headroom = self.view.layout.capacity // _HEADROOM_SHARE
        # A message larger than the headroom lifts the oldest tick above all that is published yet.
        self._lose(min(oldest + headroom, self.view.cursor()) - self.position)

    def _deliver(self, skip: int, count: int, oldest: int) -> Batch:
        """What was certainly whole: the ticks of the last copy but the first ``skip``."""
        ticks = self._ticks[skip:count]
        depth = None if self._depth is None else self._depth[skip:count]
        if depth is not None and self.position < oldest + self._depth_gap:
            # Depth is kept for fewer ticks than the records.
            self.depth_lost += drop_depth(ticks[: oldest + self._depth_gap - self.position])
        batch = Batch(ticks, depth, self.position, self._untold_lost)
        self.position += len(ticks)
        self.delivered += len(ticks)
        self._untold_lost = 0
        return batch

    # The newest of each instrument

    def _newest(self) -> Batch | None:
        stop = self.view.cursor()
        if stop <= self.position:
            return None
        newest = self._newest_of_ring(stop) or self._board.newest(self.position, stop)
        passed = stop - self.position - len(newest.sequences)
        self.position = stop
        self.delivered += len(newest.sequences)
        self.conflated += passed
        self.depth_lost = self._board.depth_lost
        self._untold_conflated += passed
        return self._conflated_batch(newest) if newest.sequences.size else None

    def _newest_of_ring(self, stop: int) -> Newest | None:
        """From the ring, or None where it is more than a batch or has been overwritten, in part or its depth."""
        count = stop - self.position
        if count > len(self._ticks):
            return None
        oldest = self.view.copy(self.position, count, self._ticks, self._depth)
        if self.position < oldest + (0 if self._depth is None else self._depth_gap):
            return None
        last = last_of_each(self._ticks["token"][:count])
        return Newest.of(self._ticks, self._depth, last, self.position + last)

    def _conflated_batch(self, newest: Newest) -> Batch:
        first, conflated, self._untold_conflated = int(newest.sequences[0]), self._untold_conflated, 0
        return Batch(newest.ticks, newest.depth, first, 0, conflated, newest.sequences)
