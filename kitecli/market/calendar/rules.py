"""What the data files say: ordinary hours by segment and date, and the days that are no ordinary weekdays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from kitecli.market.calendar.session import Kind


@dataclass(frozen=True, slots=True)
class Slot:
    """A session of no particular day: seconds after midnight in India."""

    kind: Kind
    name: str
    open_s: int
    close_s: int


@dataclass(frozen=True, slots=True)
class Hours:
    """A segment's ordinary day from ``since`` on, for all its instruments or for one ``group`` of them."""

    segment: str
    group: str
    since: date
    slots: tuple[Slot, ...]
    sources: tuple[str, ...]
    unverified: str = ""


class Change(StrEnum):
    """How an occasion changes a segment's day."""

    CLOSED = "closed"
    PART_CLOSED = "part closed"
    REGULAR = "regular"  # a Saturday or Sunday with a weekday's hours
    SPECIAL = "special"
    UNKNOWN = "unknown"  # it trades, and nobody has said when


@dataclass(frozen=True, slots=True)
class Occasion:
    """What makes one day of one segment no ordinary one.

    ``part`` is what PART_CLOSED closes: the first word of the sessions' names. ``slots`` are SPECIAL's.
    ``unverified`` says, in words, what of it could not be confirmed.
    """

    day: date
    segment: str
    name: str
    change: Change
    sources: tuple[str, ...]
    part: str = ""
    slots: tuple[Slot, ...] = ()
    unverified: str = ""

    def slots_of(self, ordinary: tuple[Slot, ...]) -> tuple[Slot, ...]:
        """The day's slots, where ``ordinary`` would be those of a weekday. UNKNOWN has none that could be told."""
        if self.change is Change.REGULAR:
            return ordinary
        if self.change is Change.PART_CLOSED:
            return tuple(slot for slot in ordinary if part_of(slot) != self.part)
        return self.slots


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything known, for ``first`` to ``last`` inclusive.

    ``hours``: by segment and group, newest first. ``occasions``: by segment and day. ``weekdays``: 0 is Monday.
    ``home``: the folder a user adds data to; errors name it.
    """

    first: date
    last: date
    weekdays: frozenset[int]
    hours: Mapping[tuple[str, str], tuple[Hours, ...]]
    occasions: Mapping[tuple[str, date], Occasion]
    groups: Mapping[str, str]
    home: str

    @property
    def segments(self) -> tuple[str, ...]:
        """In the order of the data."""
        return tuple(dict.fromkeys(segment for segment, _ in self.hours))

    def hours_on(self, segment: str, day: date, group: str = "") -> Hours | None:
        """The hours in force; a group without hours of its own keeps its segment's. None before the data begin."""
        for key in dict.fromkeys(((segment, group), (segment, ""))):
            for hours in self.hours.get(key, ()):
                if hours.since <= day:
                    return hours
        return None


def part_of(slot: Slot) -> str:
    """``morning`` of ``morning, cancelling orders``."""
    return slot.name.partition(" ")[0].rstrip(",")
