"""A few instruments' days from a seed, as a feed gets them: late, twice, in other modes, with wrong stamps, with gaps.

A step is what a pass is asked to do. Most of what comes is sound, or bars would never get anywhere; what is wrong comes
often enough that every run of a few thousand steps has met all of it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import numpy as np

from kitecli.bars.intervals import Interval
from kitecli.bars.timeline import EMPTY, Timeline

START_MS: Final = 1_785_813_300_000
"""2026-08-04 08:45 in India, half an hour before the market opens."""
SEGMENTS: Final = (1, 2, 4, 7, 9, 12, 13)
INTERVALS: Final = ("100ms", "250ms", "1s", "2s", "5s", "1m", "5m", "15m", "1h", "day", "1t", "7t", "300v", "20000v")
_HOUR_MS: Final = 3_600_000
_INDICES: Final = 9
_OUTSIDE: Final = 4
_MOST: Final = 0xFFFFFFFF


@dataclass(frozen=True)
class Ingest:
    frame: bytes
    recv_ns: int

    def into(self, one: Any) -> Any:
        return one.ingest(self.frame, self.recv_ns, 0)


@dataclass(frozen=True)
class Expect:
    modes: dict[int, str]

    def into(self, one: Any) -> Any:
        return one.expect_snapshots(self.modes)


@dataclass(frozen=True)
class Place:
    timelines_of: dict[int, int]

    def into(self, one: Any) -> Any:
        return one.place(self.timelines_of)


@dataclass(frozen=True)
class Gap:
    tokens: list[int]

    def into(self, one: Any) -> Any:
        return one.mark_gap(self.tokens)


@dataclass(frozen=True)
class Sweep:
    now_ns: int
    limit: int

    def into(self, one: Any) -> Any:
        return one.close_bars(self.now_ns, self.limit)


Step = Ingest | Expect | Place | Gap | Sweep


@dataclass(frozen=True)
class Conditions:
    """What bars are built of a seed's ticks, when its instruments trade, and how long ago the day was that is played."""

    intervals: tuple[Interval, ...]
    grace_ms: int
    timelines: tuple[Timeline, ...]
    behind_ms: int

    @classmethod
    def of(cls, seed: int) -> Conditions:
        draw = Random(seed)
        names = draw.sample(INTERVALS, draw.choice((1, 2, 3, 3, 4, 5, 8)))
        behind_ms = draw.choice((0, 0, 0, 700_000, 86_400_000, 7 * 86_400_000 + 3_000))
        shared = tuple(_hours(draw, START_MS - behind_ms) for _ in range(draw.choice((0, 3, 9, 11))))
        timelines = (EMPTY, *shared) if shared else ()
        grace_ms = draw.choice((0, 700, 1500, 1500, 4000))
        return cls(tuple(map(Interval.parse, names)), grace_ms, timelines, behind_ms)


def _hours(draw: Random, start_ms: int) -> Timeline:
    """Spans of any kind, from seconds to hours, from before the first tick to some time after it; midnights as ever."""
    if draw.random() < 0.5:
        starts, kinds, at = [_midnight_ms(start_ms)], [_OUTSIDE], start_ms + draw.randrange(20) * 1_000
    else:
        starts, kinds, at = [], [], start_ms - draw.randrange(20) * 60_000
    while at < start_ms + 30 * _HOUR_MS:
        starts.append(at)
        kinds.append(draw.choice((0, 0, 0, 0, 1, 2, 3, _OUTSIDE, _OUTSIDE, _OUTSIDE, 5)))
        at += draw.choice((5_000, 5_000, 30_000, 61_000, 300_000)) + draw.randrange(2) * 500
        if _midnight_ms(at) > starts[-1]:
            at = _midnight_ms(at)
    return Timeline(np.array(starts, np.int64), np.array(kinds, np.uint8))


def _midnight_ms(at_ms: int) -> int:
    """The last one in India."""
    return (at_ms + 19_800_000) // 86_400_000 * 86_400_000 - 19_800_000


@dataclass
class _Instrument:
    """``sent``: packets that are under way, each with the time of its arrival."""

    token: int
    mode: str
    price: int
    volume: int = 0
    oi: int = 1000
    sent: list[tuple[int, bytes]] = field(default_factory=list)


class _Market:
    """``behind_ms``: how far the day that is played lies behind our clock."""

    def __init__(self, draw: Random, behind_ms: int) -> None:
        self._draw = draw
        self.now_ms = START_MS
        self.behind_ms = behind_ms
        self._pace = draw.choice(((0, 40), (0, 300), (0, 300), (100, 2_500)))
        self._delayed = draw.choice((0.0, 0.05, 0.3))
        numbers = draw.sample(range(1, 500), draw.choice((1, 4, 12)))
        self.instruments = [self._instrument(number) for number in numbers]

    def _instrument(self, number: int) -> _Instrument:
        draw = self._draw
        mode = draw.choice(("full", "full", "full", "quote", "ltp"))
        return _Instrument(
            number << 8 | draw.choice(SEGMENTS), mode, draw.randrange(100, 1_000_000), draw.choice((0, 0, 5_000))
        )

    def pass_time(self) -> None:
        chance = self._draw.random()
        if chance < 0.004:
            self.now_ms += self._draw.choice((20_000, 70_000, 400_000, 2 * _HOUR_MS))
        elif chance < 0.006:
            self.now_ms -= self._draw.choice((1, 150, 2_000))
        else:
            self.now_ms += self._draw.randint(*self._pace)

    def trade(self) -> None:
        """One instrument's next packet sets out."""
        draw, one = self._draw, self._draw.choice(self.instruments)
        chance = draw.random()
        if chance < 0.01:
            one.mode = draw.choice(("full", "quote", "ltp"))
        elif chance < 0.013:
            one.volume = draw.choice((0, one.volume // 3, one.volume // 2, _MOST - 50))
        one.price = max(1, one.price + draw.choice((-5, -1, 0, 0, 1, 5, 300)))
        one.oi = max(0, one.oi + draw.choice((-10, 0, 10)))
        one.volume = min(_MOST, one.volume + draw.choice((0, 0, 1, 50, 1000)))
        told = max(0, one.volume - 3) if draw.random() < 0.02 else one.volume
        packet = self._packet(one, told)
        for _ in range(2 if draw.random() < 0.02 else 1):
            one.sent.append((self.now_ms + self._delay_ms(), packet))

    def arrivals(self) -> list[bytes]:
        came = [packet for one in self.instruments for due_ms, packet in one.sent if due_ms <= self.now_ms]
        for one in self.instruments:
            one.sent = [(due_ms, packet) for due_ms, packet in one.sent if due_ms > self.now_ms]
        return came

    def some_tokens(self) -> list[int]:
        tokens = [one.token for one in self.instruments]
        return [self._draw.choice((*tokens, 77 << 8 | 1)) for _ in range(self._draw.randrange(4))]

    def _delay_ms(self) -> int:
        if self._draw.random() >= self._delayed:
            return 0
        return self._draw.choice((300, 1_500, 3_000, 3_000, 9_000, 130_000))

    def _stamp_s(self) -> int:
        event_s = (self.now_ms - self.behind_ms) // 1000
        chance = self._draw.random()
        if chance < 0.97:
            return event_s
        return self._draw.choice((0, event_s - 7, event_s + 40, event_s + 10**6, event_s - 90_000, 5, _MOST))

    def _packet(self, one: _Instrument, volume: int) -> bytes:
        if one.token & 0xFF == _INDICES and one.mode != "ltp":
            index = struct.pack(">I6i", one.token, *[one.price] * 5, 0)
            return index + struct.pack(">I", self._stamp_s()) if one.mode == "full" else index
        if one.mode == "ltp":
            return struct.pack(">Ii", one.token, one.price)
        quote = struct.pack(">Ii3I2I4i", one.token, one.price, 1, one.price, volume, 0, 0, *[one.price] * 4)
        if one.mode == "quote":
            return quote
        return quote + struct.pack(">5I", 0, one.oi, 0, 0, self._stamp_s()) + bytes(120)


def bar_steps(seed: int, frames: int) -> Iterator[Step]:
    """So many messages and, between them, sweeps, gaps, subscriptions and instruments that are given other hours."""
    draw, how = Random(seed), Conditions.of(seed)
    market, places = _Market(draw, how.behind_ms), max(1, len(how.timelines))
    if draw.random() < 0.5:
        yield Expect({one.token: draw.choice(("ltp", "quote", "full")) for one in market.instruments})
    while frames:
        market.pass_time()
        for _ in range(draw.choice((0, 1, 1, 2, 5))):
            market.trade()
        yield from _asides(draw, market, places)
        packets = market.arrivals()
        recv_ns = market.now_ms * 1_000_000 + draw.randrange(1_000_000)
        message = struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(one)) + one for one in packets)
        yield Ingest(message, recv_ns)
        frames -= 1


def _asides(draw: Random, market: _Market, places: int) -> Iterator[Step]:
    chance = draw.random()
    if chance < 0.01:
        yield Gap(market.some_tokens())
    elif chance < 0.02:
        yield Expect({token: draw.choice(("ltp", "quote", "full")) for token in market.some_tokens()})
    elif chance < 0.025:
        yield Place({token: draw.randrange(places) for token in market.some_tokens()})
    elif chance < 0.2:
        yield Sweep(market.now_ms * 1_000_000, draw.choice((1, 3, 100, 100)))
