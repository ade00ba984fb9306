"""Batches joined and picked apart keep every byte."""

from __future__ import annotations

import numpy as np

from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.sim.source import Batch, join, put_depth, put_ticks, take_depth, take_ticks


def batch_of(*prices: int) -> Batch:
    ticks, depth = np.zeros(len(prices), TICK_DTYPE), np.zeros(len(prices), DEPTH_DTYPE)
    ticks["last_price"] = prices
    depth["buy"]["price"] = np.array(prices)[:, None]
    return Batch(np.arange(len(prices)), ticks, depth)


def test_joined_batches_are_the_bytes_of_their_parts():
    parts = [batch_of(1, 2), batch_of(3)]
    joined = join(parts)
    assert joined.slots.tolist() == [0, 1, 0]
    assert joined.ticks.tobytes() == b"".join(part.ticks.tobytes() for part in parts)
    assert joined.depth.tobytes() == b"".join(part.depth.tobytes() for part in parts)
    assert joined.depth.dtype == DEPTH_DTYPE
    assert join([]).slots.size == 0
    assert join([parts[0]._replace(depth=None)] * 2).depth is None


def test_taking_and_putting_are_numpys_own_indexing():
    batch, rows = batch_of(5, 6, 7), np.array([2, 0])
    assert take_ticks(batch.ticks, rows)["last_price"].tolist() == [7, 5]
    assert take_depth(batch.depth, rows)["buy"]["price"][:, 4].tolist() == [7, 5]
    board, depth = np.zeros(3, TICK_DTYPE), np.zeros(3, DEPTH_DTYPE)
    put_ticks(board, np.array([1, 1, 0]), batch.ticks)
    put_depth(depth, np.array([1, 1, 0]), batch.depth)
    assert board["last_price"].tolist() == [7, 6, 0], "the later row wins"
    assert depth["buy"]["price"][:, 0].tolist() == [7, 6, 0]
