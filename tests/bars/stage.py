"""A pass that builds bars, ticks to feed it by the clock on an Indian wall, and its bars as tests like to read them.

The same frames go into the reference and, where it was built, the compiled pass.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kitecli.bars.intervals import Interval
from kitecli.bars.layout import COUNTERS, BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.parts import BarsParts
from kitecli.bars.record import BAR_DTYPE
from kitecli.bars.timeline import Timeline, Timelines
from kitecli.clock import IST
from kitecli.hot import COMPILED, WHY_NOT, uncompiled
from kitecli.market.calendar.files import read_calendar
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.settings.calendars import calendar_folders
from tests.ring.implementations import message

STOCK, FUTURE, INDEX, GOLD = 408065, 256 * 70 + 2, 256001 + 8, 256 * 90 + 7  # NSE, NFO, indices, MCX
assert [token & 0xFF for token in (STOCK, FUTURE, INDEX, GOLD)] == [1, 2, 9, 7]


def _compiled() -> Any:
    if not COMPILED:
        return None
    from kitecli.hot import _hot

    return _hot.FramePass if hasattr(_hot.FramePass, "close_bars") else None


COMPILED_PASS = _compiled()
PASSES = [
    pytest.param(uncompiled.FramePass, id="reference"),
    pytest.param(
        COMPILED_PASS,
        id="compiled",
        marks=pytest.mark.skipif(COMPILED_PASS is None, reason=WHY_NOT or "it was built without bars"),
    ),
]
BOTH = pytest.mark.parametrize("frame_pass", PASSES)


def ms(wall: str) -> int:
    """Milliseconds since 1970 of an Indian wall clock: ``2026-08-04 09:15:00.250``."""
    return round(datetime.fromisoformat(wall).replace(tzinfo=IST).timestamp() * 1000)


@cache
def timelines() -> Timelines:
    return Timelines.of(read_calendar(calendar_folders()[:1]))


@dataclass(frozen=True)
class Sent:
    """A tick: ``stamp_s`` 0 has none, ``volume`` None comes in LTP mode; ``oi`` is told by full packets."""

    token: int
    recv_ms: int
    price: int
    volume: int | None = None
    stamp_s: int = 0
    oi: int = 0

    def packet(self) -> bytes:
        token, price, volume = self.token, self.price, self.volume
        if token & 0xFF == 9 and self.stamp_s:
            return struct.pack(">I6iI", token, *[price] * 5, 0, self.stamp_s)
        if volume is None and not self.stamp_s:
            return struct.pack(">Ii", token, price)
        quote = struct.pack(">Ii3I2I4i", token, price, 1, price, volume or 0, 0, 0, *[price] * 4)
        if not self.stamp_s:
            return quote
        return quote + struct.pack(">5I", 0, self.oi, 0, 0, self.stamp_s) + bytes(120)


class Stage:
    """``intervals``: ``1m 5s 3t``. ``hours``: the shipped calendar's, or any hour of any day."""

    def __init__(
        self,
        frame_pass: Any,
        intervals: str,
        grace_ms: int = 1500,
        *,
        hours: bool = False,
        capacity: int = 4096,
        rows: int = 64,
    ) -> None:
        spans = tuple(Interval.parse(one) for one in intervals.split())
        self.names = intervals.split()
        self.memory = BarsMemory.private(BarsLayout(rows, capacity, len(spans)), spans, grace_ms)
        self.ring = RingMemory.private(RingLayout.of(64, rows))
        lines: Sequence[Timeline] = timelines().each if hours else ()
        self.frame_pass = frame_pass(self.ring, self.memory, lines)
        self.parts = BarsParts.of(self.memory)

    def send(self, *ticks: Sent) -> None:
        for tick in ticks:
            self.frame_pass.ingest(message([tick.packet()]), tick.recv_ms * 1_000_000)

    def tick(self, wall: str, price: int, volume: int | None = None, *, token: int = STOCK, **more: Any) -> None:
        """At this time of the Indian wall clock; ``stamp`` is another one."""
        stamp = more.pop("stamp", None)
        self.send(Sent(token, ms(wall), price, volume, stamp_s=ms(stamp) // 1000 if stamp else 0, **more))

    def sweep(self, wall_or_ms: str | int) -> None:
        """Close what is due, as the feed does now and then."""
        now_ms = ms(wall_or_ms) if isinstance(wall_or_ms, str) else wall_or_ms
        while self.frame_pass.close_bars(now_ms * 1_000_000, 7):
            pass

    def records(self, interval: str, token: int = STOCK) -> NDArray[np.void]:
        """Every record of the instrument, as they were closed."""
        series = self.names.index(interval)
        kept = self.parts.bars[series, : int(self.parts.cursor[series])]
        return kept[kept["token"] == token]

    def bars(self, interval: str, token: int = STOCK) -> NDArray[np.void]:
        """The newest revision of each bar, by its start."""
        newest = {int(record["start_ms"]): record for record in self.records(interval, token)}
        return np.array([newest[start] for start in sorted(newest)], BAR_DTYPE)

    def counted(self) -> dict[str, int]:
        return {name: int(count) for name, count in zip(COUNTERS, self.parts.counters, strict=True) if count}


def ohlc(record: Any) -> tuple[int, ...]:
    return tuple(int(record[name]) for name in ("open", "high", "low", "close"))


def wall(t_ms: int) -> str:
    """The Indian wall clock's time of day, to the second."""
    return datetime.fromtimestamp(int(t_ms) / 1000, IST).strftime("%H:%M:%S")
