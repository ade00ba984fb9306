"""Asking a full ring: the latest ticks of one instrument, the latest value of all, and the bars of one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import numpy as np

from frames import INSTRUMENTS, ticks, tokens
from kitecli.bars.hours import NO_HOURS
from kitecli.bars.intervals import Interval
from kitecli.bars.layout import DEFAULT_CAPACITY, BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.reader import Ask
from kitecli.gateway.bars import FeedBars
from kitecli.hot import FramePass, RingView
from kitecli.market.tick import DEPTH_DTYPE, MODE_QUOTE, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.memory import RingMemory
from measure import Scale, in_turns
from report import Row, Table
from rings import ring, ring_ticks

LATEST = 1_000
LIQUID = 200
"""So many instruments trade often enough for a thousand ticks each in the ring; the other 8,800 share the rest."""
_LIQUID_SHARE = 0.3
_LIMIT_US = 200.0
_US = 1e3
BARS = 100
TRADED = 500
"""So many instruments have the hundred minutes of bars each that the default memory holds."""
_MINUTE_NS = 60_000_000_000
_BEGINNING_NS = 1_800_000_000_000_000_000


def run(scale: Scale) -> list[Table]:
    count = ring_ticks(scale)
    with ring(count) as memory:
        _fill(memory, count)
        rows = _measured(RingView(memory), scale.pick(20, 8, 1))
    with ring(TRADED) as memory:
        rows += _bars_measured(memory, scale.pick(20, 8, 1))
    return [
        Table(
            "queries",
            f"Asking a full ring of {count:,} ticks, {INSTRUMENTS:,} instruments",
            "us",
            "",
            rows,
            (
                (
                    f"{LIQUID} instruments take {_LIQUID_SHARE:.0%} of the ticks, or none would have {LATEST:,} in the "
                    "ring; each question is about another of them"
                ),
                "the thousand ticks lie a thousand apart, so nothing of them is in a cache",
                f"bars: of {TRADED} instruments in turn, from the memory to an array in rupees, as a program gets them",
            ),
        )
    ]


def _fill(memory: RingMemory, count: int) -> None:
    """The liquid instruments come first, so that they have the board's first rows."""
    universe, draw = tokens(), np.random.default_rng(1)
    rows, _ = ticks(count, MODE_QUOTE)
    liquid = draw.random(count) < _LIQUID_SHARE
    rows["token"] = draw.choice(universe[LIQUID:], count)
    rows["token"][liquid] = draw.choice(universe[:LIQUID], int(liquid.sum()))
    rows["token"][:LIQUID] = universe[:LIQUID]
    ours = FramePass(memory)
    for message in encode_frames(rows, None, 50):
        ours.ingest(message, 1, 0)


def _measured(view: RingView, rounds: int) -> list[Row]:
    found = np.zeros(LATEST, TICK_DTYPE), np.zeros(LATEST, np.int64)
    board = np.zeros(INSTRUMENTS, TICK_DTYPE), np.zeros(INSTRUMENTS, DEPTH_DTYPE), np.zeros(INSTRUMENTS, np.int64)
    asked = itertools.cycle(range(LIQUID))
    shortest = min(view.history(row, LATEST, *found) for row in range(LIQUID))
    candidates: dict[str, tuple[int, Callable[[], object]]] = {
        f"latest {LATEST:,} ticks of one instrument": (LIQUID, lambda: view.history(next(asked), LATEST, *found)),
        f"latest value of all {INSTRUMENTS:,}": (20, lambda: view.snapshot(board[0], None, board[2])),
        f"latest value and depth of all {INSTRUMENTS:,}": (20, lambda: view.snapshot(*board)),
    }
    costs = in_turns({name: _repeated(times, ask) for name, (times, ask) in candidates.items()}, rounds)
    rows = []
    for name, (times, _) in candidates.items():
        wall, cpu = (figure / _US for figure in costs[name].per(times))
        judged = name.startswith("latest 1,000") and shortest == LATEST
        verdict = (f"<= {_LIMIT_US:.0f}", cpu <= _LIMIT_US) if judged else ("", None)
        rows.append(Row(name, wall, cpu, target=verdict[0], met=verdict[1]))
    return rows


def _bars_measured(memory: RingMemory, rounds: int) -> list[Row]:
    bars, view = _traded(memory), RingView(memory)
    rows = view.tokens(0, TRADED).tolist()
    places, asked = {token: row for row, token in enumerate(rows)}, itertools.cycle(rows)
    table = FeedBars(bars, NO_HOURS, view, lambda: places, lambda wanted: wanted > 0, time.time_ns)
    asks = {
        f"{BARS} bars of one instrument": Ask(Interval.parse("1m"), BARS),
        f"{BARS} bars of one instrument, empty minutes filled": Ask(Interval.parse("1m"), BARS, fill=True),
        f"{BARS // 5} bars of 5 minutes, of those of one": Ask(Interval.parse("5m"), BARS // 5),
    }
    assert all(table.table(token, ask).size == ask.count for ask in asks.values() for token in rows)
    measured = {name: _repeated(TRADED, lambda ask=ask: table.table(next(asked), ask)) for name, ask in asks.items()}
    costs = in_turns(measured, rounds)
    found = []
    for name, ask in asks.items():
        wall, cpu = (figure / _US for figure in costs[name].per(TRADED))
        judged = (ask.count, ask.fill) == (BARS, False)
        verdict = (f"<= {_LIMIT_US:.0f}", cpu <= _LIMIT_US) if judged else ("", None)
        found.append(Row(name, wall, cpu, target=verdict[0], met=verdict[1]))
    return found


def _traded(memory: RingMemory) -> BarsMemory:
    """A tick a minute of every instrument: each closes the bar before."""
    layout = BarsLayout(memory.layout.board_capacity, DEFAULT_CAPACITY, 1)
    bars = BarsMemory.private(layout, (Interval.parse("1m"),), 1500)
    ours = FramePass(memory, bars)
    rows, _ = ticks(TRADED, MODE_QUOTE)
    rows["token"] = tokens()[:TRADED]
    for minute in range(BARS + 5):
        rows["volume"] += 1
        for message in encode_frames(rows, None, 50):
            ours.ingest(message, _BEGINNING_NS + minute * _MINUTE_NS, 0)
    return bars


def _repeated(times: int, ask: Callable[[], object]) -> Callable[[], None]:
    def ask_all() -> None:
        for _ in range(times):
            ask()

    return ask_all
