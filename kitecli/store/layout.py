"""A recording's files, drawn; docs/format.md says the same to those who write a reader of their own. Little-endian.

Segment::

    0                 header_bytes                 BLOCK_BYTES                  2 * BLOCK_BYTES
    +-----------------+----------------------------+------+---------------------+------+-----
    | header          | records …          | pad   | mark | records …   | pad   | mark | …
    +-----------------+----------------------------+------+---------------------+------+-----

Header::

    0       8         12             16      20        24           32             40           48
    +-------+---------+--------------+-------+---------+------------+--------------+------------+
    | magic | version | header_bytes | day   | segment | created_ns | first_record | former_end |
    | 8 B   | u32     | u32          | u32   | u32     | i64        | u64          | u64        |
    +-------+---------+--------------+-------+---------+------------+--------------+------------+
    48        56            60           64                  96    100    104              header_bytes
    +---------+-------------+------------+-------------------+-----+------+-----------------+
    | high_ns | block_bytes | json_bytes | SHA-256 of master | crc | zero | JSON, zeros     |
    | i64     | u32         | u32        | 32 B              | u32 | u32  |                 |
    +---------+-------------+------------+-------------------+-----+------+-----------------+

Record, at a multiple of 8::

    0        4      5            6      8            16       20    24
    +--------+------+------------+------+------------+--------+-----+---------+-------+
    | length | kind | connection | zero | ts_recv_ns | number | crc | payload | zeros |
    | u32    | u8   | u8         | u16  | i64        | u32    | u32 | length  | to 8  |
    +--------+------+------------+------+------------+--------+-----+---------+-------+

``crc`` is zlib's CRC-32 of the 20 bytes before it and the payload, begun with the header's ``crc``: a record of another
segment never passes for one of this. It costs nothing that matters (docs/format.md has the figures) and every language
has it at hand, which can't be said of CRC-32C.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np

MAGIC: Final = b"KITESEG\n"
VERSION: Final = 1
BLOCK_BYTES: Final = 1 << 20
"""A seek reads a handful of marks and scans one block; padding is half a message a block."""
MAX_PAYLOAD: Final = 1 << 26
"""A length above it is damage. Three thousand full packets, the most a connection carries, are 558,002 bytes."""

HEADER: Final = struct.Struct("<8sIIIIqQQqII32sII")
HEADER_CRC_AT: Final = 96
RECORD: Final = struct.Struct("<IBBHqII")
RECORD_CRC_AT: Final = 20
RECORD_BYTES: Final = 24

FRAME: Final = 1
SUBSCRIBED: Final = 2
GAP: Final = 3
CLOCK: Final = 4
TIMER: Final = 5
UNRECORDED: Final = 6
PLACED: Final = 7
STREAMING: Final = 8
MARK: Final = 64
PAD: Final = 65
END: Final = 66
LOST: Final = 67

FIRST_STRUCTURAL: Final = 64
"""Kinds from here on hold the file together: they take no number of their own, theirs is the next record's."""

MARK_PAYLOAD: Final = struct.Struct("<Q")
MARK_BYTES: Final = RECORD_BYTES + MARK_PAYLOAD.size
END_PAYLOAD: Final = struct.Struct("<QQ")
END_BYTES: Final = RECORD_BYTES + END_PAYLOAD.size
LOST_PAYLOAD: Final = struct.Struct("<QqqQ")

ROW_DTYPE: Final = np.dtype(
    [
        ("ts_recv_ns", "<i8"),
        ("at", "<i8"),  # of the payload, in the bytes that were scanned
        ("length", "<u4"),
        ("number", "<u4"),  # in the segment
        ("kind", "u1"),
        ("connection", "u1"),
        ("zero", "u1", (6,)),
    ]
)
"""A record found by a scan."""

assert HEADER.size == HEADER_CRC_AT + 8
assert RECORD.size == RECORD_BYTES
assert ROW_DTYPE.itemsize == 32


def room_of(length: int) -> int:
    """The bytes a record with a payload of ``length`` takes."""
    return (RECORD_BYTES + length + 7) & ~7


def left_in_block(position: int, block_bytes: int = BLOCK_BYTES) -> int:
    """The bytes from ``position`` to the next multiple of a block, a whole block at one."""
    return block_bytes - position % block_bytes


def encode_record(kind: int, number: int, ts_ns: int, payload: bytes, seed: int, connection: int = 0) -> bytes:
    """One record with its checksum and its zeros."""
    head = RECORD.pack(len(payload), kind, connection, 0, ts_ns, number, 0)[:RECORD_CRC_AT]
    crc = zlib.crc32(payload, zlib.crc32(head, seed))
    return (head + crc.to_bytes(4, "little") + payload).ljust(room_of(len(payload)), b"\0")
