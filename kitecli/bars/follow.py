"""Bars as they are closed, of many instruments: each once, and again when a late tick has changed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.intervals import Interval
from kitecli.bars.reader import Ask, BarsReader, Instrument
from kitecli.bars.record import BAR_DTYPE
from kitecli.bars.resample import end_of
from kitecli.bars.table import continuous
from kitecli.bars.timeline import bucket_of

_LOOK_AGAIN_MS: Final = 1000
"""How soon a bar is looked at again that should be over by our clock and isn't by the exchange's."""

Mask = Callable[[NDArray[np.uint32]], NDArray[np.bool_]]


class PublishedBars:
    """The records of one series, from now on, of the tokens that ``wanted`` passes.

    ``lost``: how many were overwritten before they were read.
    """

    def __init__(self, reader: BarsReader, series: int, wanted: Mask, *, auctions: bool) -> None:
        self.lost = 0
        self._view = reader.view
        self._series = series
        self._wanted = wanted
        self._auctions = auctions
        self._position = reader.view.cursor(series)

    def poll(self) -> NDArray[np.void]:
        """Records ``BAR_DTYPE`` closed or revised since the last call, in that order; at once."""
        from_, view = self._position, self._view
        self._position = view.cursor(self._series)
        start = max(from_, self._position - view.layout.capacity)
        records = np.zeros(self._position - start, BAR_DTYPE)
        if not records.size:
            return records
        whole = max(start, view.copy(self._series, start, records.size, records))
        self.lost += min(whole, self._position) - from_
        records = records[whole - start :]
        kept = records[self._wanted(records["token"])]
        return kept if self._auctions else continuous(kept)


class LongerBars:
    """The same of an interval that is put together: a bar is told when its last part is closed, or its time is over."""

    def __init__(
        self,
        reader: BarsReader,
        interval: Interval,
        published: PublishedBars,
        instrument: Callable[[int], Instrument | None],
        now_ms: Callable[[], int],
    ) -> None:
        self._reader = reader
        self._interval = interval
        self._published = published
        self._instrument = instrument
        self._now_ms = now_ms
        self._pending: dict[int, dict[int, int]] = {}  # token: start of a bar to be told: when to look, by our clock

    @property
    def lost(self) -> int:
        """How many of the parts were overwritten before they were read."""
        return self._published.lost

    def poll(self) -> NDArray[np.void]:
        """As :meth:`PublishedBars.poll`; bars of one instrument stand together, oldest first."""
        records = self._published.poll()
        records = records[np.argsort(records["token"], kind="stable")]
        for token, parts in groupby(records, key=lambda one: int(one["token"])):
            if (of := self._instrument(token)) is not None:
                self._note(of, parts)
        now_ms = self._now_ms()
        due = [token for token, starts in self._pending.items() if min(starts.values()) <= now_ms]
        told = [self._told(token, now_ms) for token in sorted(due)]
        return np.concatenate(told) if told else np.zeros(0, BAR_DTYPE)

    def _note(self, of: Instrument, parts: Iterable[np.void]) -> None:
        """Which longer bars these are parts of. One is due at once when its last part has come, or one of a later."""
        timeline, starts = self._reader.timeline(of.row), self._pending.setdefault(of.token, {})
        for part in parts:
            bucket = bucket_of(timeline, self._interval, int(part["start_ms"]), 0)
            starts |= {start: 0 for start in starts if start < bucket.start_ms}
            whole = end_of(part) == bucket.end_ms or bucket.start_ms < max(starts, default=0)
            starts[bucket.start_ms] = 0 if whole else bucket.end_ms + self._reader.grace_ms

    def _told(self, token: int, now_ms: int) -> NDArray[np.void]:
        """Those of its pending bars that are over; they are pending no longer."""
        starts, of = self._pending[token], self._instrument(token)
        bars = np.zeros(0, BAR_DTYPE) if of is None else self._closed_since(of, min(starts))
        over = bars[np.isin(bars["start_ms"], list(starts))]
        last_ms = int(bars["start_ms"][-1]) if bars.size else 0
        left = {start: due if due > now_ms else now_ms + _LOOK_AGAIN_MS for start, due in starts.items()}
        self._pending[token] = {start: due for start, due in left.items() if start > last_ms}
        if not self._pending[token]:
            del self._pending[token]
        return over

    def _closed_since(self, of: Instrument, start_ms: int) -> NDArray[np.void]:
        count = 2
        while True:
            bars = self._reader.read(of, Ask(self._interval, count, auctions=True))
            if bars.size < count or bars["start_ms"][0] <= start_ms:
                return bars
            count *= 2
