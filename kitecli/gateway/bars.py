"""A feed's bars as its reader asks for them: by token and interval, in rupees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.arrival import Arrival
from kitecli.bars.follow import LongerBars, Mask, PublishedBars
from kitecli.bars.intervals import Interval
from kitecli.bars.memory import BarsMemory
from kitecli.bars.reader import Ask, BarsReader, Instrument
from kitecli.bars.table import TABLE_DTYPE, table_of
from kitecli.bars.timeline import Timelines
from kitecli.errors import UsageError
from kitecli.hot import BarsView
from kitecli.market.tick import FLAG_SNAPSHOT, TICK_DTYPE
from kitecli.ring.reader import View

_NS_PER_MS: Final = 1_000_000
_LOOKED_AT: Final = 4
"""Ticks of an instrument looked at for the exchange's time: snapshots, two at most after a subscription, have an old
one."""


class ClosedBars:
    """Bars of one interval as they are closed, from now on: each once, and again when a late tick has changed it."""

    def __init__(self, records: PublishedBars | LongerBars) -> None:
        self._records = records

    @property
    def lost(self) -> int:
        """How many weren't polled before they were overwritten."""
        return self._records.lost

    def poll(self) -> NDArray[np.void]:
        """Rows ``TABLE_DTYPE`` since the last call; at once, and without any where nothing was closed."""
        return table_of(self._records.poll())


class FeedBars:
    """``rows``: the board's row of each token. ``wanted``: which tokens are this reader's own. ``now_ns``: what time
    it is in the feed."""

    def __init__(
        self,
        memory: BarsMemory | None,
        timelines: Timelines,
        ring: View,
        rows: Callable[[], Mapping[int, int]],
        wanted: Mask,
        now_ns: Callable[[], int],
    ) -> None:
        self._reader = BarsReader(memory, BarsView(memory), timelines.each) if memory else None
        self._ring = ring
        self._rows = rows
        self._wanted = wanted
        self._now_ns = now_ns

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """Those the feed builds."""
        return self._reader.view.intervals if self._reader else ()

    def table(self, token: int, ask: Ask) -> NDArray[np.void]:
        """Rows ``TABLE_DTYPE``, oldest first. Raises :class:`UsageError` where the interval can't be had."""
        reader, of = self._built(), self._instrument(token)
        reader.series_for(ask.interval)
        return np.zeros(0, TABLE_DTYPE) if of is None else table_of(reader.read(of, ask))

    def published(self, token: int, interval: Interval) -> NDArray[np.void]:
        """Rows ``TABLE_DTYPE``, newest first, with the earlier revisions. Raises :class:`UsageError`."""
        reader, of = self._built(), self._instrument(token)
        return np.zeros(0, TABLE_DTYPE) if of is None else table_of(reader.published(of, interval))

    def closed(self, interval: Interval, *, auctions: bool) -> ClosedBars:
        """Raises :class:`UsageError` where the interval can't be had."""
        reader = self._built()
        series = reader.series_for(interval)
        published = PublishedBars(reader, series, self._wanted, auctions=auctions)
        if reader.view.intervals[series] == interval:
            return ClosedBars(published)
        return ClosedBars(LongerBars(reader, interval, published, self._instrument, self._now_ms))

    def _built(self) -> BarsReader:
        if self._reader is None:
            raise UsageError(
                "This feed builds no bars",
                why="datafeed.bars is empty, and performance.tick_aggregation_interval 0",
                hint="name intervals there, end the running feed (kite stop) and start it anew",
            )
        return self._reader

    def _instrument(self, token: int) -> Instrument | None:
        row = self._rows().get(token)
        return None if row is None else Instrument(token, row, lambda: self._market_ms(row))

    def _market_ms(self, row: int) -> int:
        """The exchange's time by an instrument's last tick and what has passed since."""
        ticks, sequences = np.zeros(_LOOKED_AT, TICK_DTYPE), np.zeros(_LOOKED_AT, np.int64)
        found = ticks[: self._ring.history(row, _LOOKED_AT, ticks, sequences)]
        traded = found[found["flags"] & FLAG_SNAPSHOT == 0]
        now_ms = self._now_ms()
        if not traded.size:
            return now_ms
        last = Arrival.of(traded[0])
        return last.market_ms + now_ms - last.recv_ms

    def _now_ms(self) -> int:
        return self._now_ns() // _NS_PER_MS
