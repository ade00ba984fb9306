"""A span of a day as people write it: 10:15, 10:15:30.5 or an ISO time, Indian unless it says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from kitecli.clock import IST, NS_PER_S
from kitecli.errors import UsageError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """Epoch nanoseconds; holds ``from_ns`` and not ``to_ns``, which is None for a day's end."""

    from_ns: int = 0
    to_ns: int | None = None


def span_of(day: date, first: str | None, last: str | None) -> Span:
    """The span between two times of a day. Raises :class:`UsageError`."""
    span = Span(instant_of(day, first) if first else 0, instant_of(day, last) if last else None)
    if span.to_ns is not None and span.to_ns <= span.from_ns:
        raise UsageError(f"--to {last} isn't after --from {first}", hint="swap them")
    return span


def instant_of(day: date, text: str) -> int:
    """Epoch nanoseconds of a time of the day."""
    try:
        at = datetime.fromisoformat(text) if "-" in text else datetime.combine(day, time.fromisoformat(text))
    except ValueError:
        raise UsageError(
            f"{text!r} is no time", hint="Write 10:15, 10:15:30 or 2026-11-20T10:15:30, in Indian time"
        ) from None
    since = (at if at.tzinfo else at.replace(tzinfo=IST)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1000
