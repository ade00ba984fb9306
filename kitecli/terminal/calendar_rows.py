"""The market's calendar for people (rows, sentences) and for programs (documents). Times are Indian and say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final, TypeAlias

from kitecli.clock import ist
from kitecli.errors import HoursUnknown, OutsideCalendar
from kitecli.market.calendar import Calendar, Change, Hours, Kind, Occasion, Session

# NSE publishes the next year's holidays around 12 December, so from then on the warning can be acted on.
WARN_DAYS: Final = 45
NOW_HEADS: Final = ("segment", "now", "next", "today", "occasion")
DAY_HEADS: Final = ("segment", "session", "opens", "closes", "")
PERIOD_HEADS: Final = ("date", "segments", "trading", "occasion")
KINDS: Final = {
    Kind.PREOPEN: "pre-open",
    Kind.CONTINUOUS: "continuous",
    Kind.CLOSING_AUCTION: "closing auction",
    Kind.POST_CLOSE: "post-close",
}

Json: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Market:
    """What is asked about: a segment, or a group of its instruments."""

    segment: str
    group: str = ""

    def __str__(self) -> str:
        return f"{self.segment} {self.group}".rstrip()


def markets(calendar: Calendar, segments: Iterable[str], *, groups: bool) -> list[Market]:
    """The segments, each followed by its groups where ``groups``. Raises :class:`UsageError` for one unknown."""
    return [
        market
        for segment in segments
        for market in (Market(segment), *(Market(segment, group) for group in calendar.groups(segment) if groups))
    ]


# --- now ---


def now_rows(calendar: Calendar, of: Sequence[Market], at_s: float) -> Iterator[tuple[str, ...]]:
    today = ist(at_s).date()
    for market in of:
        occasion = calendar.occasion(market.segment, today)
        words = state(calendar, market, at_s), _upcoming(calendar, market, at_s), trading(calendar, market, today)
        yield str(market), *words, occasion.name if occasion else ""


def state(calendar: Calendar, market: Market, at_s: float) -> str:
    try:
        session = calendar.session_at(market.segment, at_s, market.group)
    except HoursUnknown:
        return "unknown"
    if session is None:
        return "closed"
    return "open" if session.kind is Kind.CONTINUOUS else KINDS[session.kind]


def trading(calendar: Calendar, market: Market, day: date) -> str:
    """``09:15 – 15:30``: continuous trading, what adjoins joined."""
    try:
        sessions = calendar.sessions_on(market.segment, day, market.group)
    except HoursUnknown:
        return "hours unknown"
    times: list[str] = []
    for session in (session for session in sessions if session.kind is Kind.CONTINUOUS):
        opens, closes = f"{session.open:%H:%M}", f"{session.close:%H:%M}"
        if times and times[-1] == opens:
            times[-1] = closes
        else:
            times += [opens, closes]
    spans = [f"{opens} – {closes}" for opens, closes in zip(times[::2], times[1::2], strict=True)]
    return ", ".join(spans) or "closed"


def _upcoming(calendar: Calendar, market: Market, at_s: float) -> str:
    is_open, moment = _next(calendar, market, at_s)
    if moment is None:
        return "not covered"
    far = moment.date() != ist(at_s).date()
    return f"{'closes' if is_open else 'opens'} {moment:{'%a %d %b ' if far else ''}%H:%M} IST"


def _next(calendar: Calendar, market: Market, at_s: float) -> tuple[bool, datetime | None]:
    """Whether it is open, and when that changes; None where the data don't say."""
    try:
        is_open = calendar.is_open(market.segment, at_s, market.group)
        ask = calendar.next_close if is_open else calendar.next_open
        return is_open, ask(market.segment, at_s, market.group)
    except (OutsideCalendar, HoursUnknown):
        return False, None


# --- one day ---


def day_rows(calendar: Calendar, of: Sequence[Market], day: date) -> Iterator[tuple[str, ...]]:
    for market in of:
        try:
            sessions = calendar.sessions_on(market.segment, day, market.group)
        except HoursUnknown:
            yield str(market), "hours unknown", "", "", ""
            continue
        if not sessions:
            yield str(market), "closed", "", "", ""
        for session in sessions:
            opens, closes = f"{session.open:%H:%M} IST", f"{session.close:%H:%M} IST"
            yield str(market), KINDS[session.kind], opens, closes, session.name


# --- a period ---


def period_rows(calendar: Calendar, of: Sequence[Market], first: date, last: date) -> Iterator[tuple[str, ...]]:
    """A row for each day and way of trading, with the segments it is common to; groups only where they differ."""
    found = [
        (one.day, hours, one.name, str(market))
        for market in of
        for one in calendar.occasions(market.segment, first, last)
        if (hours := trading(calendar, market, one.day)) != trading(calendar, Market(market.segment), one.day)
        or not market.group
    ]
    found.sort(key=lambda row: row[:2])  # stable: segments stay in the data's order
    for (day, hours, name), rows in groupby(found, key=lambda row: row[:3]):
        yield f"{day:%Y-%m-%d %a}", " ".join(row[3] for row in rows), hours, name


# --- sentences ---


def doubts(calendar: Calendar, of: Sequence[Market], first: date, last: date) -> list[str]:
    """What the data of the period could not confirm, once each."""
    said = [
        (one.day, f"{one.day} {one.name}: unverified: {one.unverified}")
        for segment in dict.fromkeys(market.segment for market in of)
        for one in calendar.occasions(segment, first, last)
        if one.unverified
    ]
    return [text for _, text in sorted(dict.fromkeys(said))]


def day_sources(calendar: Calendar, of: Sequence[Market], day: date) -> list[str]:
    """Where the day's hours are said, once each, with what isn't verified."""
    said: dict[str, None] = {}
    for market in of:
        if basis := calendar.basis(market.segment, day, market.group):
            about = basis.name if isinstance(basis, Occasion) else f"hours since {basis.since}"
            doubt = f" (unverified: {basis.unverified})" if basis.unverified else ""
            said[f"{about}: {' · '.join(basis.sources)}{doubt}"] = None
    return list(said)


def upcoming_lines(calendar: Calendar, of: Sequence[Market], today: date) -> list[str]:
    """The next holiday and the next special session after today, of all that is asked about."""
    ahead = sorted(_after(calendar, of, today), key=lambda one: one.day)
    holiday = next((one for one in ahead if is_closure(one)), None)
    special = next((one for one in ahead if not is_closure(one)), None)
    return [_line("next holiday", holiday, ahead), _line("next special session", special, ahead)]


def end_warning(calendar: Calendar, today: date) -> str:
    """Said when the data's end comes near; empty before."""
    left = (calendar.last - today).days
    if left > WARN_DAYS:
        return ""
    year = (calendar.last + timedelta(days=1)).year
    return (
        f"the calendar ends on {calendar.last}, {left} days from now, and answers nothing after it: "
        f"update kite, or add {year}.yaml to {calendar.rules.home}"
    )


def _after(calendar: Calendar, of: Sequence[Market], today: date) -> list[Occasion]:
    segments = dict.fromkeys(market.segment for market in of)
    first = today + timedelta(days=1)
    return [one for segment in segments for one in calendar.occasions(segment, first, calendar.last)]


def is_closure(one: Occasion) -> bool:
    return one.change in {Change.CLOSED, Change.PART_CLOSED}


def _line(label: str, one: Occasion | None, ahead: Sequence[Occasion]) -> str:
    if one is None:
        return f"{label}: none in the data"
    same = [other.segment for other in ahead if other.day == one.day]
    return f"{label}: {one.day:%a %d %b %Y}, {one.name} ({' '.join(same)})"


# --- documents ---


def now_document(calendar: Calendar, of: Sequence[Market], at_s: float) -> Json:
    today = ist(at_s).date()
    ahead = sorted(_after(calendar, of, today), key=lambda one: one.day)
    return {
        "now": _iso(ist(at_s)),
        "covers": {"from": str(calendar.first), "to": str(calendar.last), "days_left": (calendar.last - today).days},
        "segments": [_now_of(calendar, market, at_s) for market in of],
        "next_holiday": next((_occasion(one) for one in ahead if is_closure(one)), None),
        "next_special_session": next((_occasion(one) for one in ahead if not is_closure(one)), None),
    }


def day_document(calendar: Calendar, of: Sequence[Market], day: date) -> Json:
    return {"date": str(day), "segments": [_day_of(calendar, market, day) for market in of]}


def period_document(calendar: Calendar, of: Sequence[Market], first: date, last: date) -> Json:
    segments = list(dict.fromkeys(market.segment for market in of))
    return {
        "from": str(first),
        "to": str(last),
        "trading_days": {segment: len(calendar.trading_days(segment, first, last)) for segment in segments},
        "occasions": [
            _occasion(one) | {"sessions": _sessions(calendar, Market(segment), one.day)}
            for segment in segments
            for one in calendar.occasions(segment, first, last)
        ],
    }


def _now_of(calendar: Calendar, market: Market, at_s: float) -> Json:
    is_open, moment = _next(calendar, market, at_s)
    return {
        "segment": market.segment,
        "group": market.group,
        "state": state(calendar, market, at_s),
        "open": is_open,
        "next_close" if is_open else "next_open": moment and _iso(moment),
        "sessions": _sessions(calendar, market, ist(at_s).date()),
    }


def _day_of(calendar: Calendar, market: Market, day: date) -> Json:
    basis = calendar.basis(market.segment, day, market.group)
    return {
        "segment": market.segment,
        "group": market.group,
        "trading_day": calendar.is_trading_day(market.segment, day),
        "sessions": _sessions(calendar, market, day),
        "occasion": basis.name if isinstance(basis, Occasion) else None,
        **_provenance(basis),
    }


def _occasion(one: Occasion) -> Json:
    return {
        "date": str(one.day),
        "segment": one.segment,
        "name": one.name,
        "change": one.change.value,
        **_provenance(one),
    }


def _provenance(basis: Occasion | Hours | None) -> Json:
    return {"sources": list(basis.sources) if basis else [], "unverified": (basis and basis.unverified) or None}


def _sessions(calendar: Calendar, market: Market, day: date) -> list[Json] | None:
    """None: it trades, at hours nobody has published."""
    try:
        return [_session(session) for session in calendar.sessions_on(market.segment, day, market.group)]
    except HoursUnknown:
        return None


def _session(session: Session) -> Json:
    return {
        "kind": session.kind.value,
        "name": session.name,
        "open": _iso(session.open),
        "close": _iso(session.close),
        "open_s": session.open_s,
        "close_s": session.close_s,
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
