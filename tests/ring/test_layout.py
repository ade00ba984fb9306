from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.ring import layout
from kitecli.ring.layout import COUNTERS, HEADER_BYTES, PAGE_BYTES, RingLayout, round_up

PARTS = ("ticks", "links", "depth", "meta", "board_ticks", "board_depth")


@given(st.integers(0, 2**40))
def test_a_size_is_rounded_up_to_a_power_of_two(size: int):
    rounded = round_up(size)
    assert rounded >= max(size, 64)
    assert rounded & (rounded - 1) == 0
    assert rounded == 64 or rounded < size * 2


@pytest.mark.parametrize(
    ("size", "capacity"),
    [(0, 64), (1, 64), (64, 64), (65, 128), (100_000, 131_072), (1_000_000, 1_048_576), (1 << 20, 1 << 20)],
)
def test_the_sizes_people_write(size: int, capacity: int):
    assert RingLayout.of(size).capacity == capacity


@given(st.integers(1, 2**24), st.integers(1, 2**16))
def test_parts_follow_each_other_on_pages_and_don_t_overlap(size: int, board: int):
    made = RingLayout.of(size, board)
    sizes = {
        "ticks": made.capacity * TICK_DTYPE.itemsize,
        "links": made.capacity * 4,
        "depth": made.depth_capacity * DEPTH_DTYPE.itemsize,
        "meta": made.board_capacity * 16,
        "board_ticks": made.board_capacity * TICK_DTYPE.itemsize,
        "board_depth": made.board_capacity * DEPTH_DTYPE.itemsize,
    }
    end = HEADER_BYTES
    for part in PARTS:
        offset = getattr(made, f"{part}_offset")
        assert offset % PAGE_BYTES == 0
        assert end <= offset < end + PAGE_BYTES
        end = offset + sizes[part]
    assert end <= made.total_bytes < end + PAGE_BYTES


def test_the_depth_ring_is_an_eighth_but_never_tiny():
    assert RingLayout.of(1 << 20).depth_capacity == 1 << 17
    assert RingLayout.of(64).depth_capacity == 64


def test_what_different_processes_write_stands_on_cache_lines_of_its_own():
    offsets = [layout.INTENT_OFFSET, layout.CURSOR_OFFSET, layout.BOARD_ROWS_OFFSET, layout.COUNTERS_OFFSET]
    assert [offset // 64 for offset in offsets] == [2, 3, 4, 5]
    assert layout.COUNTERS_OFFSET + 8 * len(COUNTERS) <= HEADER_BYTES


def test_a_ring_of_a_million_ticks_costs_what_its_parts_cost():
    assert RingLayout.of(1_000_000).total_bytes == pytest.approx(91.8e6, rel=0.01)
