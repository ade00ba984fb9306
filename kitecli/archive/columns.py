"""Ticks as columns with the official client's names: what every form of file holds."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kitecli.market.tick import FLAG_DEPTH, FLAG_INDEX, FLAG_OHLC, FLAG_SNAPSHOT, MODE_FULL
from kitecli.tables.ticks import divisors

Column = tuple[NDArray[Any], NDArray[np.bool_] | None]  # Any: each column has its own type
"""Values, and where there are any; None: everywhere."""

_QUANTITIES: Final = {
    "last_traded_quantity": "last_quantity",
    "volume_traded": "volume",
    "total_buy_quantity": "buy_quantity",
    "total_sell_quantity": "sell_quantity",
}
_DAY: Final = ("open", "high", "low", "close")


def columns_of(ticks: NDArray[np.void], depth: NDArray[np.void] | None) -> dict[str, Column]:
    """(n,) values of each column by the official client's names; those of depth where ``depth`` is given."""
    flags, mode = ticks["flags"], ticks["mode"]
    scale = divisors(ticks["token"])
    with_day = flags & FLAG_OHLC != 0
    traded = with_day & (flags & FLAG_INDEX == 0)
    full = mode == MODE_FULL
    found: dict[str, Column] = {
        "connection": (ticks["connection"], None),
        "snapshot": (flags & FLAG_SNAPSHOT != 0, None),
        "last_price": (ticks["last_price"] / scale, None),
        "average_traded_price": (ticks["average_price"] / scale, traded),
    }
    found |= {name: (ticks[field], traded) for name, field in _QUANTITIES.items()}
    found |= {name: (ticks[name] / scale, with_day) for name in _DAY}
    found["oi"] = (ticks["oi"], traded & full)
    found["exchange_timestamp"] = (_seconds(ticks["ts_event_s"]), full & (ticks["ts_event_s"] != 0))
    return found | (_depth_columns(ticks, depth, scale) if depth is not None else {})


def _depth_columns(ticks: NDArray[np.void], depth: NDArray[np.void], scale: NDArray[np.float64]) -> dict[str, Column]:
    there = ticks["flags"] & FLAG_DEPTH != 0
    pad = depth["buy"]["pad"].astype(np.uint32)
    found: dict[str, Column] = {
        "last_trade_time": (_seconds(depth["last_trade_time"]), there & (depth["last_trade_time"] != 0)),
        "oi_day_high": (depth["oi_day_high"], there),
        "oi_day_low": (pad[:, 0] | pad[:, 1] << 16, there),
    }
    for side in ("buy", "sell"):
        for level in range(5):
            row = depth[side][:, level]
            found[f"{side}_price_{level + 1}"] = (row["price"] / scale, there)
            found[f"{side}_quantity_{level + 1}"] = (row["quantity"].astype(np.uint32), there)
            found[f"{side}_orders_{level + 1}"] = (row["orders"].astype(np.uint16), there)
    return found


def _seconds(stamps: NDArray[np.uint32]) -> NDArray[np.datetime64]:
    return stamps.astype(np.int64).astype("M8[s]").astype("M8[ms]")
