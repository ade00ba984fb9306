"""Reading the memory of bars: the reference, for a feed in the same process.

A view copies what stands there and says what of it can be trusted; which record of a bar counts, and what bars longer
than those of the series are made of, is for its callers. The compiled view has the same methods and adds the memory
barriers that a writer in another process needs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.layout import STATE_OI, STATE_VOLUME
from kitecli.bars.memory import BarsMemory
from kitecli.bars.parts import BarsParts
from kitecli.bars.record import BAR_DTYPE, FLAG_OI, FLAG_OPEN, FLAG_VOLUME

_MOST: Final = 0xFFFFFFFF


class BarsView:
    """Read access to one feed's bars, by series and by row; rows are those of the ring's board.

    ``series`` numbers the memory's ``intervals``. Methods raise ValueError for a series or a row that isn't there.
    """

    def __init__(self, memory: BarsMemory) -> None:
        self.layout = memory.layout
        self.intervals = memory.intervals
        self._parts = BarsParts.of(memory)

    def cursor(self, series: int) -> int:
        """How many records were published of this series so far, revisions among them: the next one's sequence."""
        return int(self._parts.cursor[self._checked(series)])

    def counters(self) -> NDArray[np.uint64]:
        """A copy of the counters, in the order of :data:`~kitecli.bars.layout.COUNTERS`."""
        return self._parts.counters.copy()

    def copy(self, series: int, start: int, count: int, records: NDArray[np.void]) -> int:
        """Copy ``count`` records of all instruments from sequence ``start`` on, as they were published.

        ``records``: (count,) BAR_DTYPE or longer. Returns the oldest sequence that was certainly not overwritten
        meanwhile: records below it are not to be trusted. ``count``: the capacity at most.
        """
        if not (0 <= count <= min(self.layout.capacity, records.size) and start >= 0):
            raise ValueError(f"no {count} bars fit between {self.layout.capacity} kept and {records.size} taken")
        slots = np.arange(start, start + count) & (self.layout.capacity - 1)
        records[:count] = self._parts.bars[self._checked(series)][slots]
        return int(self._parts.intent[series]) - self.layout.capacity

    def history(self, row: int, series: int, count: int, records: NDArray[np.void]) -> int:
        """The newest ``count`` records of a row's closed bars, newest first; returns how many there are.

        A bar that late ticks changed comes several times, its newest revision first, and revisions stand where they
        were published: behind, or rather before, later bars. Fewer than ``count`` are all that the ring still holds.
        Behind those found, ``records`` may hold anything.
        """
        capacity, intent = self.layout.capacity, self._parts.intent
        bars, links = (ring[self._checked(series)] for ring in (self._parts.bars, self._parts.links))
        sequence, found = int(self._parts.cold["next_sequence"][self._checked_row(row), series]) - 1, 0
        while sequence >= 0 and found < min(count, records.size):
            slot = sequence & (capacity - 1)
            records[found] = bars[slot]
            link = int(links[slot])
            if sequence < int(intent[series]) - capacity:
                break
            found += 1
            sequence = sequence - link if link else -1
        return found

    def forming(self, start: int, stop: int, series: int, records: NDArray[np.void]) -> int:
        """The forming bars of the rows from ``start`` to ``stop``, a record each; returns how many are forming.

        A record carries ``FLAG_OPEN``; one whose row has no bar forming, or couldn't be read whole because its writer
        died in it, has no flags at all and only zeros. ``token`` is 0 too: rows' tokens are the ring's to tell.
        """
        self._checked_row(start)
        if not start <= stop <= min(self.layout.rows, start + records.size):
            raise ValueError(f"no rows {start} to {stop} fit into {records.size} records")
        parts, rows = self._parts, slice(start, stop)
        before = parts.states["version"][rows].copy()
        until_ms = parts.hot["until_ms"][rows, self._checked(series)].copy()
        states, cold = parts.states[rows].copy(), parts.cold[rows, series].copy()
        open_bars = _assembled(states, parts.hot[rows, series].copy(), cold, series)
        whole = (before & 1 == 0) & (parts.states["version"][rows] == before)
        open_bars[(until_ms == 0) | ~whole] = np.zeros((), open_bars.dtype)
        records[: stop - start] = open_bars
        return int(np.count_nonzero(open_bars["flags"]))

    def _checked(self, series: int) -> int:
        if not 0 <= series < self.layout.series:
            raise ValueError(f"there is no series {series} among {self.layout.series}")
        return series

    def _checked_row(self, row: int) -> int:
        if not 0 <= row < self.layout.rows:
            raise ValueError(f"there is no row {row} among {self.layout.rows}")
        return row


def _assembled(
    states: NDArray[np.void], hot: NDArray[np.void], cold: NDArray[np.void], series: int
) -> NDArray[np.void]:
    """Forming bars as records, as if they were closed now."""
    made = np.zeros(states.size, BAR_DTYPE)
    has_volume, has_oi = states["flags"] & STATE_VOLUME != 0, states["flags"] & STATE_OI != 0
    for name in ("start_ms", "open", "first_key"):
        made[name] = cold[name]
    for name in ("high", "low"):
        made[name] = hot[name]
    made["close"] = np.clip(states["last_price"], hot["low"], hot["high"])
    made["oi"] = states["oi"]
    made["ticks"] = states["ticks"] - cold["base_ticks"]
    made["volume"] = np.where(has_volume, states["volume"] - cold["base_volume"], 0)
    made["turnover"] = np.where(has_volume, states["turnover"] - cold["base_turnover"], 0)
    made["length_ms"] = np.clip(cold["end_ms"] - cold["start_ms"], 0, _MOST)
    after_start = np.clip(states["last_ms"] - cold["start_ms"], 0, _MOST)
    made["last_key"] = np.where(has_volume, states["volume"], after_start)
    made["flags"] = cold["flags"] | FLAG_OPEN | np.where(has_volume, FLAG_VOLUME, 0) | np.where(has_oi, FLAG_OI, 0)
    made["series"] = series
    return made
