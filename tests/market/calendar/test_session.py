"""A span of a day: epoch seconds inside, aware Indian time outside."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from kitecli.errors import UsageError
from kitecli.market.calendar.session import Kind, Session, day_of, epoch_s, midnight_s


def test_midnight_is_the_one_in_india():
    assert midnight_s(date(1970, 1, 1)) == -19_800
    assert datetime.fromtimestamp(midnight_s(date(2026, 11, 24)), UTC) == datetime(2026, 11, 23, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize("day", [date(1969, 12, 31), date(1970, 1, 1), date(2024, 2, 29), date(2026, 12, 31)])
def test_a_day_lasts_from_its_midnight_to_the_next(day: date):
    assert day_of(midnight_s(day)) == day
    assert day_of(midnight_s(day) + 86_399.9) == day
    assert day_of(midnight_s(day) - 1) < day


def test_the_edge_is_aware_and_indian():
    opens_s = midnight_s(date(2024, 6, 27)) + 33_300
    session = Session("NSE", "", Kind.CONTINUOUS, "", opens_s, opens_s + 22_500)
    assert session.open.isoformat() == "2024-06-27T09:15:00+05:30"
    assert session.close.isoformat() == "2024-06-27T15:30:00+05:30"


def test_it_holds_its_open_and_not_its_close():
    session = Session("NSE", "", Kind.CONTINUOUS, "", 1000, 2000)
    assert [session.holds(at) for at in (999.9, 1000, 1999.9, 2000)] == [False, True, True, False]
    assert session.holds(datetime.fromtimestamp(1500, UTC))


def test_a_naive_time_is_refused():
    with pytest.raises(UsageError, match="no time zone"):
        epoch_s(datetime(2026, 11, 24, 9, 15))  # noqa: DTZ001 - that is the point
