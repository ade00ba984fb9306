"""How much was traded while nothing came: an outage's jump of cumulative volume, from the ring's history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.market.gap import Gap
from kitecli.market.tick import FLAG_INDEX, FLAG_OHLC, TICK_DTYPE
from kitecli.ring.reader import View

UNKNOWN: Final = -1
MISSED_DTYPE: Final = np.dtype(
    [("token", "<u4"), ("volume_before", "<i8"), ("volume_after", "<i8"), ("jump", "<i8")],
)
"""Cumulative volumes of the day in units, ``UNKNOWN`` (-1) where they can't be had."""
_FIRST_LOOK: Final = 64
_GROWTH: Final = 16
"""Each further look takes 16 times as many ticks: most gaps are recent, and a year-old one must still end."""


def missed_volume(view: View, rows: Mapping[int, int], gap: Gap) -> NDArray[np.void]:
    """The jump of each instrument's cumulative volume across ``gap``: MISSED_DTYPE, one row a token of the gap.

    ``rows``: the board's row of each token. Before: the last tick received up to ``gap.from_ns``; after: the first at
    or above ``gap.sequence``. What the ring no longer holds, or not yet, is ``UNKNOWN``, as is the volume of an index,
    of a tick in ltp mode, and a jump downwards, which only a new day makes.
    """
    missed = np.full(len(gap.tokens), UNKNOWN, MISSED_DTYPE)
    missed["token"] = gap.tokens
    for line, token in enumerate(gap.tokens):
        if token in rows:
            before, after = _around(view, rows[token], gap)
            missed["volume_before"][line], missed["volume_after"][line] = before, after
    jump = missed["volume_after"] - missed["volume_before"]
    known = (missed["volume_before"] >= 0) & (missed["volume_after"] >= 0) & (jump >= 0)
    missed["jump"][known] = jump[known]
    return missed


def newest(view: View, row: int, count: int) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """The newest ``count`` ticks of a board row and their sequences, newest first; fewer where there are no more."""
    count = min(count, view.layout.capacity)
    ticks, sequences = np.zeros(count, TICK_DTYPE), np.zeros(count, np.int64)
    found = view.history(row, count, ticks, sequences)
    return ticks[:found], sequences[:found]


def _around(view: View, row: int, gap: Gap) -> tuple[int, int]:
    """Cumulative volume on both sides of a gap."""
    resumed = view.cursor() if gap.sequence is None else gap.sequence
    count = _FIRST_LOOK
    while True:
        ticks, sequences = newest(view, row, count)
        older = np.flatnonzero((sequences < resumed) & (ticks["ts_recv_ns"] <= gap.from_ns))
        if older.size or len(ticks) < count:
            break
        count *= _GROWTH
    newer = int(np.count_nonzero(sequences >= resumed))
    whole = older.size or view.cursor() - view.layout.capacity <= resumed
    before = _volume(ticks[older[0]]) if older.size else UNKNOWN
    return before, _volume(ticks[newer - 1]) if newer and whole else UNKNOWN


def _volume(tick: np.void) -> int:
    return int(tick["volume"]) if tick["flags"] & (FLAG_OHLC | FLAG_INDEX) == FLAG_OHLC else UNKNOWN
