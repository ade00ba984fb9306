"""When a segment trades, as one sorted list of spans, and the bucket of it that a moment falls into.

A timeline's ``starts_ms`` and ``kinds`` are all that the compiled pass gets of it::

    starts_ms   0        1            2              3                4                       n-1
                |--------|------------|--------------|----------------|--------     ---------|
    kinds       OUTSIDE   PREOPEN      CONTINUOUS     OUTSIDE          OUTSIDE               UNSCHEDULED
                midnight  09:00        09:15          15:30            midnight              the midnight after
                                                                                             the last day covered

Span i reaches from start i to start i + 1. The last start begins nothing: it is where the calendar ends. From there on,
before start 0, and everywhere on a timeline without any spans, each Indian day is one UNSCHEDULED span.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.intervals import DAY_MS, Interval, Kind
from kitecli.bars.record import FLAG_CLOSING, FLAG_OUTSIDE, FLAG_POST_CLOSE, FLAG_PREOPEN, FLAG_UNSCHEDULED
from kitecli.errors import HoursUnknown
from kitecli.market.calendar import Calendar, Slot, midnight_s, session

IST_OFFSET_MS: Final = session.IST_OFFSET_S * 1000


class Phase(IntEnum):
    """What a span of a timeline is."""

    CONTINUOUS = 0
    PREOPEN = 1
    CLOSING = 2
    POST_CLOSE = 3
    OUTSIDE = 4
    UNSCHEDULED = 5


FLAG_OF: Final = (0, FLAG_PREOPEN, FLAG_CLOSING, FLAG_POST_CLOSE, FLAG_OUTSIDE, FLAG_UNSCHEDULED)
"""The flag of a bar by its span's phase."""

_PHASES: Final = {
    session.Kind.CONTINUOUS: Phase.CONTINUOUS,
    session.Kind.PREOPEN: Phase.PREOPEN,
    session.Kind.CLOSING_AUCTION: Phase.CLOSING,
    session.Kind.POST_CLOSE: Phase.POST_CLOSE,
}
_DIVIDED: Final = frozenset({Phase.CONTINUOUS, Phase.UNSCHEDULED})
"""Spans that have bars of the interval asked for; every other is one bar."""


class Span(NamedTuple):
    """[``start_ms``, ``end_ms``) in milliseconds since 1970."""

    start_ms: int
    end_ms: int
    phase: Phase
    next_is_outside: bool = False
    follows_continuous: bool = False


class Bucket(NamedTuple):
    """Where a tick belongs. ``until_ms``: from then on a tick begins another bar; ``flags``: the span's."""

    start_ms: int
    end_ms: int
    until_ms: int
    flags: int


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """``starts_ms``: int64, sorted; ``kinds``: uint8, a :class:`Phase` for each."""

    starts_ms: NDArray[np.int64]
    kinds: NDArray[np.uint8]

    @classmethod
    def of(cls, calendar: Calendar, segment: str, group: str = "") -> Timeline:
        """All days the calendar covers. Raises :class:`UsageError` for a segment or group it doesn't have."""
        days = (calendar.first + timedelta(days=offset) for offset in range((calendar.last - calendar.first).days + 1))
        patterns = [*(_pattern_on(calendar, segment, day, group) for day in days), _UNSCHEDULED]
        midnights_ms = midnight_s(calendar.first) * 1000 + DAY_MS * np.arange(len(patterns))
        offsets = np.concatenate([pattern.offsets_ms for pattern in patterns])
        kinds = np.concatenate([pattern.kinds for pattern in patterns])
        return cls(np.repeat(midnights_ms, [len(pattern.kinds) for pattern in patterns]) + offsets, kinds)


EMPTY: Final = Timeline(np.zeros(0, np.int64), np.zeros(0, np.uint8))
"""Trades at any hour of any day, as the simulator does."""

SEGMENTS: Final = ("", "NSE", "NFO", "CDS", "BSE", "BFO", "BCD", "MCX", "NCO")
"""Whose timeline stands at each place of a feed's list; groups' stand behind them."""

_PLACES: Final = {code: code for code in range(1, 8)} | {9: SEGMENTS.index("NSE"), 12: SEGMENTS.index("NCO")}


def timeline_of(token: int, count: int) -> int:
    """The place, among ``count`` timelines, of an instrument that isn't of a group; 0, the empty one, if it has none.

    By the token's segment byte; indices keep the hours of NSE.
    """
    place = _PLACES.get(token & 0xFF, 0)
    return place if place < count else 0


@dataclass(frozen=True, slots=True)
class Timelines:
    """A feed's list: ``each`` as the pass gets it, ``groups`` by segment and group for who places instruments."""

    each: tuple[Timeline, ...]
    groups: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, calendar: Calendar) -> Timelines:
        """Those of every segment, and of every group with hours of its own."""
        known = [segment if segment in calendar.segments else "" for segment in SEGMENTS]
        groups = [(segment, group) for segment in known if segment for group in calendar.groups(segment)]
        each = [Timeline.of(calendar, segment) if segment else EMPTY for segment in known]
        each += [Timeline.of(calendar, segment, group) for segment, group in groups]
        return cls(tuple(each), {key: place for place, key in enumerate(groups, len(SEGMENTS))})


def midnight_ms(t_ms: int) -> int:
    """When the Indian day of a moment began."""
    return t_ms - (t_ms + IST_OFFSET_MS) % DAY_MS


def day_of_ms(t_ms: int) -> int:
    """The Indian day of a moment, in days since 1970."""
    return (t_ms + IST_OFFSET_MS) // DAY_MS


def span_of(timeline: Timeline, t_ms: int) -> Span:
    """The span that holds a moment."""
    starts, kinds = timeline.starts_ms, timeline.kinds
    at = bisect_right(starts, t_ms) - 1
    if not 0 <= at < len(starts) - 1:
        midnight = midnight_ms(t_ms)
        return Span(midnight, midnight + DAY_MS, Phase.UNSCHEDULED)
    return Span(
        int(starts[at]),
        int(starts[at + 1]),
        Phase(kinds[at]),
        next_is_outside=bool(kinds[at + 1] == Phase.OUTSIDE),
        follows_continuous=at > 0 and bool(kinds[at - 1] == Phase.CONTINUOUS),
    )


def bucket_of(timeline: Timeline, interval: Interval, t_ms: int, grace_ms: int) -> Bucket:
    """The bar of a moment; of a tick or volume bar, the one that would begin with it.

    What comes within the grace after continuous trading has ended belongs to its last bar: the exchange stamps the last
    trades a moment after the close. What is outside begins behind the grace.
    """
    span = span_of(timeline, t_ms)
    start_ms, end_ms = span.start_ms, span.end_ms
    if span.phase is Phase.OUTSIDE and span.follows_continuous:
        if t_ms < start_ms + grace_ms:
            return bucket_of(timeline, interval, start_ms - 1, grace_ms)
        start_ms += grace_ms
    if span.phase in _DIVIDED and interval.kind is Kind.TIME:
        start_ms += (t_ms - span.start_ms) // interval.size * interval.size
        end_ms = min(start_ms + interval.size, span.end_ms)
    elif span.phase in _DIVIDED:
        start_ms = t_ms
    closes = end_ms == span.end_ms and span.phase is Phase.CONTINUOUS and span.next_is_outside
    return Bucket(start_ms, end_ms, end_ms + grace_ms if closes else end_ms, FLAG_OF[span.phase])


class _Pattern(NamedTuple):
    """A day's spans: when each starts, in milliseconds after midnight (int64), and its kind (uint8)."""

    offsets_ms: NDArray[np.int64]
    kinds: NDArray[np.uint8]


_UNSCHEDULED: Final = _Pattern(np.zeros(1, np.int64), np.array([Phase.UNSCHEDULED], np.uint8))


def _pattern_on(calendar: Calendar, segment: str, day: date, group: str) -> _Pattern:
    try:
        return _pattern_of(calendar.slots_on(segment, day, group))
    except HoursUnknown:
        return _UNSCHEDULED


@cache  # three years of a dozen segments have a few dozen kinds of days: made one by one they took 0.3 s of CPU
def _pattern_of(slots: tuple[Slot, ...]) -> _Pattern:
    """The first span starts at midnight."""
    starts = list(_changes(slots))
    distinct = [one for at, one in enumerate(starts) if not at or one[1] is not starts[at - 1][1]]
    offsets_s, phases = zip(*distinct, strict=True)
    return _Pattern(np.array(offsets_s, np.int64) * 1000, np.array(phases, np.uint8))


def _changes(slots: Sequence[Slot]) -> Iterator[tuple[int, Phase]]:
    """Each session's start, and OUTSIDE where nothing follows at once; adjoining ones of a kind stand apart yet."""
    end_s = 0
    for one in slots:
        if one.open_s > end_s:
            yield end_s, Phase.OUTSIDE
        yield one.open_s, _PHASES[one.kind]
        end_s = one.close_s
    if end_s < session.DAY_S:
        yield end_s, Phase.OUTSIDE
