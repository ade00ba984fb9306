"""One span of a trading day. Inside, epoch seconds; at the edge, aware datetimes in Indian time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, TypeAlias

from kitecli.clock import IST, ist
from kitecli.errors import UsageError

DAY_S: Final = 86_400
IST_OFFSET_S: Final = int(IST.utcoffset(None).total_seconds())
_EPOCH: Final = date(1970, 1, 1).toordinal()

# A moment: epoch seconds, or a datetime that knows its zone.
At: TypeAlias = int | float | datetime


class Kind(StrEnum):
    """What may be done in a session."""

    PREOPEN = "preopen"  # orders are collected for the opening auction and matched once
    CONTINUOUS = "continuous"  # orders match as they come
    CLOSING_AUCTION = "closing_auction"  # orders are collected for the closing price and matched once
    POST_CLOSE = "post_close"  # trades at the closing price alone


@dataclass(frozen=True, slots=True)
class Session:
    """From ``open_s`` up to, not including, ``close_s`` (epoch seconds). ``name`` tells sessions of one kind apart."""

    segment: str
    group: str
    kind: Kind
    name: str
    open_s: int
    close_s: int

    @property
    def open(self) -> datetime:
        return ist(self.open_s)

    @property
    def close(self) -> datetime:
        return ist(self.close_s)

    def holds(self, at: At) -> bool:
        return self.open_s <= epoch_s(at) < self.close_s


def epoch_s(at: At) -> int | float:
    """Raises :class:`UsageError` for a datetime without a zone: it would mean another moment on another host."""
    if not isinstance(at, datetime):
        return at
    if at.tzinfo is None:
        raise UsageError(f"{at} has no time zone", hint="give epoch seconds, or a datetime with tzinfo")
    return at.timestamp()


def midnight_s(day: date) -> int:
    """When the day begins in India, in epoch seconds."""
    return (day.toordinal() - _EPOCH) * DAY_S - IST_OFFSET_S


def day_of(at_s: float) -> date:
    """The day it is in India."""
    return date.fromordinal(_EPOCH + int((at_s + IST_OFFSET_S) // DAY_S))
