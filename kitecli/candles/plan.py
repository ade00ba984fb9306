"""Which days are missing, and in which requests they come. Pure: dates in, dates out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from kitecli.clock import ist

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """From ``first`` to ``last``, both included."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first}_{self.last}"

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def meets(self, other: Days) -> bool:
        """Whether they have a day in common."""
        return self.first <= other.last and other.first <= self.last


def missing(wanted: Days, had: Iterable[Days]) -> list[Days]:
    """The days of ``wanted`` that are in none of ``had``, in order."""
    found, at = [], wanted.first
    for one in sorted(had):
        if one.last < at:
            continue
        if one.first > wanted.last:
            break
        if one.first > at:
            found.append(Days(at, one.first - ONE_DAY))
        at = one.last + ONE_DAY
    if at <= wanted.last:
        found.append(Days(at, wanted.last))
    return found


def pieces(days: Days, most: int) -> Iterator[Days]:
    """``days`` in parts of at most ``most`` days."""
    at = days.first
    while at <= days.last:
        last = min(at + timedelta(days=most - 1), days.last)
        yield Days(at, last)
        at = last + ONE_DAY


def last_settled_day(now_s: float, settled_after_s: float) -> date:
    """The last day in India none of whose candles can change any more."""
    return ist(now_s - settled_after_s).date() - ONE_DAY
