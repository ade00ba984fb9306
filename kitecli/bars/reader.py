"""What is asked of a feed's bars: so many of an instrument, of any interval the built ones add up to.

A record stands in its ring as it was closed, and again for each revision; here the newest one of each bar counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.intervals import Interval, Kind
from kitecli.bars.layout import BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.parts import BarsParts
from kitecli.bars.record import BAR_DTYPE, FLAG_OPEN, FLAG_PARTIAL
from kitecli.bars.resample import end_of, filled, resampled, series_for
from kitecli.bars.table import continuous
from kitecli.bars.timeline import EMPTY, Timeline
from kitecli.errors import UsageError

_SPARE: Final = 8
"""Records read beyond those asked for: revisions, auctions and the night take some."""
_GROWTH: Final = 4


class View(Protocol):
    """What is needed of a view of bars; the reference and the compiled one both fit."""

    layout: BarsLayout
    intervals: tuple[Interval, ...]

    def cursor(self, series: int) -> int: ...
    def counters(self) -> NDArray[np.uint64]: ...
    def copy(self, series: int, start: int, count: int, records: NDArray[np.void]) -> int: ...
    def history(self, row: int, series: int, count: int, records: NDArray[np.void]) -> int: ...
    def forming(self, start: int, stop: int, series: int, records: NDArray[np.void]) -> int: ...


@dataclass(frozen=True, slots=True)
class Instrument:
    """One as its feed knows it. ``row``: on the board. ``market_ms``: what time it is for it, asked only where needed.

    That is the exchange's time: of a day that is played, its hour and not ours.
    """

    token: int
    row: int
    market_ms: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Ask:
    """The newest ``count`` bars; with the ``forming`` one, with those of ``auctions``, with buckets ``filled``."""

    interval: Interval
    count: int
    forming: bool = False
    auctions: bool = False
    fill: bool = False


@dataclass(frozen=True, slots=True)
class _Recent:
    """Bars ascending, the forming one last. ``whole``: all there ever were; ``more``: older ones can be read."""

    bars: NDArray[np.void]
    whole: bool
    more: bool


class BarsReader:
    """Any thread may ask. ``timelines``: those the feed was built with, by their places."""

    def __init__(self, memory: BarsMemory, view: View, timelines: Sequence[Timeline]) -> None:
        self.view = view
        self.grace_ms = memory.grace_ms
        self._timelines = timelines
        self._states = BarsParts.of(memory).states

    def series_for(self, interval: Interval) -> int:
        """The series that serves an interval. Raises :class:`UsageError` where none does."""
        return series_for(self.view.intervals, interval)

    def timeline(self, row: int) -> Timeline:
        """The hours that a row's bars keep."""
        place = int(self._states["timeline"][row])
        return self._timelines[place] if place < len(self._timelines) else EMPTY

    def read(self, of: Instrument, ask: Ask) -> NDArray[np.void]:
        """Records ``BAR_DTYPE``, oldest first; fewer than asked for where the ring holds no more.

        Raises :class:`UsageError` where no series serves the interval.
        """
        series = self.series_for(ask.interval)
        wanted = max(0, ask.count) * -(-ask.interval.size // self.view.intervals[series].size) + _SPARE
        while True:
            recent = self._recent(of, series, wanted)
            found = self._as_asked(of, ask, recent, self.view.intervals[series])
            if found.size >= ask.count or not recent.more:
                return found[max(0, found.size - ask.count) :]
            wanted *= _GROWTH

    def published(self, of: Instrument, interval: Interval) -> NDArray[np.void]:
        """Records ``BAR_DTYPE`` as they were closed and revised, newest first: all that the ring holds.

        Raises :class:`UsageError` for an interval that isn't built: of one put together, only the newest is known.
        """
        if interval not in self.view.intervals:
            built = ", ".join(map(str, self.view.intervals))
            raise UsageError(f"The revisions of {interval} bars aren't kept", why=f"the feed builds {built}")
        records = np.zeros(self.view.layout.capacity, BAR_DTYPE)
        found = self.view.history(of.row, self.view.intervals.index(interval), records.size, records)
        return records[:found]

    def _as_asked(self, of: Instrument, ask: Ask, recent: _Recent, built: Interval) -> NDArray[np.void]:
        timeline = self.timeline(of.row) if ask.fill or built != ask.interval else EMPTY
        found = self._longer(of, ask.interval, recent, built, timeline)
        if not ask.auctions:
            found = continuous(found)
        closed = found.size - int(found.size and found["flags"][-1] & FLAG_OPEN)
        if not ask.fill:
            return found if ask.forming else found[:closed]
        until_ms = of.market_ms() - self.grace_ms if closed == found.size else int(found["start_ms"][closed])
        whole = filled(found[:closed], ask.interval, timeline, until_ms, ask.count)
        return np.concatenate([whole, found[closed:]]) if ask.forming else whole

    def _longer(
        self, of: Instrument, interval: Interval, recent: _Recent, built: Interval, timeline: Timeline
    ) -> NDArray[np.void]:
        """Bars put together; the last one is open as long as something may still be added to it.

        The first one is left out where parts of it may be missing.
        """
        bars = recent.bars
        if interval == built or not bars.size:
            return bars
        found = resampled(bars, interval, built, timeline)
        found["flags"] |= np.where(self._states["joined_ms"][of.row] > found["start_ms"], FLAG_PARTIAL, 0).astype("u2")
        last_ms = end_of(found[-1])
        if end_of(bars[-1]) < last_ms and of.market_ms() < last_ms + self.grace_ms:
            found["flags"][-1] |= np.uint16(FLAG_OPEN)
        return found if recent.whole or found["start_ms"][0] == bars["start_ms"][0] else found[1:]

    def _recent(self, of: Instrument, series: int, wanted: int) -> _Recent:
        """Those of the newest ``wanted`` records, and the forming one."""
        view, interval = self.view, self.view.intervals[series]
        wanted = min(wanted, view.layout.capacity)
        records = np.zeros(1 + wanted, BAR_DTYPE)
        view.forming(of.row, of.row + 1, series, records)  # first: it may be closed before the others are read
        found = view.history(of.row, series, wanted, records[1:])
        whole = found < wanted and view.cursor(series) <= view.layout.capacity
        records["token"][0] = of.token
        gone = not records["flags"][0] or (found and _same(records[0], records[1], interval))
        bars = newest_of_each(records[1 if gone else 0 : 1 + found], interval, whole=whole)
        return _Recent(bars, whole, found == wanted < view.layout.capacity)


def newest_of_each(records: NDArray[np.void], interval: Interval, *, whole: bool = True) -> NDArray[np.void]:
    """Of one instrument's records (n,), newest first, the newest of each bar; ascending by start.

    Where the records aren't the ``whole`` of what was published, bars older than the oldest first publication among
    them are left out: they are there because they were revised, and those beside them are not.
    """
    if interval.kind is not Kind.TIME:  # never revised, and several may begin at one moment
        return records[::-1]
    if not records["revision"].any():  # then each is there once, and they are in order
        return records[::-1]
    _, first = np.unique(records["start_ms"], return_index=True)
    newest = records[first]
    if whole or not newest.size:
        return newest
    published = records["start_ms"][records["revision"] == 0]
    return newest[newest["start_ms"] >= published.min()] if published.size else newest[:0]


def _same(forming: np.void, newest: np.void, interval: Interval) -> bool:
    """Whether the bar that was forming is the one that has been closed since."""
    if interval.kind is Kind.TIME:
        return bool(forming["start_ms"] <= newest["start_ms"])
    return all(forming[name] == newest[name] for name in ("start_ms", "first_key", "open"))
