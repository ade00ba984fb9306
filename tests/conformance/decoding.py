"""Both decoders behind one question: what do you make of this message? And the answer held against a vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from kitecli.market import view
from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, TICK_DTYPE
from kitecli.protocol import decoder
from kitecli.ring.layout import COUNTERS, RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.view import RingView
from tests.conformance.vectors import DAMAGE, FIELDS, Vector

TS_RECV_NS, CONNECTION = 1_719_459_900_123_456_789, 2
ROOM = RingLayout.of(256, 256)


@dataclass(frozen=True)
class Made:
    """What a decoder made of one message; ``shown`` is each tick as people see it."""

    ticks: list[dict[str, object]]
    shown: list[dict[str, object]]
    damage: dict[str, int]
    heartbeat: bool


Decode = Callable[[bytes], Made]


def by_reference(message: bytes, source: ModuleType = decoder, shows: ModuleType = view) -> Made:
    frame = source.decode_frame(message, ts_recv_ns=TS_RECV_NS, connection=CONNECTION)
    return _made(frame.ticks, frame.depth, frame.damage.as_dict(), frame.heartbeat, shows)


def by_pass(message: bytes, make_pass: Callable[[RingMemory], Any]) -> Made:
    """The same question to anything that writes a ring."""
    memory = RingMemory.private(ROOM)
    count = make_pass(memory).ingest(message, TS_RECV_NS, CONNECTION)
    reader = RingView(memory)
    ticks, depth = np.zeros(count, TICK_DTYPE), np.zeros(count, DEPTH_DTYPE)
    reader.copy(0, count, ticks, depth)
    counted = dict(zip(COUNTERS, reader.counters().tolist(), strict=True))
    assert counted["ticks"] == count == reader.cursor()
    assert (counted["frames"], counted["bytes"], reader.heartbeat_ns()) == (1, len(message), TS_RECV_NS)
    return _made(ticks, depth, {kind: counted[kind] for kind in DAMAGE}, bool(counted["heartbeats"]), view)


def by_compiled(message: bytes) -> Made:
    hot = pytest.importorskip("kitecli.hot._hot", reason="the extension isn't built")
    return by_pass(message, hot.FramePass)


def disagreement(vector: Vector, made: Made) -> str:
    """Where the answer differs from the vector; empty if it doesn't."""
    if made.damage != {**dict.fromkeys(DAMAGE, 0), **vector.damage}:
        return f"damage {made.damage}"
    if made.heartbeat != vector.heartbeat:
        return f"heartbeat {made.heartbeat}"
    if len(made.ticks) != len(vector.ticks):
        return f"{len(made.ticks)} ticks"
    for number, (found, wanted) in enumerate(zip(made.ticks, vector.ticks, strict=True)):
        for name in wanted.keys() | found.keys():
            if found.get(name) != wanted.get(name):
                return f"tick {number}: {name} is {found.get(name)}, not {wanted.get(name)}"
    for shown, rupees in zip(made.shown, vector.rupees, strict=False):
        wrong = {name: shown.get(name) for name in rupees if shown.get(name) != rupees[name]}
        if wrong:
            return f"shown {wrong}"
    return ""


def first_failure(decode: Decode, vectors: tuple[Vector, ...]) -> str:
    """The first vector this decoder gets wrong, and how; one that raises is wrong, too. Empty if there is none."""
    for vector in vectors:
        try:
            problem = disagreement(vector, decode(vector.message))
        except Exception as cause:  # noqa: BLE001  a broken decoder may break in any way
            problem = repr(cause)
        if problem:
            return f"{vector.name}: {problem}"
    return ""


def _made(ticks: Any, depth: Any, damage: dict[str, int], heartbeat: bool, shows: ModuleType) -> Made:
    assert set(ticks["ts_recv_ns"].tolist()) <= {TS_RECV_NS}
    assert set(ticks["connection"].tolist()) <= {CONNECTION}
    plain = [_plain(ticks[row], depth[row]) for row in range(len(ticks))]
    return Made(plain, [tick.to_dict() for tick in shows.ticks_of(ticks, depth)], damage, heartbeat)


def _plain(tick: Any, depth: Any) -> dict[str, object]:
    plain: dict[str, object] = {name: int(tick[name]) for name in FIELDS}
    if tick["flags"] & FLAG_DEPTH:
        pad = depth["buy"]["pad"]
        plain.update(
            last_trade_time=int(depth["last_trade_time"]),
            oi_day_high=int(depth["oi_day_high"]),
            oi_day_low=int(pad[0]) | int(pad[1]) << 16,
            buy=_levels(depth["buy"]),
            sell=_levels(depth["sell"]),
        )
    return plain


def _levels(levels: Any) -> tuple[tuple[int, int, int], ...]:
    return tuple((int(level["quantity"]), int(level["price"]), int(level["orders"])) for level in levels)
