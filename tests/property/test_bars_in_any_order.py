"""What holds in whatever order ticks come: up to 3 s late, twice, after outages, after a volume began anew."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.bars.intervals import Interval
from kitecli.bars.record import FLAG_GAP, FLAG_REVISED
from kitecli.bars.timeline import EMPTY, bucket_of
from tests.bars.stage import BOTH, FUTURE, INDEX, STOCK, Sent, Stage, ms

INTERVALS = "1s 2s 7s 1m 100ms 5t 40v"
BY_STAMP = ("1s", "2s", "7s", "1m")
START_MS = ms("2026-08-04 10:00:00")
COUNTED = ("5t", "40v")


@dataclass(frozen=True)
class Step:
    """A tick ``wait_ms`` after the one before; it comes ``delay_ms`` later, maybe twice. ``volume``: traded in it."""

    wait_ms: int
    delay_ms: int
    volume: int
    price: int
    again_after_ms: int | None


# Only the slowest among quick ones come when two later bars are closed already.
DELAY = st.one_of(st.just(0), st.integers(0, 3000), st.integers(2800, 3000))
STEP = st.builds(
    Step,
    wait_ms=st.sampled_from([0, 40, 300, 500, 700, 999, 1000, 1001, 1400, 2500, 9000, 70_000]),
    delay_ms=DELAY,
    volume=st.sampled_from([0, 1, 5, 60]),
    price=st.integers(90, 110),
    again_after_ms=st.one_of(st.none(), st.none(), st.integers(0, 3000)),
)
STEPS = st.lists(STEP, min_size=5, max_size=40)


def arrivals(steps: list[Step], token: int) -> list[Sent]:
    """What comes, in the order it comes. A price changes only where something is traded: so does the exchange's."""
    found: list[tuple[int, int, Sent]] = []
    at_ms, volume, price = START_MS, 1000, 100
    for step in steps:
        at_ms += step.wait_ms
        volume += step.volume
        price = step.price if step.volume or token == INDEX else price
        tick = Sent(token, 0, price, None if token == INDEX else volume, stamp_s=at_ms // 1000)
        times = [at_ms + step.delay_ms]
        if step.again_after_ms is not None:
            times.append(times[0] + step.again_after_ms)
        found += [(time, len(found), replace(tick, recv_ms=time)) for time in times]
    return [tick for _, _, tick in sorted(found, key=lambda one: one[:2])]


def batch(ticks: list[Sent], interval: str) -> dict[int, tuple[int, ...]]:
    """Open, high, low, close, ticks and volume by start, from all ticks at once, in the exchange's order."""
    span = Interval.parse(interval)
    grouped: dict[int, list[Sent]] = defaultdict(list)
    for tick in sorted(ticks, key=lambda one: (one.stamp_s, one.volume or 0)):
        grouped[bucket_of(EMPTY, span, tick.stamp_s * 1000, 0).start_ms].append(tick)
    bars, counted = {}, ticks[0].volume or 0  # what was traded before the first that came isn't ours
    for start, inside in sorted(grouped.items()):
        prices = [tick.price for tick in inside]
        reached = max(counted, *(tick.volume or 0 for tick in inside))
        bars[start] = (prices[0], max(prices), min(prices), prices[-1], len(prices), reached - counted)
        counted = reached
    return bars


def built(stage: Stage, interval: str, token: int) -> dict[int, tuple[int, ...]]:
    names = ("open", "high", "low", "close", "ticks", "volume")
    return {int(bar["start_ms"]): tuple(int(bar[name]) for name in names) for bar in stage.bars(interval, token)}


class Watch:
    """That no record ever changes once it is published."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.seen = stage, [b""] * len(stage.names)

    def look(self) -> None:
        for series, seen in enumerate(self.seen):
            now = self.stage.parts.bars[series, : int(self.stage.parts.cursor[series])].tobytes()
            assert now.startswith(seen)
            self.seen[series] = now


def play(stage: Stage, ticks: list[Sent], sweep_every_ms: int) -> None:
    """Send all, sweeping as time goes by; then wait until everything is closed."""
    watch, swept_ms = Watch(stage), START_MS
    for tick in ticks:
        while sweep_every_ms and swept_ms + sweep_every_ms < tick.recv_ms:
            swept_ms += sweep_every_ms
            stage.sweep(swept_ms)
        stage.send(tick)
        watch.look()
    stage.sweep(ticks[-1].recv_ms + 86_400_000)
    watch.look()


SWEEPS = st.sampled_from([0, 130, 1000, 1700])
TOKENS = st.sampled_from([STOCK, FUTURE, INDEX])
GRACES = st.sampled_from([0, 400, 1500, 3000])


@BOTH
@settings(max_examples=60)
@given(steps=STEPS, grace_ms=GRACES, sweep_every_ms=SWEEPS, token=TOKENS)
def test_after_any_delays_bars_are_those_of_the_exchange_s_order(
    frame_pass: Any, steps: list[Step], grace_ms: int, sweep_every_ms: int, token: int
):
    stage, ticks = Stage(frame_pass, INTERVALS, grace_ms), arrivals(steps, token)
    play(stage, ticks, sweep_every_ms)
    for interval in BY_STAMP:
        assert built(stage, interval, token) == batch(ticks, interval), interval
    assert "late_lost" not in stage.counted()


@BOTH
@settings(max_examples=40)
@given(steps=STEPS, grace_ms=GRACES, sweep_every_ms=SWEEPS, token=TOKENS)
def test_no_tick_and_no_volume_is_lost_or_counted_twice(
    frame_pass: Any, steps: list[Step], grace_ms: int, sweep_every_ms: int, token: int
):
    stage, ticks = Stage(frame_pass, INTERVALS, grace_ms), arrivals(steps, token)
    play(stage, ticks, sweep_every_ms)
    volumes = [tick.volume or 0 for tick in ticks]
    for interval in stage.names:
        bars = stage.records(interval, token) if interval in COUNTED else stage.bars(interval, token)
        assert bars["ticks"].sum() == len(ticks)
        assert bars["volume"].sum() == max(volumes) - volumes[0]
        assert (bars["low"] <= np.minimum(bars["open"], bars["close"])).all()
        assert (bars["high"] >= np.maximum(bars["open"], bars["close"])).all()
    by_ticks = stage.records("5t", token)["ticks"].tolist()
    assert by_ticks == [5] * (len(ticks) // 5) + [len(ticks) % 5] * bool(len(ticks) % 5)
    assert (stage.records("40v", token)["volume"][:-1] >= (0 if token == INDEX else 40)).all()


def late_by_series(ticks: list[Sent], interval: str) -> list[int]:
    """The starts of the bars that ticks came too late for, where only later ticks close a bar."""
    span, newest, late = Interval.parse(interval), 0, []
    for tick in ticks:
        start = bucket_of(EMPTY, span, tick.stamp_s * 1000, 0).start_ms
        if start < newest:
            late.append(start)
        newest = max(newest, start)
    return late


@BOTH
@settings(max_examples=40)
@given(steps=STEPS, token=TOKENS)
def test_revisions_are_exactly_where_a_tick_came_late(frame_pass: Any, steps: list[Step], token: int):
    stage, ticks = Stage(frame_pass, " ".join(BY_STAMP)), arrivals(steps, token)
    play(stage, ticks, 0)
    late = {interval: late_by_series(ticks, interval) for interval in BY_STAMP}
    assert stage.counted().get("late_ticks", 0) == sum(map(len, late.values()))
    revisions = 0
    for interval in BY_STAMP:
        records = sorted(stage.records(interval, token), key=lambda one: one["start_ms"])
        for start, group in groupby(records, key=lambda one: int(one["start_ms"])):
            numbers = [int(one["revision"]) for one in group]
            # In order, from 0 unless its only ticks were late; one for each late tick of it or of the bar before.
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert (numbers[-1] >= late[interval].count(start)) if start in late[interval] else numbers[0] == 0
        assert {int(one["start_ms"]) for one in records if one["revision"]} >= set(late[interval])
        assert all(bool(one["flags"] & FLAG_REVISED) == bool(one["revision"]) for one in records)
        revisions += sum(1 for one in records if one["revision"])
    assert stage.counted().get("revisions", 0) == revisions
    if not any(late.values()):
        assert revisions == 0


DELAYS = st.lists(st.integers(400, 3000), min_size=1, max_size=30)


@BOTH
@settings(max_examples=40)
@given(delays=DELAYS, grace_ms=st.sampled_from([1500, 3000]), token=TOKENS)
def test_with_a_grace_above_all_delays_nothing_is_late_and_below_them_each_tick_once(
    frame_pass: Any, delays: list[int], grace_ms: int, token: int
):
    """One tick a minute, traded at its end: the feed's sweep alone closes bars, a millisecond before the next look."""
    stage = Stage(frame_pass, "1m", grace_ms)
    for minute, delay_ms in enumerate(delays):
        first_ms = START_MS + minute * 60_000
        for traded_ms, after_ms in ((first_ms + 5000, 400), (first_ms + 59_000, 1000 + delay_ms)):
            stage.sweep(traded_ms + after_ms - 1)
            volume = None if token == INDEX else traded_ms // 1000 % 100_000
            stage.send(Sent(token, traded_ms + after_ms, 100 + minute, volume, stamp_s=traded_ms // 1000))
    stage.sweep(START_MS + 86_400_000)
    revisions = stage.bars("1m", token)["revision"].tolist()
    assert revisions == [int(delay_ms - 1 >= grace_ms) for delay_ms in delays]
    assert stage.bars("1m", token)["ticks"].tolist() == [2] * len(delays)


@dataclass(frozen=True)
class Event:
    """What else happens before a step's tick: the volume begins anew, an outage is told."""

    anew: bool
    gap: bool
    step: Step


SELDOM = st.sampled_from([False] * 6 + [True])
EVENTS = st.lists(st.builds(Event, SELDOM, SELDOM, STEP), min_size=5, max_size=40)


@BOTH
@settings(max_examples=50)
@given(events=EVENTS)
def test_resets_and_gaps_are_flagged_and_lose_nothing_that_was_told(frame_pass: Any, events: list[Event]):
    stage = Stage(frame_pass, INTERVALS)
    watch, at_ms, volume, highest, told, resets = Watch(stage), START_MS, 1000, 1000, 0, 0
    starts: dict[str, list[int]] = {interval: [] for interval in BY_STAMP}
    gaps: dict[str, set[int]] = {interval: set() for interval in BY_STAMP}
    for number, event in enumerate(events):
        # Within one second a lower volume is an older packet.
        at_ms += event.step.wait_ms + 1000 * event.anew
        volume = event.step.volume if event.anew else volume + event.step.volume
        if event.gap:
            stage.frame_pass.mark_gap([STOCK, FUTURE])
        for interval in BY_STAMP:
            start = bucket_of(EMPTY, Interval.parse(interval), at_ms // 1000 * 1000, 0).start_ms
            starts[interval].append(start)
            if event.gap and number:
                gaps[interval] |= set(starts[interval][-2:])
        if number:
            began_anew = volume < highest // 2
            resets += began_anew
            told += 0 if began_anew else max(0, volume - highest)
            highest = volume if began_anew else max(volume, highest)
        else:
            highest = volume
        stage.send(Sent(STOCK, at_ms, event.step.price, volume, stamp_s=at_ms // 1000))
        watch.look()
    stage.sweep(at_ms + 86_400_000)
    for interval in stage.names:
        assert stage.records(interval)["volume"].sum() == told
        assert stage.records(interval)["ticks"].sum() == len(events)
    for interval in BY_STAMP:
        assert {int(bar["start_ms"]) for bar in stage.bars(interval) if bar["flags"] & FLAG_GAP} == gaps[interval]
    assert stage.counted().get("resets", 0) == resets
    assert "late_ticks" not in stage.counted()
