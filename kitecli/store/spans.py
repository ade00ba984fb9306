"""A span of a day as people write it: 10:15, 10:15:30.5 or an ISO time, Indian unless it says otherwise. Sans I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from kitecli.clock import IST, NS_PER_S, ist
from kitecli.errors import UsageError
from kitecli.store.folder import DAY_BEGINS

When = str | time | datetime
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Epoch nanoseconds; holds ``from_ns`` and not ``to_ns``, which is None for a day's end."""

    from_ns: int = 0
    to_ns: int | None = None


def span_of(day: date, first: When | None, last: When | None) -> Span:
    """The span between two times of a trading day; None or an empty text: from its beginning, to its end.

    Raises :class:`UsageError` for what is no time, and for a span that is empty.
    """
    from_ns = instant_of(day, first) if first not in (None, "") else 0
    to_ns = instant_of(day, last) if last not in (None, "") else None
    if to_ns is not None and to_ns <= from_ns:
        raise UsageError(
            f"Nothing is between {first or 'the beginning'} and {last}",
            why="the span ends before it begins; a day's recording lasts until 06:00 of the next morning",
            hint="swap the two times",
        )
    return Span(from_ns, to_ns)


def nothing_recorded(place: object, span: Span, *, some: bool) -> UsageError:
    """The error for a span of which a recording has no ticks; ``some``: none of the instruments asked for."""
    since = f" from {ist(span.from_ns // NS_PER_S):%H:%M:%S}" if span.from_ns else ""
    until = f" to {ist(span.to_ns // NS_PER_S):%H:%M:%S}" if span.to_ns is not None else ""
    when = f"{since}{until or ' on'}, Indian time" if since or until else ""
    return UsageError(
        f"Nothing was recorded in {place}{' of these instruments' if some else ''}{when}",
        hint="kite data info DAY says from when to when there is something",
    )


def instant_of(day: date, when: When) -> int:
    """Epoch nanoseconds of a time of a trading day, or of any instant. Raises :class:`UsageError` for another text.

    Times before six in the morning are those of the night that follows, for they are in that day's recording.
    """
    at = _parsed(when) if isinstance(when, str) else when
    if isinstance(at, time):
        at = datetime.combine(day, at, at.tzinfo or IST)
        begin = datetime.combine(day, time(), IST) + DAY_BEGINS
        at -= (at - begin) // _ONE_DAY * _ONE_DAY
    since = (at if at.tzinfo else at.replace(tzinfo=IST)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1000


def _parsed(text: str) -> time | datetime:
    for parse in (time.fromisoformat, datetime.fromisoformat):
        try:
            return parse(text)
        except ValueError:
            continue
    raise UsageError(f"{text!r} is no time", hint="Write 10:15, 10:15:30 or 2026-11-20T10:15:30, in Indian time")
