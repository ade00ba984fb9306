from __future__ import annotations

import numpy as np

from kitecli.ring.layout import (
    BOARD_ROWS_OFFSET,
    COUNTERS,
    COUNTERS_OFFSET,
    CURSOR_OFFSET,
    HEARTBEAT_OFFSET,
    INTENT_OFFSET,
    STATE_OFFSET,
    RingLayout,
)
from kitecli.ring.memory import RingMemory
from kitecli.ring.parts import RingParts

SCALARS = {
    "intent": INTENT_OFFSET,
    "cursor": CURSOR_OFFSET,
    "board_rows": BOARD_ROWS_OFFSET,
    "state": STATE_OFFSET,
    "heartbeat_ns": HEARTBEAT_OFFSET,
    "counters": COUNTERS_OFFSET,
}


def test_each_part_is_where_the_layout_draws_it():
    memory = RingMemory.private(RingLayout.of(128, 256))
    parts = RingParts.of(memory)
    for number, name in enumerate(RingParts.__dataclass_fields__, start=1):
        array = getattr(parts, name)
        at = SCALARS[name] if name in SCALARS else getattr(memory.layout, f"{name}_offset")
        array.view(np.uint8)[0] = number
        assert memory.buffer[at] == number, name


def test_each_part_has_the_layout_s_length():
    parts = RingParts.of(RingMemory.private(RingLayout.of(1024, 256)))
    assert (len(parts.ticks), len(parts.links), len(parts.depth)) == (1024, 1024, 128)
    assert (len(parts.meta), len(parts.board_ticks), len(parts.board_depth)) == (256, 256, 256)
    assert len(parts.counters) == len(COUNTERS)
