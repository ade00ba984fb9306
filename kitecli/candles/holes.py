"""Whether the candles that came are all there should be, by the market's calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from kitecli.broker.historical import Candles
from kitecli.candles.plan import Days
from kitecli.errors import OutsideCalendar
from kitecli.market.calendar import Calendar
from kitecli.market.calendar.session import DAY_S, IST_OFFSET_S

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Found:
    """``first`` and ``last``: days with candles, None where there are none. ``holes``: trading days without any, after
    ``first``; ``before``: how many there are before it, when it wasn't listed perhaps. ``checked``: the days that the
    calendar could be asked about, None for none.
    """

    first: date | None
    last: date | None
    holes: tuple[date, ...]
    before: int
    checked: Days | None


def look(candles: Candles, days: Days, calendar: Calendar, segment: str) -> Found:
    """Check ``days``, all of them over, against the calendar of ``segment`` (its exchange)."""
    present = days_of(candles)
    first, last = (present[0], present[-1]) if present else (None, None)
    checked = _checkable(days, calendar, segment)
    if checked is None:
        return Found(first, last, (), 0, None)
    absent = sorted(set(calendar.trading_days(segment, checked.first, checked.last)) - set(present))
    holes = tuple(day for day in absent if first is not None and day > first)
    return Found(first, last, holes, len(absent) - len(holes), checked)


def days_of(candles: Candles) -> list[date]:
    """The days in India that have a candle, in order."""
    numbers = np.unique((candles["start_s"] + IST_OFFSET_S) // DAY_S)
    return [date.fromordinal(_EPOCH + number) for number in numbers.tolist()]


def _checkable(days: Days, calendar: Calendar, segment: str) -> Days | None:
    if segment not in calendar.segments or days.last < days.first:
        return None
    try:
        return Days(*calendar.covered(days.first, days.last))
    except OutsideCalendar:
        return None
