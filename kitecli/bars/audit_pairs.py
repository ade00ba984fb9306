"""Our bars beside the candles somebody else made of the same trades: what is compared with what."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.intervals import DAY_MS, Interval
from kitecli.bars.table import Bar, bars_of

AUCTION_FLAGS: Final = frozenset({"preopen", "closing", "post_close", "outside"})


@dataclass(frozen=True, slots=True)
class Candle:
    """One of theirs: ``start`` aware, prices in rupees."""

    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int


@dataclass(frozen=True, slots=True)
class Outage:
    """Nothing came from ``since`` until ``until``, both aware; None: it lasts."""

    since: datetime
    until: datetime | None

    @property
    def words(self) -> str:
        until = f"until {self.until:%H:%M:%S}" if self.until else "to this moment"
        return f"nothing came from {self.since:%H:%M:%S} {until} IST"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What else is known of the instrument. ``day_opens``: the day's open as its ticks have it.

    ``settled_until``: candles that end later were asked for too early to be final; None: all are.
    """

    interval: Interval
    outages: Sequence[Outage] = ()
    day_opens: Mapping[date, float] = field(default_factory=dict)
    settled_until: datetime | None = None

    def settles(self, end: datetime) -> bool:
        """Whether a candle that ends then will not change."""
        return self.settled_until is None or end <= self.settled_until


@dataclass(frozen=True, slots=True)
class Pair:
    """One span of time. ``earlier``: the bar as it was before late ticks changed it, oldest first.

    ``previous``: our bar before it, of whatever kind. ``before`` and ``after``: our bars of the day's auctions that
    adjoin it, nearest first. ``opens_day``: theirs is the day's first.
    """

    start: datetime
    end: datetime
    ours: Bar | None
    theirs: Candle | None
    earlier: tuple[Bar, ...] = ()
    previous: Bar | None = None
    before: tuple[Bar, ...] = ()
    after: tuple[Bar, ...] = ()
    opens_day: bool = False

    @property
    def surplus(self) -> int:
        """How much more volume they have; 0 where we know none, as of an index."""
        ours = 0 if self.ours is None else self.ours.volume
        return 0 if ours is None else (self.theirs.volume if self.theirs else 0) - ours

    def flagged(self, flag: str) -> bool:
        return self.ours is not None and flag in self.ours.flags

    def outage(self, evidence: Evidence) -> Outage | None:
        """The first one that touches it."""
        return next((one for one in evidence.outages if _overlap(one, self)), None)


def paired(table: NDArray[np.void], candles: Iterable[Candle], interval: Interval) -> list[Pair]:
    """Every span that both could know, from our first closed bar to our last, ascending.

    ``table``: TABLE_DTYPE (n,) of one instrument, with its auctions, and with earlier revisions where there are any.
    """
    ours = _Ours(table, interval)
    theirs = {_key(candle.start, interval): candle for candle in sorted(candles, key=_start)}
    days = {key.date(): key for key in reversed(theirs)}
    keys = ours.plain.keys() | {key for key in theirs if ours.plain and ours.first <= key <= ours.last}
    return [ours.beside(key, theirs.get(key), opens_day=days.get(key.date()) == key) for key in sorted(keys)]


class _Ours:
    """Our bars by when they begin, each with its revisions; what still forms and what nobody traded are left out."""

    def __init__(self, table: NDArray[np.void], interval: Interval) -> None:
        self._interval = interval
        self._versions: dict[datetime, list[Bar]] = {}
        for bar in bars_of(table[np.lexsort((table["revision"], table["start"]))]):
            if not {"open", "synthetic"} & set(bar.flags):
                self._versions.setdefault(bar.start, []).append(bar)
        self._newest = [versions[-1] for versions in self._versions.values()]
        self._starts = list(self._versions)
        self.plain = {_key(bar.start, interval): bar for bar in self._newest if not _is_auction(bar)}
        if self.plain:
            self.first, self.last = next(iter(self.plain)), next(reversed(self.plain))

    def beside(self, key: datetime, theirs: Candle | None, *, opens_day: bool) -> Pair:
        ours = self.plain.get(key)
        start = ours.start if ours else key
        at = bisect_left(self._starts, start)
        return Pair(
            start,
            ours.end if ours else start + timedelta(milliseconds=self._interval.size),
            ours,
            theirs,
            tuple(self._versions[start][:-1]) if ours else (),
            self._newest[at - 1] if at else None,
            _adjoining(reversed(self._newest[:at]), start),
            _adjoining(self._newest[at + bool(ours) :], start),
            opens_day,
        )


def _key(start: datetime, interval: Interval) -> datetime:
    """What pairs them: their candle of a day begins at midnight, ours with the session."""
    return start.replace(hour=0, minute=0, second=0, microsecond=0) if interval.size == DAY_MS else start


def _adjoining(bars: Iterable[Bar], start: datetime) -> tuple[Bar, ...]:
    """The day's auctions up to the first bar that is none."""
    return tuple(takewhile(lambda bar: _is_auction(bar) and bar.start.date() == start.date(), bars))


def _is_auction(bar: Bar) -> bool:
    return bool(AUCTION_FLAGS & set(bar.flags))


def _start(candle: Candle) -> datetime:
    return candle.start


def _overlap(outage: Outage, pair: Pair) -> bool:
    return outage.since < pair.end and (outage.until is None or outage.until > pair.start)
