"""Bars made up for drawing: TABLE_DTYPE rows of one-minute bars that begin at 09:15 IST on 24 November 2026."""

from __future__ import annotations

import numpy as np

from kitecli.bars.table import FLAG_NAMES, TABLE_DTYPE

INFY, USDINR, NIFTY = 408065, 1000 * 256 + 3, 256265
OPENS = np.datetime64("2026-11-24T03:45", "ms")
MINUTE = np.timedelta64(60_000, "ms")


def bars(*prices, volume=1000.0, token=INFY, flags=(), every=MINUTE, begins=OPENS):
    """A row for each (open, high, low, close); ``flags``: words by row number."""
    table = np.zeros(len(prices), TABLE_DTYPE)
    for row, (open_, high, low, close) in enumerate(prices):
        table[row]["open"], table[row]["high"], table[row]["low"], table[row]["close"] = open_, high, low, close
    table["start"] = begins + np.arange(len(prices)) * every
    table["end"] = table["start"] + every
    table["volume"], table["oi"], table["vwap"] = volume, np.nan, table["close"]
    table["token"], table["ticks"] = token, 7
    for row, words in dict(flags).items():
        table["flags"][row] = sum(FLAG_NAMES[word] for word in words.split())
    return table
