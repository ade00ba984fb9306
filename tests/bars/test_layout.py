from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kitecli.bars import layout
from kitecli.bars.intervals import MAX_SERIES
from kitecli.bars.layout import COUNTERS, HEADER_BYTES, PAGE_BYTES, BarsLayout

POWERS = st.integers(6, 20).map(lambda power: 1 << power)


@given(POWERS, POWERS, st.integers(1, MAX_SERIES))
def test_parts_follow_each_other_on_pages_and_don_t_overlap(rows: int, capacity: int, series: int):
    made = BarsLayout(rows, capacity, series)
    sizes = {
        "rows": rows * made.row_stride,
        "cold": rows * series * 64,
        "bars": series * capacity * 72,
        "links": series * capacity * 4,
    }
    end = HEADER_BYTES
    for part, size in sizes.items():
        offset = getattr(made, f"{part}_offset")
        assert offset % PAGE_BYTES == 0
        assert end <= offset < end + PAGE_BYTES
        end = offset + size
    assert end <= made.total_bytes < end + PAGE_BYTES


def test_four_series_of_an_instrument_share_a_cache_line():
    assert [BarsLayout(64, 64, series).row_stride - 64 for series in (1, 4, 5, 8)] == [64, 64, 128, 128]


def test_each_series_ring_has_its_cursors_on_cache_lines_of_their_own():
    assert layout.RING_STRIDE == 2 * 64
    assert (layout.RING_INTENT, layout.RING_CURSOR) == (0, 64)
    assert layout.RINGS_OFFSET % 64 == 0
    assert layout.SERIES_OFFSET + MAX_SERIES * layout.SERIES_DTYPE.itemsize <= layout.RINGS_OFFSET
    assert layout.COUNTERS_OFFSET + 8 * len(COUNTERS) <= HEADER_BYTES
