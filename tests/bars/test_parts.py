from __future__ import annotations

import numpy as np
import pytest

from kitecli.bars.intervals import Interval
from kitecli.bars.layout import COUNTERS, COUNTERS_OFFSET, RING_CURSOR, RING_STRIDE, RINGS_OFFSET, BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.parts import BarsParts


def made(series: int) -> tuple[BarsMemory, BarsParts]:
    memory = BarsMemory.private(BarsLayout(64, 128, series), (Interval.parse("1m"),) * series, 0)
    return memory, BarsParts.of(memory)


@pytest.mark.parametrize("series", [1, 4, 5, 8])
def test_each_part_is_where_the_layout_draws_it(series: int):
    memory, parts = made(series)
    layout, last = memory.layout, series - 1
    places = {
        "states": (parts.states[3:4], layout.rows_offset + 3 * layout.row_stride),
        "hot": (parts.hot[3, last : last + 1], layout.rows_offset + 3 * layout.row_stride + 64 + last * 16),
        "cold": (parts.cold[3, last : last + 1], layout.cold_offset + (3 * series + last) * 64),
        "bars": (parts.bars[last, 5:6], layout.bars_offset + (last * 128 + 5) * 72),
        "links": (parts.links[last, 5:6], layout.links_offset + (last * 128 + 5) * 4),
        "intent": (parts.intent[last : last + 1], RINGS_OFFSET + last * RING_STRIDE),
        "cursor": (parts.cursor[last : last + 1], RINGS_OFFSET + last * RING_STRIDE + RING_CURSOR),
        "counters": (parts.counters[2:3], COUNTERS_OFFSET + 16),
    }
    for number, (name, (array, at)) in enumerate(places.items(), 1):
        array.view(np.uint8)[..., 0] = number
        assert memory.buffer[at] == number, name


def test_each_part_has_the_layout_s_length():
    _, parts = made(5)
    assert parts.states.shape == (64,)
    assert parts.hot.shape == (64, 8), "whole cache lines"
    assert parts.cold.shape == (64, 5)
    assert parts.bars.shape == parts.links.shape == (5, 128)
    assert len(parts.counters) == len(COUNTERS)
