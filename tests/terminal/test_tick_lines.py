"""Many ticks at once are written as one after the other is."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, FLAG_INDEX, FLAG_OHLC, FLAG_SNAPSHOT, TICK_DTYPE
from kitecli.market.view import ticks_of
from kitecli.ring.reader import Batch
from kitecli.terminal.tick_lines import json_line, json_lines

LABELS = {token * 256 + 1: f'NSE:"{token}&CO"' for token in range(3)}


def made(count: int, seed: int, *, usual: bool) -> Batch:
    """Random ticks of some instruments of each kind; ``usual``: with all that their modes carry."""
    draw = np.random.default_rng(seed)
    ticks, depth = (
        np.frombuffer(draw.bytes(count * dtype.itemsize), dtype).copy() for dtype in (TICK_DTYPE, DEPTH_DTYPE)
    )
    ticks["token"] = draw.integers(0, 5, count) * 256 + draw.choice([1, 2, 3, 9, 12, 200], count)
    ticks["mode"] = draw.integers(1, 4, count)
    flags = draw.integers(0, 16, count).astype(np.uint16)
    ticks["flags"] = flags | FLAG_OHLC | FLAG_DEPTH if usual else flags
    for column in (ticks["ts_event_s"], ticks["close"], depth["last_trade_time"]):
        column[draw.random(count) < 0.2] = 0
    ticks["ts_event_s"] >>= 1
    depth["last_trade_time"] >>= 1
    return Batch(ticks, depth, 1 << 40, 0)


@pytest.mark.parametrize("usual", [True, False])
def test_the_lines_are_those_of_one_tick_after_the_other(usual: bool):
    batch = made(1_000, 7, usual=usual)
    assert {FLAG_SNAPSHOT, FLAG_INDEX} <= {int(flag) for flag in np.unique(batch.ticks["flags"] & 3)}
    one_by_one = [
        json_line(tick, LABELS.get(tick.instrument_token))
        for tick in ticks_of(batch.ticks, batch.depth, batch.sequences)
    ]
    assert json_lines(batch, LABELS) == one_by_one


def test_without_depth():
    bare = Batch(made(300, 8, usual=True).ticks, None, 0, 0)
    ticks = ticks_of(bare.ticks, None, bare.sequences)
    assert json_lines(bare, {}) == [json_line(tick, None) for tick in ticks]
