"""What is missing, by the calendar."""

from __future__ import annotations

from datetime import date

import pytest
from made import joined, minutes

from kitecli.candles.holes import days_of, look
from kitecli.candles.plan import Days
from kitecli.settings.calendars import load_calendar

CALENDAR = load_calendar()
WEEK = Days(date(2026, 11, 16), date(2026, 11, 27))  # the 24th is Guru Nanak Jayanti


def of(*numbers: int):
    return joined(minutes(date(2026, 11, 1), 0), *(minutes(date(2026, 11, number)) for number in numbers))


def test_weekends_and_holidays_are_no_holes():
    found = look(of(16, 17, 18, 19, 20, 23, 25, 26, 27), WEEK, CALENDAR, "NSE")
    assert (found.first, found.last) == (date(2026, 11, 16), date(2026, 11, 27))
    assert (found.holes, found.before, found.checked) == ((), 0, WEEK)


def test_trading_days_without_candles_are_named():
    found = look(of(16, 18, 19, 20, 25, 26), WEEK, CALENDAR, "NSE")
    assert found.holes == (date(2026, 11, 17), date(2026, 11, 23), date(2026, 11, 27))


def test_each_exchange_has_its_own_days():
    assert look(of(16, 17, 18, 19, 20, 23, 25, 26, 27), WEEK, CALENDAR, "MCX").holes == (date(2026, 11, 24),)


def test_what_comes_before_the_first_candle_is_counted_apart():
    found = look(of(19, 20), WEEK, CALENDAR, "NSE")
    assert found.before == 3
    assert found.holes == tuple(date(2026, 11, day) for day in (23, 25, 26, 27))


def test_nothing_at_all():
    found = look(of(), WEEK, CALENDAR, "NSE")
    assert (found.first, found.last, found.holes, found.before) == (None, None, (), 9)


@pytest.mark.parametrize(
    ("days", "segment", "checked"),
    [
        (Days(date(2020, 1, 1), date(2020, 12, 31)), "NSE", None),
        (Days(date(2023, 12, 1), date(2024, 1, 5)), "NSE", Days(date(2024, 1, 1), date(2024, 1, 5))),
        (WEEK, "MCXSX", None),
        (Days(date(2026, 11, 16), date(2026, 11, 15)), "NSE", None),
    ],
)
def test_only_days_of_the_calendar_are_checked(days: Days, segment: str, checked: Days | None):
    assert look(of(), days, CALENDAR, segment).checked == checked


def test_a_day_is_india_s():
    late = minutes(date(2026, 11, 16))
    late["start_s"] += 14 * 3600 + 2000  # 23:48
    assert days_of(late) == [date(2026, 11, 16)]
    late["start_s"] += 1000
    assert days_of(late) == [date(2026, 11, 17)]
