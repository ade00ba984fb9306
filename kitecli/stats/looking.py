"""Looks at a running feed: copies of its ring's counters, its board, its readers' seats and all slots of figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError, GatewayGone
from kitecli.gateway.lock import FeedCard, FeedPlace
from kitecli.gateway.mapped import seats_path
from kitecli.hot import RingView
from kitecli.market.tick import TICK_DTYPE
from kitecli.metrics.block import SlotFigures, SlotView, read_slot
from kitecli.metrics.layout import reader_path, slot_path
from kitecli.ring.layout import COUNTERS, META_DTYPE
from kitecli.ring.memory import RingMemory
from kitecli.ring.seats import SeatedReader, SeatMap, seated_readers

_VERSIONS_A_TICK: Final = 2
"""A row's version is odd while it is written: each tick raises it twice."""


@dataclass(frozen=True, slots=True)
class ReaderLook:
    """One reader. ``figures``: None where it keeps none, as readers of another making may."""

    seat: int
    seated: SeatedReader
    lag: int
    figures: SlotFigures | None


@dataclass(frozen=True, slots=True)
class Board:
    """Every instrument of the feed, one row each: ``tokens`` (n,) uint32, ``ticks`` (n,) uint32: how many of it there
    have been, modulo 2**31; ``last_ns`` (n,) int64: when the latest was received, 0 before the first."""

    tokens: NDArray[np.uint32]
    ticks: NDArray[np.uint32]
    last_ns: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Look:
    """A feed at one moment, ``at_ns``. ``counters``: what the pass counts, by the names of the ring's layout."""

    at_ns: int
    card: FeedCard
    capacity: int
    produced: int
    counters: dict[str, int]
    feed: SlotFigures
    readers: tuple[ReaderLook, ...]
    board: Board


class FeedLooker:
    """Has a running feed's memory mapped, for reading only. Raises :class:`GatewayGone` where it has just ended."""

    def __init__(self, card: FeedCard) -> None:
        self.card = card
        self._ring = Path(card.ring)
        try:
            self._memory = RingMemory.attach(self._ring)
            self._slot = SlotView.attach(slot_path(self._ring))
            self._seats = SeatMap(seats_path(self._ring))
        except DataError as cause:
            if self.alive:
                raise
            raise _gone(card) from cause
        self._view = RingView(self._memory)

    @property
    def alive(self) -> bool:
        """Whether the feed still runs: its lock tells."""
        return FeedPlace(self._ring.parent, self.card.name).held()

    def look(self, now_ns: int) -> Look:
        """How it stands. Raises :class:`GatewayGone` where it has ended."""
        if self._view.closed() or not self.alive:
            raise _gone(self.card)
        produced = self._view.cursor()
        counters = (int(count) for count in self._view.counters())
        return Look(
            at_ns=now_ns,
            card=self.card,
            capacity=self._memory.layout.capacity,
            produced=produced,
            counters=dict(zip(COUNTERS, counters, strict=True)),
            feed=self._slot.figures(),
            readers=tuple(self._reader(seat, one, produced) for seat, one in seated_readers(self._seats).items()),
            board=self._board(),
        )

    def close(self) -> None:
        self._seats.close()
        self._slot.close()
        self._memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _reader(self, seat: int, seated: SeatedReader, produced: int) -> ReaderLook:
        """A slot whose writer isn't who sits there is left over from one that died."""
        try:
            figures: SlotFigures | None = read_slot(reader_path(self._ring, seat))
        except DataError:
            figures = None
        mine = figures if figures is not None and figures.pid == seated.pid else None
        return ReaderLook(seat, seated, max(0, produced - seated.position), mine)

    def _board(self) -> Board:
        rows, layout, buffer = self._view.board_rows(), self._memory.layout, self._memory.buffer
        meta = np.frombuffer(buffer, META_DTYPE, rows, layout.meta_offset)
        ticks = np.frombuffer(buffer, TICK_DTYPE, rows, layout.board_ticks_offset)
        return Board(meta["token"].copy(), meta["version"] // _VERSIONS_A_TICK, ticks["ts_recv_ns"].copy())


def _gone(card: FeedCard) -> GatewayGone:
    return GatewayGone(f"The feed {card.name} has ended", why=f"its process was {card.pid}", hint="kite status")
