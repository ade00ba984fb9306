"""Times of a day as people write them."""

from __future__ import annotations

import pytest

from kitecli.archive.spans import Span, instant_of, span_of
from kitecli.errors import UsageError
from tests.archive.stores import DAY, START_NS


@pytest.mark.parametrize(
    ("text", "after_ns"),
    [
        ("09:15", 0),
        ("09:15:00.25", 250_000_000),
        ("2026-11-20T09:15:01", 10**9),
        ("2026-11-20T03:45:00+00:00", 0),
        ("2026-11-20 09:14", -60 * 10**9),
    ],
)
def test_times_are_indian_unless_they_say_otherwise(text: str, after_ns: int):
    assert instant_of(DAY, text) == START_NS + after_ns


def test_a_span_has_an_end_after_its_beginning():
    assert span_of(DAY, None, None) == Span(0, None)
    assert span_of(DAY, "09:15", "09:16") == Span(START_NS, START_NS + 60 * 10**9)
    with pytest.raises(UsageError, match="isn't after"):
        span_of(DAY, "10:00", "09:00")
    with pytest.raises(UsageError, match="'noon' is no time"):
        span_of(DAY, "noon", None)
