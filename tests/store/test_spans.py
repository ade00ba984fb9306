"""Times as people write them, of a day that lasts until six in the morning."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from kitecli.errors import UsageError
from kitecli.store.folder import trading_day
from kitecli.store.spans import Span, instant_of, span_of
from tests.archive.stores import DAY, START_NS

S = 10**9


@pytest.mark.parametrize(
    ("when", "after_ns"),
    [
        ("09:15", 0),
        ("09:15:00.25", 250_000_000),
        ("09:15:00.75", 750_000_000),
        ("2026-11-20T09:15:01", S),
        ("2026-11-20T03:45:00+00:00", 0),
        ("2026-11-20 09:14", -60 * S),
        ("22:45-05:00", 0),
        (time(9, 15, 0, 999_999), 999_999_000),
        (time(3, 45, tzinfo=UTC), 0),
        (datetime(2026, 11, 20, 3, 45, 0, 600_000, UTC), 600_000_000),
        (datetime.fromisoformat("2026-11-20T09:15:00.5"), 500_000_000),
    ],
)
def test_times_are_indian_unless_they_say_otherwise(when: str | time | datetime, after_ns: int):
    assert instant_of(DAY, when) == START_NS + after_ns


@pytest.mark.parametrize("text", ["00:00", "00:10", "05:59:59.999999", "06:00", "23:59", "03:00+00:00"])
def test_a_time_of_the_night_is_of_the_day_whose_recording_has_it(text: str):
    assert trading_day(instant_of(DAY, text)) == DAY


def test_a_span_has_an_end_after_its_beginning():
    assert span_of(DAY, None, "") == Span(0, None)
    assert span_of(DAY, "09:15", "09:16") == Span(START_NS, START_NS + 60 * S)
    midnight = span_of(DAY, "23:50", "00:10")
    assert midnight.to_ns is not None
    assert midnight.to_ns - midnight.from_ns == timedelta(minutes=20) // timedelta(microseconds=1) * 1000
    with pytest.raises(UsageError, match="Nothing is between 10:00 and 09:00"):
        span_of(DAY, "10:00", "09:00")
    with pytest.raises(UsageError, match="Nothing is between"):
        span_of(DAY, time(10), time(10))
    with pytest.raises(UsageError, match="'noon' is no time"):
        span_of(DAY, "noon", None)
