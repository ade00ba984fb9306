"""``kite calendar``: is the market open, and which days are no ordinary ones?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kitecli.commands._shared import JsonOption, print_json, print_rows, say
from kitecli.errors import UsageError

if TYPE_CHECKING:
    from kitecli.market.calendar import Calendar
    from kitecli.terminal.calendar_rows import Market

EPILOG: Final = "Times are Indian. docs/calendar.md says how to add a holiday, or next year."
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The days asked about. ``now`` where the question is about this moment."""

    first: date
    last: date
    now: bool = False


def calendar(
    when: Annotated[
        str,
        typer.Argument(metavar="[DATE|today|week|month|YEAR]", help="A day (2026-11-10), a month (2026-11), a year."),
    ] = "today",
    segment: Annotated[
        list[str] | None, typer.Option(help="NSE, BSE, NFO, BFO, CDS, BCD, MCX or NCO; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show whether each segment trades now, the sessions of a day, or a period's holidays and special sessions.

    With --segment, groups of instruments that keep hours of their own are shown too.

    Examples:

      kite calendar

      kite calendar 2026-11-24 --segment MCX

      kite calendar 2026 --segment NSE

      kite calendar week --json
    """
    from kitecli.clock import NS_PER_S, SystemClock, ist
    from kitecli.settings.calendars import load_calendar
    from kitecli.terminal.calendar_rows import end_warning, markets

    at_s = SystemClock().now_ns() / NS_PER_S
    today = ist(at_s).date()
    known = load_calendar()
    chosen = [name.upper() for name in segment or known.segments]
    of = markets(known, chosen, groups=bool(segment) or as_json)
    span = parse_span(when, today)
    (_print_document if as_json else _print_table)(known, of, span, at_s)
    if warning := end_warning(known, today):
        say(f"kite: {warning}")


def parse_span(when: str, today: date) -> Span:
    """The days that the words mean. Raises :class:`UsageError`."""
    words = {
        "today": Span(today, today, now=True),
        "week": _week(today),
        "month": _month(today.year, today.month),
    }
    if when.lower() in words:
        return words[when.lower()]
    try:
        if re.fullmatch(r"\d{4}", when):
            return Span(date(int(when), 1, 1), date(int(when), 12, 31))
        if re.fullmatch(r"\d{4}-\d{2}", when):
            return _month(int(when[:4]), int(when[5:]))
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", when):
            raise ValueError("it is none of these")
        return Span(date.fromisoformat(when), date.fromisoformat(when))
    except ValueError as error:
        raise UsageError(
            f"{when!r} is no day",
            why=str(error),
            hint="write a day as 2026-11-10, a month as 2026-11, a year as 2026, or today, week or month",
        ) from None


def _week(today: date) -> Span:
    monday = today - timedelta(days=today.weekday())
    return Span(monday, monday + timedelta(days=6))


def _month(year: int, month: int) -> Span:
    first = date(year, month, 1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Span(first, following - _ONE_DAY)


def _print_document(known: Calendar, of: list[Market], span: Span, at_s: float) -> None:
    from kitecli.terminal.calendar_rows import day_document, now_document, period_document

    if span.now:
        print_json(now_document(known, of, at_s))
    elif span.first == span.last:
        print_json(day_document(known, of, span.first))
    else:
        covered = _covered(known, span)
        print_json(period_document(known, of, covered.first, covered.last))


def _print_table(known: Calendar, of: list[Market], span: Span, at_s: float) -> None:
    if span.now:
        _print_now(known, of, at_s)
    elif span.first == span.last:
        _print_day(known, of, span.first)
    else:
        _print_period(known, of, _covered(known, span))


def _print_now(known: Calendar, of: list[Market], at_s: float) -> None:
    from kitecli.clock import ist
    from kitecli.terminal.calendar_rows import NOW_HEADS, now_rows, upcoming_lines

    rows = list(now_rows(known, of, at_s))
    say(f"{ist(at_s):%A %d %B %Y, %H:%M:%S} IST")
    print_rows(NOW_HEADS, rows)
    for line in upcoming_lines(known, of, ist(at_s).date()):
        say(line)


def _print_day(known: Calendar, of: list[Market], day: date) -> None:
    from kitecli.terminal.calendar_rows import DAY_HEADS, day_rows, day_sources

    rows = list(day_rows(known, of, day))
    say(f"{day:%A %d %B %Y}")
    print_rows(DAY_HEADS, rows)
    for line in day_sources(known, of, day):
        say(line)


def _print_period(known: Calendar, of: list[Market], span: Span) -> None:
    from kitecli.terminal.calendar_rows import PERIOD_HEADS, doubts, period_rows

    rows = list(period_rows(known, of, span.first, span.last))
    print_rows(PERIOD_HEADS, rows)
    days = len(known.trading_days(of[0].segment, span.first, span.last))
    ordinary = "" if rows else "Monday to Friday as ever; "
    say(f"{span.first} to {span.last}: {ordinary}{of[0].segment} trades on {days} days")
    for line in doubts(known, of, span.first, span.last):
        say(line)


def _covered(known: Calendar, span: Span) -> Span:
    """The part of a period the data cover; what is left out is said."""
    inside = Span(*known.covered(span.first, span.last))
    if inside != span:
        say(f"kite: the calendar covers only {inside.first} to {inside.last} of it")
    return inside
