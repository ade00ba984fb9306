"""Asking a full ring: the latest ticks of one instrument, and the latest value of all."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from frames import INSTRUMENTS, ticks, tokens
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


def run(scale: Scale) -> list[Table]:
    count = ring_ticks(scale)
    with ring(count) as memory:
        _fill(memory, count)
        rows = _measured(RingView(memory), scale.pick(20, 8, 1))
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


def _repeated(times: int, ask: Callable[[], object]) -> Callable[[], None]:
    def ask_all() -> None:
        for _ in range(times):
            ask()

    return ask_all
