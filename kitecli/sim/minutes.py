"""Minute candles of the simulated exchange, in wire units: read off ticks, and put together to longer ones. Sans I/O.

As the broker makes them: prices of trades alone, volume from the cumulative volume, each trade in the minute of its
exchange stamp. Longer candles begin with the session, not with the hour: NSE's of 60 minutes at 09:15, 10:15 and on.

A candle, little-endian::

    0        8      12     16     20      24       32      40
    +--------+------+------+------+-------+--------+-------+
    | start_s| open | high | low  | close | volume | oi    |
    | i64    | i32  | i32  | i32  | i32   | i64    | i64   |
    +--------+------+------+------+-------+--------+-------+
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.market.calendar.session import DAY_S, IST_OFFSET_S
from kitecli.market.tick import FLAG_INDEX, MODE_LTP
from kitecli.sim.source import Records

MINUTE_S: Final = 60
CANDLE_DTYPE: Final = np.dtype(
    [
        ("start_s", "<i8"),
        ("open", "<i4"),
        ("high", "<i4"),
        ("low", "<i4"),
        ("close", "<i4"),
        ("volume", "<i8"),
        ("oi", "<i8"),
    ]
)

Ints = NDArray[np.int64]

assert CANDLE_DTYPE.itemsize == 40


def minutes_of(ticks: Records) -> Records:
    """The minute candles of one instrument's ticks ((n,) TICK_DTYPE, in the order received), by time.

    The first tick of each day says what was traded before it, so a day's volumes sum to last − first.
    """
    growth = _growth(ticks)
    price = ticks["last_price"]
    traded = growth > 0
    traded[0] = True
    traded[1:] |= price[1:] != price[:-1]
    traded |= without_volume(ticks)
    rows, volume = ticks[traded], growth[traded]
    minute = rows["ts_event_s"].astype(np.int64) // MINUTE_S * MINUTE_S
    order = np.argsort(minute, kind="stable")  # a late tick belongs to the minute of its stamp
    single = np.zeros(order.size, CANDLE_DTYPE)
    single["start_s"] = minute[order]
    for name in ("open", "high", "low", "close"):
        single[name] = rows["last_price"][order]
    single["volume"], single["oi"] = volume[order], rows["oi"][order]
    return roll_up(single, single["start_s"])


def without_volume(ticks: Records) -> NDArray[np.bool_]:
    """Ticks that carry no volume to see a trade by, so that each counts as one: indices, and last prices alone."""
    none: NDArray[np.bool_] = (ticks["mode"] == MODE_LTP) | (ticks["flags"] & FLAG_INDEX > 0)
    return none


def roll_up(candles: Records, starts: Ints) -> Records:
    """Candles in order, put together where they have the same ``starts`` ((n,) int64, ascending)."""
    if not candles.size:
        return candles
    firsts = np.flatnonzero(np.diff(starts, prepend=starts[0] - 1))
    lasts = np.append(firsts[1:], candles.size) - 1
    found = np.zeros(firsts.size, CANDLE_DTYPE)
    found["start_s"] = starts[firsts]
    found["open"], found["close"] = candles["open"][firsts], candles["close"][lasts]
    found["high"] = np.maximum.reduceat(candles["high"], firsts)
    found["low"] = np.minimum.reduceat(candles["low"], firsts)
    found["volume"], found["oi"] = np.add.reduceat(candles["volume"], firsts), candles["oi"][lasts]
    return found


def _growth(ticks: Records) -> Ints:
    """(n,) how much the cumulative volume grew; it begins again each day, and a late tick's is an old one."""
    volume = ticks["volume"].astype(np.int64)
    day = (ticks["ts_event_s"].astype(np.int64) + IST_OFFSET_S) // DAY_S
    growth = np.zeros(ticks.size, np.int64)
    for one in np.unique(day):
        rows = np.flatnonzero(day == one)
        highest = np.maximum.accumulate(volume[rows])
        growth[rows[1:]] = np.diff(highest)
    return growth
