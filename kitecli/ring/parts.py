"""A ring's memory as NumPy arrays: what the reference writer and view work on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.ring.layout import (
    BOARD_ROWS_OFFSET,
    COUNTERS,
    COUNTERS_OFFSET,
    CURSOR_OFFSET,
    HEARTBEAT_OFFSET,
    INTENT_OFFSET,
    META_DTYPE,
    STATE_OFFSET,
)
from kitecli.ring.memory import RingMemory


@dataclass(frozen=True, slots=True)
class RingParts:
    """Arrays over one ring's bytes; the scalars are arrays of one, because they are shared."""

    ticks: NDArray[np.void]
    links: NDArray[np.uint32]
    depth: NDArray[np.void]
    meta: NDArray[np.void]
    board_ticks: NDArray[np.void]
    board_depth: NDArray[np.void]
    intent: NDArray[np.int64]
    cursor: NDArray[np.int64]
    board_rows: NDArray[np.int64]
    state: NDArray[np.int64]
    heartbeat_ns: NDArray[np.int64]
    counters: NDArray[np.uint64]

    @classmethod
    def of(cls, memory: RingMemory) -> RingParts:
        layout, buffer = memory.layout, memory.buffer
        return cls(
            ticks=np.frombuffer(buffer, TICK_DTYPE, layout.capacity, layout.ticks_offset),
            links=np.frombuffer(buffer, np.uint32, layout.capacity, layout.links_offset),
            depth=np.frombuffer(buffer, DEPTH_DTYPE, layout.depth_capacity, layout.depth_offset),
            meta=np.frombuffer(buffer, META_DTYPE, layout.board_capacity, layout.meta_offset),
            board_ticks=np.frombuffer(buffer, TICK_DTYPE, layout.board_capacity, layout.board_ticks_offset),
            board_depth=np.frombuffer(buffer, DEPTH_DTYPE, layout.board_capacity, layout.board_depth_offset),
            intent=np.frombuffer(buffer, np.int64, 1, INTENT_OFFSET),
            cursor=np.frombuffer(buffer, np.int64, 1, CURSOR_OFFSET),
            board_rows=np.frombuffer(buffer, np.int64, 1, BOARD_ROWS_OFFSET),
            state=np.frombuffer(buffer, np.int64, 1, STATE_OFFSET),
            heartbeat_ns=np.frombuffer(buffer, np.int64, 1, HEARTBEAT_OFFSET),
            counters=np.frombuffer(buffer, np.uint64, len(COUNTERS), COUNTERS_OFFSET),
        )
