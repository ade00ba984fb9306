"""Times of a day."""

from datetime import UTC, date, datetime, time

import pytest

from kitecli.errors import UsageError
from kitecli.replay.span import parse_time, span_of
from tests.replay.made import at_ns

DAY = date(2026, 11, 20)


def test_a_time_is_indias_unless_it_says_otherwise():
    assert span_of(DAY, time(10), None) == (at_ns(0), None)
    assert span_of(DAY, None, datetime.fromisoformat("2026-11-20T10:00:00.25")) == (0, at_ns(0.25))
    assert span_of(DAY, datetime(2026, 11, 20, 4, 30, tzinfo=UTC), time(10, 1)) == (at_ns(0), at_ns(60))


def test_what_people_write():
    assert parse_time("10:15") == time(10, 15)
    assert parse_time("2026-11-20T10:15") == datetime.fromisoformat("2026-11-20T10:15:00")
    assert parse_time("") is None
    with pytest.raises(UsageError, match="'tea' is no time"):
        parse_time("tea")


def test_a_span_has_a_length():
    with pytest.raises(UsageError, match="ends before"):
        span_of(DAY, time(10), time(10))
