"""The questions: is it open, when does it open and close, which days trade. Each answer is exact or an error.

A day past the data, or one whose hours nobody has published, is refused: a guessed session would start strategies into
a closed market, or leave a position over a holiday.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from kitecli.clock import ist
from kitecli.errors import HoursUnknown, OutsideCalendar, UsageError
from kitecli.market.calendar.rules import Change, Hours, Occasion, Rules, Slot
from kitecli.market.calendar.session import DAY_S, IST_OFFSET_S, At, Kind, Session, day_of, epoch_s, midnight_s

Span = tuple[int, int]
_ONE_DAY = timedelta(days=1)


class Calendar:
    """Sessions by segment (``NSE``, ``NFO``, ``MCX`` …), for all its instruments or for a ``group`` of them.

    Every method raises :class:`OutsideCalendar` for a day that isn't covered, :class:`HoursUnknown` for one that
    trades at hours nobody has published, and :class:`UsageError` for a segment or group that isn't there.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._sessions: dict[tuple[str, str, date], tuple[Session, ...]] = {}
        self._spans: dict[tuple[str, str, int], tuple[Span, ...]] = {}

    @property
    def first(self) -> date:
        """The first day covered."""
        return self.rules.first

    @property
    def last(self) -> date:
        """The last day covered."""
        return self.rules.last

    @property
    def segments(self) -> tuple[str, ...]:
        return self.rules.segments

    def groups(self, segment: str) -> tuple[str, ...]:
        """The groups of instruments of a segment that have hours of their own."""
        self._check(segment, "")
        return tuple(group for of, group in self.rules.hours if of == segment and group)

    def sessions_on(self, segment: str, day: date, group: str = "") -> tuple[Session, ...]:
        """All sessions of a day in order; none on a holiday."""
        key = segment, group, day
        found = self._sessions.get(key)
        if found is None:
            found = self._sessions[key] = tuple(self._made(segment, day, group))
        return found

    def session_at(self, segment: str, at: At, group: str = "") -> Session | None:
        """The session that holds the moment, of whatever kind."""
        at_s = epoch_s(at)
        sessions = self.sessions_on(segment, day_of(at_s), group)
        return next((session for session in sessions if session.holds(at_s)), None)

    def is_open(self, segment: str, at: At, group: str = "") -> bool:
        """Whether orders match continuously; in an auction it is not open."""
        at_s = epoch_s(at)
        number = int((at_s + IST_OFFSET_S) // DAY_S)
        spans = self._spans.get((segment, group, number))
        if spans is None:
            spans = self._open_spans(segment, group, day_of(at_s))
        return any(open_s <= at_s < close_s for open_s, close_s in spans)

    def next_open(self, segment: str, at: At, group: str = "") -> datetime:
        """When continuous trading next begins, later than ``at``. An evening that adjoins a morning begins nothing."""
        at_s = epoch_s(at)
        return ist(next(open_s for open_s, _ in self._spans_from(segment, at_s, group) if open_s > at_s))

    def next_close(self, segment: str, at: At, group: str = "") -> datetime:
        """When continuous trading next ends, later than ``at``."""
        at_s = epoch_s(at)
        return ist(next(close_s for _, close_s in self._spans_from(segment, at_s, group) if close_s > at_s))

    def is_trading_day(self, segment: str, day: date) -> bool:
        """Whether there is continuous trading at any hour, even one that isn't known."""
        occasion = self.occasion(segment, day)
        if occasion is not None and occasion.change is Change.UNKNOWN:
            return True
        return any(session.kind is Kind.CONTINUOUS for session in self.sessions_on(segment, day))

    def trading_days(self, segment: str, first: date, last: date) -> list[date]:
        """From ``first`` to ``last``, both included."""
        days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
        return [day for day in days if self.is_trading_day(segment, day)]

    def previous_trading_day(self, segment: str, day: date) -> date:
        """The last one before ``day``."""
        return self._nearest(segment, day, -_ONE_DAY)

    def next_trading_day(self, segment: str, day: date) -> date:
        """The first one after ``day``."""
        return self._nearest(segment, day, _ONE_DAY)

    def occasion(self, segment: str, day: date) -> Occasion | None:
        """What makes the day no ordinary one: a holiday, a special session."""
        self._check(segment, "")
        self._check_covered(day)
        return self.rules.occasions.get((segment, day))

    def occasions(self, segment: str, first: date, last: date) -> list[Occasion]:
        """Those from ``first`` to ``last``, both included, in order."""
        self._check(segment, "")
        found = [one for (of, day), one in self.rules.occasions.items() if of == segment and first <= day <= last]
        return sorted(found, key=lambda one: one.day)

    def basis(self, segment: str, day: date, group: str = "") -> Occasion | Hours | None:
        """The entry of the data that decides the day, with its sources; None on an ordinary weekend."""
        occasion = self.occasion(segment, day)
        if occasion is None and day.weekday() not in self.rules.weekdays:
            return None
        return occasion or self.rules.hours_on(segment, day, group)

    def covered(self, first: date, last: date) -> tuple[date, date]:
        """The part of a period there are data for. Raises :class:`OutsideCalendar` where there is none."""
        if first > self.last or last < self.first:
            self._check_covered(first)
        return max(first, self.first), min(last, self.last)

    def slots_on(self, segment: str, day: date, group: str = "") -> tuple[Slot, ...]:
        """The day's sessions by their seconds after midnight; most days' are the same ones."""
        self._check(segment, group)
        self._check_covered(day)
        occasion = self.rules.occasions.get((segment, day))
        if occasion is None and day.weekday() not in self.rules.weekdays:
            return ()
        hours = self.rules.hours_on(segment, day, group)
        slots = hours.slots if hours else ()
        return slots if occasion is None else self._known(occasion).slots_of(slots)

    def _made(self, segment: str, day: date, group: str) -> Iterator[Session]:
        start_s = midnight_s(day)
        for slot in self.slots_on(segment, day, group):
            yield Session(segment, group, slot.kind, slot.name, start_s + slot.open_s, start_s + slot.close_s)

    def _known(self, occasion: Occasion) -> Occasion:
        if occasion.change is Change.UNKNOWN:
            raise HoursUnknown(
                f"the hours of {occasion.segment} on {occasion.day} aren't known ({occasion.name})",
                why=occasion.unverified,
                hint=f"add them to a file in {self.rules.home}; docs/calendar.md has its form",
            )
        return occasion

    def _open_spans(self, segment: str, group: str, day: date) -> tuple[Span, ...]:
        """Continuous trading, what adjoins joined, kept for the next question about the day."""
        spans: list[Span] = []
        for session in self.sessions_on(segment, day, group):
            if session.kind is not Kind.CONTINUOUS:
                continue
            if spans and spans[-1][1] == session.open_s:
                spans[-1] = spans[-1][0], session.close_s
            else:
                spans.append((session.open_s, session.close_s))
        number = (midnight_s(day) + IST_OFFSET_S) // DAY_S
        kept = self._spans[segment, group, number] = tuple(spans)
        return kept

    def _spans_from(self, segment: str, at_s: float, group: str) -> Iterator[Span]:
        day = day_of(at_s)
        while True:  # ends with OutsideCalendar
            yield from self._open_spans(segment, group, day)
            day += _ONE_DAY

    def _nearest(self, segment: str, day: date, step: timedelta) -> date:
        day += step
        while not self.is_trading_day(segment, day):
            day += step
        return day

    def _check(self, segment: str, group: str) -> None:
        if (segment, "") not in self.rules.hours:
            raise UsageError(f"no segment {segment!r}", hint="the segments are " + ", ".join(self.segments))
        if group and (segment, group) not in self.rules.hours:
            groups = ", ".join(self.groups(segment)) or "none"
            raise UsageError(f"{segment} has no group {group!r}", hint=f"its groups with hours of their own: {groups}")

    def _check_covered(self, day: date) -> None:
        if self.first <= day <= self.last:
            return
        raise OutsideCalendar(
            f"the market's calendar doesn't cover {day}",
            why=f"its data are for {self.first} to {self.last}; a guess could trade on a holiday",
            hint=f"update kite, or add {day.year}.yaml to {self.rules.home}; docs/calendar.md has its form",
        )
