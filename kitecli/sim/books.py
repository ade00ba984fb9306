"""Five-level books around a fair value: never crossed, every price a multiple of the tick size, none below one tick."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kitecli.market.tick import DEPTH_DTYPE
from kitecli.sim.source import Records

Ints = NDArray[np.int64]

LEVELS: Final = 5
_STEPS: Final = np.arange(LEVELS, dtype=np.int64)
_GROWTH: Final = 1 + _STEPS  # the further from the touch, the more is on offer


class Books(NamedTuple):
    """``bid``, ``ask``: (n,) the best prices in ticks, 0 where a side is empty. ``depth``: (n,) DEPTH_DTYPE."""

    bid: Ints
    ask: Ints
    depth: Records


def make_books(fair: NDArray[np.float64], spread: Ints, tick_size: Ints, lot: Ints, rng: np.random.Generator) -> Books:
    """Books for n instruments. ``fair``, ``spread``: in ticks, spread at least 1. ``tick_size``: wire units."""
    ask = np.maximum(np.floor(fair).astype(np.int64) + (spread + 1) // 2, 1)
    bid = np.maximum(ask - spread, 0)
    depth = np.zeros(fair.size, DEPTH_DTYPE)
    drawn = rng.integers(0, 1 << 16, (fair.size, 2 * LEVELS), dtype=np.uint16).astype(np.int64)
    bids = np.maximum(bid[:, None] - _STEPS, 0)
    asks = ask[:, None] + _STEPS
    _fill_side(depth["buy"], bids, tick_size, lot, drawn[:, :LEVELS])
    _fill_side(depth["sell"], asks, tick_size, lot, drawn[:, LEVELS:])
    return Books(bid, ask, depth)


def _fill_side(side: Records, prices: Ints, tick_size: Ints, lot: Ints, drawn: Ints) -> None:
    """An empty level is all zeros, as the wire has it."""
    there = prices > 0
    orders = (1 + (drawn & 0xF)) * there
    side["price"] = prices * tick_size[:, None]
    side["orders"] = orders
    side["quantity"] = orders * (1 + (drawn >> 4 & 0x3F)) * _GROWTH * lot[:, None]
