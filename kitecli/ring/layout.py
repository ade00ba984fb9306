"""The ring's memory, drawn. Little-endian; every part starts on a page.

::

    0                                                              HEADER_BYTES
    +--------+---------+---------+-------------------------------------+
    | magic  | version | header  | capacity, depth_capacity, rows,     |
    | 8 B    | u32     | u32     | offsets of the parts, total (u64)   |
    +--------+---------+---------+-------------------------------------+
    | 128: intent i64  (a cache line of its own)                       |
    | 192: cursor i64  (a cache line of its own)                       |
    | 256: board_rows, state, heartbeat_ns i64                         |
    | 320: counters u64 × 16                                           |
    +------------------------------------------------------------------+
    | ticks        capacity × 64        record of sequence s at s % capacity
    | links        capacity × 4         how far back the same instrument's previous tick lies; 0: none
    | depth        depth_capacity × 128 depth of sequence s at s % depth_capacity
    | board meta   rows × 16            version u32 | token u32 | next sequence i64
    | board ticks  rows × 64            latest record of each instrument
    | board depth  rows × 128           latest depth of each instrument
    +------------------------------------------------------------------+

``cursor`` counts the ticks published, ``intent`` the ticks that may be in the middle of being written: the writer
raises ``intent``, writes, then raises ``cursor``. A reader copies first and asks ``intent`` afterwards: what lies below
``intent - capacity`` may have been overwritten while it copied, and is lost to it. A board row is guarded by its
version, odd while it is written (a seqlock). Depth has a capacity of its own, because 128 bytes a tick for the full
length of the ring would be two thirds of the memory and only a reader far behind would ever see them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE

MAGIC: Final = b"KITERING"
VERSION: Final = 1
HEADER_BYTES: Final = 4096
PAGE_BYTES: Final = 4096

INTENT_OFFSET: Final = 128
CURSOR_OFFSET: Final = 192
BOARD_ROWS_OFFSET: Final = 256
STATE_OFFSET: Final = 264
HEARTBEAT_OFFSET: Final = 272
COUNTERS_OFFSET: Final = 320

STATE_LIVE: Final = 0
STATE_CLOSED: Final = 1

DAMAGE: Final = ("empty", "truncated", "missing", "unknown_length", "trailing")
"""Of the counters those of messages that couldn't be read whole."""
COUNTERS: Final = ("frames", "bytes", "ticks", "heartbeats", *DAMAGE, "off_board")
"""What the writer counts, in the order it stands. ``off_board``: ticks of instruments the board has no row for."""

HEADER_DTYPE: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("header_bytes", "<u4"),
        ("capacity", "<u8"),
        ("depth_capacity", "<u8"),
        ("board_capacity", "<u8"),
        ("ticks_offset", "<u8"),
        ("links_offset", "<u8"),
        ("depth_offset", "<u8"),
        ("meta_offset", "<u8"),
        ("board_ticks_offset", "<u8"),
        ("board_depth_offset", "<u8"),
        ("total_bytes", "<u8"),
        ("created_ns", "<i8"),
        ("writer_pid", "<u4"),
    ]
)

META_DTYPE: Final = np.dtype([("version", "<u4"), ("token", "<u4"), ("next_sequence", "<i8")])

NO_TICK: Final = -1
NOT_WHOLE: Final = -2
"""A board snapshot's words for a row: an instrument that had no tick yet, and one whose row could not be read whole."""

DEFAULT_BOARD_CAPACITY: Final = 16_384
"""Instruments of one ring's life: the broker's limit of 9,000 at once, and room for a day's changes."""

MIN_CAPACITY: Final = 64
DEPTH_SHARE: Final = 8
"""Depth is kept for the newest eighth of the ring."""


@dataclass(frozen=True, slots=True)
class RingLayout:
    """Where the parts of a ring stand. Capacities are powers of two, so that a sequence finds its slot by a mask."""

    capacity: int
    depth_capacity: int
    board_capacity: int

    @classmethod
    def of(cls, size: int, board_capacity: int = DEFAULT_BOARD_CAPACITY) -> RingLayout:
        """The layout for at least ``size`` ticks: rounded up to a power of two."""
        capacity = round_up(size)
        return cls(capacity, max(MIN_CAPACITY, capacity // DEPTH_SHARE), round_up(board_capacity))

    @property
    def ticks_offset(self) -> int:
        return HEADER_BYTES

    @property
    def links_offset(self) -> int:
        return _page(self.ticks_offset + self.capacity * TICK_DTYPE.itemsize)

    @property
    def depth_offset(self) -> int:
        return _page(self.links_offset + self.capacity * 4)

    @property
    def meta_offset(self) -> int:
        return _page(self.depth_offset + self.depth_capacity * DEPTH_DTYPE.itemsize)

    @property
    def board_ticks_offset(self) -> int:
        return _page(self.meta_offset + self.board_capacity * META_DTYPE.itemsize)

    @property
    def board_depth_offset(self) -> int:
        return _page(self.board_ticks_offset + self.board_capacity * TICK_DTYPE.itemsize)

    @property
    def total_bytes(self) -> int:
        return _page(self.board_depth_offset + self.board_capacity * DEPTH_DTYPE.itemsize)


def round_up(size: int) -> int:
    """The power of two at or above ``size``, at least ``MIN_CAPACITY``."""
    return max(MIN_CAPACITY, 1 << (size - 1).bit_length())


def _page(offset: int) -> int:
    return -(-offset // PAGE_BYTES) * PAGE_BYTES


assert HEADER_DTYPE.itemsize <= INTENT_OFFSET
assert META_DTYPE.itemsize == 16
