"""The memory of a feed's bars, drawn. Little-endian; every part starts on a page. Rows are those of the ring's board.

::

    0                                                              HEADER_BYTES
    +--------+---------+---------+-------------------------------------+
    | magic  | version | header  | rows, capacity, series, grace_ms,   |
    | 8 B    | u32     | u32     | offsets of the parts, total         |
    +--------+---------+---------+-------------------------------------+
    | 256: 8 × (kind u32, pad u32, size i64)   what each series' bars span
    | 512: 8 × 128: intent i64 at 0, cursor i64 at 64   each series' ring of closed bars
    | 1536: counters u64 × 8                                           |
    +------------------------------------------------------------------+
    | rows     rows × row_stride      an instrument: 64 B of state, what all its forming bars share; then hot, 16 B
    |                                 a series: until_ms i64 | high i32 | low i32, four series a cache line
    | cold     rows × series × 64     a forming bar: what is touched when it begins and ends
    | bars     series × capacity × 72   closed bars of one series, of all instruments, as they were closed
    | links    series × capacity × 4    how far back the same instrument's previous one lies; 0: none
    +------------------------------------------------------------------+

A tick touches one state and one line of hot, side by side so that both come into the cache at once. A forming bar's
close, volume, turnover and ticks aren't kept up to date: they are the differences of the state's running figures and
those noted when it began.

Closed bars are published as ticks are in :mod:`kitecli.ring.layout`: intent, record, cursor. A forming bar is read
under the state's version, odd while the row is written (a seqlock). A revision is another record with the same start
and a higher ``revision``: the newest one counts, and a later record may have an earlier start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from kitecli.bars.intervals import MAX_SERIES
from kitecli.bars.record import BAR_DTYPE

MAGIC: Final = b"KITEBARS"
VERSION: Final = 2
HEADER_BYTES: Final = 4096
PAGE_BYTES: Final = 4096

SERIES_OFFSET: Final = 256
RINGS_OFFSET: Final = 512
RING_STRIDE: Final = 128
RING_INTENT: Final = 0
RING_CURSOR: Final = 64
COUNTERS_OFFSET: Final = RINGS_OFFSET + MAX_SERIES * RING_STRIDE

COUNTERS: Final = ("bars", "revisions", "late_ticks", "late_lost", "resets")
"""``bars``: closed, revisions not among them. ``late_ticks``: ticks of bars already closed; ``late_lost``: of bars that
the ring of closed bars no longer holds. ``resets``: cumulative volumes that began anew within a day."""

SERIES_DTYPE: Final = np.dtype([("kind", "<u4"), ("pad", "<u4"), ("size", "<i8")])

HEADER_DTYPE: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("header_bytes", "<u4"),
        ("rows", "<u8"),
        ("capacity", "<u8"),
        ("series", "<u8"),
        ("grace_ms", "<i8"),
        ("rows_offset", "<u8"),
        ("cold_offset", "<u8"),
        ("bars_offset", "<u8"),
        ("links_offset", "<u8"),
        ("total_bytes", "<u8"),
        ("created_ns", "<i8"),
        ("writer_pid", "<u4"),
    ]
)

STATE_SEEN: Final = 1  # a packet of it has come
STATE_VOLUME: Final = 2  # its last tick carried volume
STATE_OI: Final = 4  # … open interest
STATE_UNSTAMPED: Final = 8  # … no exchange stamp
STATE_GAP: Final = 16  # an outage lies behind its last tick
STATE_PARTIAL: Final = 32  # it wasn't streamed for a while

STATE_DTYPE: Final = np.dtype(
    [
        ("turnover", "<i8"),
        ("joined_ms", "<i8"),
        ("floor_ms", "<i8"),  # a tick stamped before it may belong to a closed bar
        ("last_ms", "<i8"),  # the time of its newest tick
        ("volume", "<u4"),  # cumulative, the highest of its day
        ("ticks", "<u4"),
        ("last_price", "<i4"),
        ("oi", "<u4"),
        ("day", "<i4"),  # the Indian day that volume is of, in days since 1970
        ("version", "<u4"),
        ("timeline", "<u2"),
        ("flags", "<u2"),
        ("sure_ms", "<u4"),  # from floor_ms on: a stamp within it ends no bar, and is of the day that volume is of
    ]
)

HOT_DTYPE: Final = np.dtype([("until_ms", "<i8"), ("high", "<i4"), ("low", "<i4")])
"""``until_ms``: a tick at or after it begins another bar; 0: none is forming."""
HOT_LINE: Final = 4

COLD_DTYPE: Final = np.dtype(
    [
        ("start_ms", "<i8"),
        ("end_ms", "<i8"),
        ("until_ms", "<i8"),  # stays when the bar is closed
        ("base_turnover", "<i8"),
        ("next_sequence", "<i8"),  # of the ring of closed bars, behind this instrument's newest one; 0: none
        ("base_volume", "<u4"),
        ("base_ticks", "<u4"),
        ("open", "<i4"),
        ("first_key", "<u4"),
        ("flags", "<u2"),
        ("pad", "u1", (6,)),
    ]
)

DEFAULT_CAPACITY: Final = 65_536
"""Closed bars kept of each series, of all instruments together."""
MIN_CAPACITY: Final = 64


@dataclass(frozen=True, slots=True)
class BarsLayout:
    """Where the parts stand. ``rows`` and ``capacity`` are powers of two."""

    rows: int
    capacity: int
    series: int

    @property
    def hot_places(self) -> int:
        """Series that a row has room for: whole cache lines."""
        return -(-self.series // HOT_LINE) * HOT_LINE

    @property
    def row_stride(self) -> int:
        return STATE_DTYPE.itemsize + self.hot_places * HOT_DTYPE.itemsize

    @property
    def rows_offset(self) -> int:
        return HEADER_BYTES

    @property
    def cold_offset(self) -> int:
        return _page(self.rows_offset + self.rows * self.row_stride)

    @property
    def bars_offset(self) -> int:
        return _page(self.cold_offset + self.rows * self.series * COLD_DTYPE.itemsize)

    @property
    def links_offset(self) -> int:
        return _page(self.bars_offset + self.series * self.capacity * BAR_DTYPE.itemsize)

    @property
    def total_bytes(self) -> int:
        return _page(self.links_offset + self.series * self.capacity * 4)


def _page(offset: int) -> int:
    return -(-offset // PAGE_BYTES) * PAGE_BYTES


assert HEADER_DTYPE.itemsize <= SERIES_OFFSET
assert STATE_DTYPE.itemsize == COLD_DTYPE.itemsize == 64
assert HOT_DTYPE.itemsize == SERIES_DTYPE.itemsize == 16
