"""Which part of a recorded day: times of day in India, as epoch nanoseconds. Sans I/O."""

from __future__ import annotations

from datetime import date, datetime, time

from kitecli.clock import IST, NS_PER_S
from kitecli.errors import UsageError

When = time | datetime


def span_of(day: date, from_: When | None, to: When | None) -> tuple[int, int | None]:
    """``(from_ns, to_ns)`` of a span of that trading day; without a zone a time is India's.

    Raises :class:`UsageError` for a span that is empty.
    """
    from_ns = 0 if from_ is None else _epoch_ns(day, from_)
    to_ns = None if to is None else _epoch_ns(day, to)
    if to_ns is not None and to_ns <= from_ns:
        raise UsageError(f"Nothing is between {from_} and {to}", why="the span ends before it begins")
    return from_ns, to_ns


def parse_time(text: str) -> When | None:
    """``10:15``, ``10:15:30``, ``2026-11-20T10:15``; None of an empty text. Raises :class:`UsageError`."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text) if "-" in text else time.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time", hint="write 10:15, 10:15:30 or 2026-11-20T10:15, in IST") from None


def _epoch_ns(day: date, when: When) -> int:
    at = when if isinstance(when, datetime) else datetime.combine(day, when)
    at = at if at.tzinfo else at.replace(tzinfo=IST)
    return round(at.timestamp()) * NS_PER_S + at.microsecond * 1_000
