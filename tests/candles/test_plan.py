"""Days that are missing and the requests they come in, against sets of days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.candles.plan import Days, last_settled_day, missing, pieces
from kitecli.clock import IST

BASE = date(2026, 1, 1)


def days(first: int, length: int) -> Days:
    return Days(BASE + timedelta(days=first), BASE + timedelta(days=first + length))


def each(*spans: Days) -> list[date]:
    return [one.first + timedelta(days=number) for one in spans for number in range(len(one))]


spans = st.builds(days, st.integers(0, 60), st.integers(0, 30))


@given(spans, st.lists(spans, max_size=8))
def test_missing_days_are_those_wanted_and_not_had(wanted: Days, had: list[Days]):
    assert each(*missing(wanted, had)) == sorted(set(each(wanted)) - set(each(*had)))


@given(spans, st.integers(1, 20))
def test_pieces_follow_each_other_and_none_is_too_long(whole: Days, most: int):
    parts = list(pieces(whole, most))
    assert each(*parts) == each(whole)
    assert max(map(len, parts)) <= most
    assert len(parts) == -(-len(whole) // most)


@given(spans, spans)
def test_spans_meet_where_they_share_a_day(one: Days, other: Days):
    assert one.meets(other) == bool(set(each(one)) & set(each(other)))


@pytest.mark.parametrize(
    ("clock", "last"),
    [
        ("2026-11-20 23:59:59", 19),
        ("2026-11-21 00:00:14", 19),
        ("2026-11-21 00:00:15", 20),
        ("2026-11-21 23:00:00", 20),
    ],
)
def test_a_day_is_settled_a_little_after_midnight_in_india(clock: str, last: int):
    from datetime import datetime

    now_s = datetime.fromisoformat(clock).replace(tzinfo=IST).timestamp()
    assert last_settled_day(now_s, 15) == date(2026, 11, last)
