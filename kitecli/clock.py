"""Time, as a value that is passed in. Nothing below ``feed`` and ``sim`` reads a wall clock of its own."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Final, Protocol

# India has had one zone and no daylight saving since 1945, so a fixed offset is exact and needs no zone database.
IST: Final = timezone(timedelta(hours=5, minutes=30), "IST")

NS_PER_S: Final = 1_000_000_000


class Clock(Protocol):
    """What the core asks of a clock: nanoseconds since the Unix epoch."""

    def now_ns(self) -> int: ...


class SystemClock:
    """The machine's wall clock."""

    def now_ns(self) -> int:
        return time.time_ns()


class ManualClock:
    """A clock that moves when told: for tests, replay and the simulator."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, seconds: float) -> None:
        self._now_ns += round(seconds * NS_PER_S)

    def set(self, now_ns: int) -> None:
        self._now_ns = now_ns


def clock_text(ts_ns: int | None) -> str:
    """``09:15:00.123 IST`` without its zone's name: the column's head or the sentence says Indian time."""
    return "" if not ts_ns else f"{ist(ts_ns // NS_PER_S):%H:%M:%S}.{ts_ns % NS_PER_S // 1_000_000:03}"


def received_text(from_ns: int, to_ns: int) -> str:
    """When something that is lost was received; nobody knows since when where nothing stands before it."""
    since = f"between {clock_text(from_ns)} and" if from_ns else "until"
    return f"received {since} {clock_text(to_ns)} IST"


def ist(epoch_s: float) -> datetime:
    """An aware datetime in Indian time, whatever the host's zone."""
    return datetime.fromtimestamp(epoch_s, IST)
