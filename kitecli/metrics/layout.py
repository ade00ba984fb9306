"""The memory of one slot of figures, drawn. Little-endian. The feed has one, and each reader with a seat.

::

    0                                                                   HEADER_BYTES
    +--------+---------+--------+----------------------------+------------------------------+
    | magic  | version | header | counters, stages, cells    | 128: the counters' names, a  |
    | 8 B    | u32     | u32    | (u32 each), total, created | space between two; a newline;|
    |        |         |        | (u64), pid, names (u32)    | the stages' names            |
    +--------+---------+--------+----------------------------+------------------------------+
    | counters     i64 × counters, padded to 64 bytes
    | stages       i64 × cells each, as histogram.py draws them
    +---------------------------------------------------------------------------------------+

The names stand in the file, so that a reader of another version of kite finds what it knows. Each slot has one writer;
readers copy aligned 64-bit numbers, of which none is ever half written.

A feed's slot is ``<ring>.metrics``, that of the reader in seat 7 ``<ring>.metrics.07``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

MAGIC: Final = b"KITESLOT"
VERSION: Final = 1
HEADER_BYTES: Final = 8192
NAMES_OFFSET: Final = 128
ALIGNED_BYTES: Final = 64

HEADER_DTYPE: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("header_bytes", "<u4"),
        ("counters", "<u4"),
        ("stages", "<u4"),
        ("cells", "<u4"),
        ("names_bytes", "<u4"),
        ("total_bytes", "<u8"),
        ("created_ns", "<i8"),
        ("writer_pid", "<u4"),
    ]
)

LINES: Final = 8
"""Connections that are counted one by one; the broker allows three."""
LINE_COUNTERS: Final = (
    "frames",
    "bytes",
    "ticks",
    "state",
    "since_ns",
    "instruments",
    "attempts",
    "connects",
    "gaps",
    "rtt_ns",
    "last_frame_ns",
    "last_tick_ns",
)
"""Of one connection; the pass counts the first three itself, at their places. ``state``: its place in the order of
:class:`~kitecli.feed.liveness.State`."""
TIMED_EACH: Final = 8
"""Of the messages with ticks, one in so many is timed to its publication. Reading the clock takes 50 ns: of each
message that would be 2.5 % of what a small one costs the feed in all, of one in eight it is 0.5 %."""
UNKNOWN: Final = -1
"""What a figure is that isn't known."""


def line_counter(line: int, name: str) -> str:
    """What the counter of a connection is called."""
    return f"connection.{line}.{name}"


GATEWAY_COUNTERS: Final = (
    *(line_counter(line, name) for line in range(LINES) for name in LINE_COUNTERS),
    "looked_ns",
    "connections",
    "connections_up",
    "instruments",
    "clients",
    "gaps",
    "gaps_open",
    "reconnects",
    "buffer_lag",
    "clock_offset_ns",
    "clock_uncertainty_ns",
    "recording",
    "recorded",
    "recorded_on_disk",
    "recorded_bytes",
    "unrecorded",
    "recorder_waiting_bytes",
)
"""What only the feed's process knows; what the pass counts stands in the ring. docs/stats.md explains each.

``looked_ns``: when those below it were brought up to date. ``buffer_lag``: ticks the slowest reader is behind."""

READER_COUNTERS: Final = ("passed_over",)
"""What a seat doesn't tell of its reader."""


def slot_path(ring: Path) -> Path:
    """The feed's slot beside its ring."""
    return ring.with_suffix(".metrics")


def reader_path(ring: Path, seat: int) -> Path:
    """The slot of the reader in that seat."""
    return ring.with_suffix(f".metrics.{seat:02d}")


assert HEADER_DTYPE.itemsize <= NAMES_OFFSET
assert NAMES_OFFSET + len(" ".join(GATEWAY_COUNTERS)) < HEADER_BYTES - 1024
