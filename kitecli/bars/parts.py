"""The memory of bars as NumPy arrays: what the reference writer and view work on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.intervals import MAX_SERIES
from kitecli.bars.layout import (
    COLD_DTYPE,
    COUNTERS,
    COUNTERS_OFFSET,
    HOT_DTYPE,
    RING_CURSOR,
    RING_INTENT,
    RING_STRIDE,
    RINGS_OFFSET,
    STATE_DTYPE,
)
from kitecli.bars.memory import BarsMemory
from kitecli.bars.record import BAR_DTYPE


@dataclass(frozen=True, slots=True)
class BarsParts:
    """Arrays over the bytes. ``states``: by row; ``hot`` and ``cold``: by row and series; the rest by series.

    ``hot`` has a column for each place of its cache lines; those behind the last series stay unused. ``bars`` and
    ``links`` are each series' ring, by slot.
    """

    intent: NDArray[np.int64]
    cursor: NDArray[np.int64]
    counters: NDArray[np.uint64]
    states: NDArray[np.void]
    hot: NDArray[np.void]
    cold: NDArray[np.void]
    bars: NDArray[np.void]
    links: NDArray[np.uint32]

    @classmethod
    def of(cls, memory: BarsMemory) -> BarsParts:
        layout, buffer = memory.layout, memory.buffer
        rows, series, capacity = layout.rows, layout.series, layout.capacity
        at, stride = layout.rows_offset, layout.row_stride
        behind = at + STATE_DTYPE.itemsize
        rings = np.frombuffer(buffer, np.int64, MAX_SERIES * RING_STRIDE // 8, RINGS_OFFSET).reshape(MAX_SERIES, -1)
        return cls(
            intent=rings[:, RING_INTENT // 8],
            cursor=rings[:, RING_CURSOR // 8],
            counters=np.frombuffer(buffer, np.uint64, len(COUNTERS), COUNTERS_OFFSET),
            states=np.ndarray((rows,), STATE_DTYPE, buffer, at, (stride,)),
            hot=np.ndarray((rows, layout.hot_places), HOT_DTYPE, buffer, behind, (stride, HOT_DTYPE.itemsize)),
            cold=np.frombuffer(buffer, COLD_DTYPE, rows * series, layout.cold_offset).reshape(rows, series),
            bars=np.frombuffer(buffer, BAR_DTYPE, series * capacity, layout.bars_offset).reshape(series, capacity),
            links=np.frombuffer(buffer, np.uint32, series * capacity, layout.links_offset).reshape(series, capacity),
        )
