"""A segment's bytes into records: every checksum looked at, nothing believed before it. Sans I/O.

The reference of the compiled scan. Both return a row for each whole record, how far they came, and why not further.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.store.layout import (
    BLOCK_BYTES,
    CLOCK,
    END,
    FIRST_STRUCTURAL,
    FRAME,
    GAP,
    LOST,
    LOST_PAYLOAD,
    MARK,
    MARK_PAYLOAD,
    MAX_PAYLOAD,
    PAD,
    PLACED,
    RECORD,
    RECORD_BYTES,
    RECORD_CRC_AT,
    ROW_DTYPE,
    STREAMING,
    SUBSCRIBED,
    TIMER,
    UNRECORDED,
    left_in_block,
    room_of,
)

_WINDOW: Final = 1 << 20
_ZEROS: Final = (0,) * 6
KINDS: Final = (FRAME, SUBSCRIBED, GAP, CLOCK, TIMER, UNRECORDED, PLACED, STREAMING, MARK, PAD, END, LOST)


class Stop(IntEnum):
    """Why a scan came to its end."""

    SHORT = 0
    """The bytes are used up, or a record goes on beyond them."""
    BAD = 1
    """What stands here is no record of this segment, or not the next one."""
    ENDED = 2
    """The segment's last record: nothing follows."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scan stands: ``offset`` in the file, the ``number`` the next record must have, the latest stamp."""

    offset: int
    number: int
    high_ns: int


@dataclass(frozen=True, slots=True)
class Scan:
    """``rows``: (n,) ROW_DTYPE, structural records among them; ``at`` counts from the first byte scanned."""

    rows: NDArray[np.void]
    place: Place
    stop: Stop


def scan_in_python(data: bytes | memoryview, place: Place, seed: int) -> Scan:
    """The records of ``data``, whose first byte stands at ``place.offset`` of its segment's file."""
    rows: list[tuple[object, ...]] = []
    at, stop, here = 0, Stop.SHORT, place
    while stop is Stop.SHORT:
        left = left_in_block(here.offset)
        if left < RECORD_BYTES:
            at += left
            here = replace(here, offset=here.offset + left)
        if at + RECORD_BYTES > len(data):
            break
        length, kind, connection, zero, ts_ns, number, crc = RECORD.unpack_from(data, at)
        if zero or number != here.number or length > MAX_PAYLOAD or not kind:
            stop = Stop.BAD
            break
        room = room_of(length)
        if at + room > len(data):
            break
        if crc_of(data, at, length, seed) != crc:
            stop = Stop.BAD
            break
        rows.append((ts_ns, at + RECORD_BYTES, length, number, kind, connection, _ZEROS))
        following = _following(kind, number, data, at + RECORD_BYTES)
        at += room
        here = Place(place.offset + at, following, max(here.high_ns, ts_ns))
        if kind == END:
            stop = Stop.ENDED
    return Scan(np.array(rows, ROW_DTYPE), replace(here, offset=place.offset + min(at, len(data))), stop)


def crc_of(data: bytes | memoryview, at: int, length: int, seed: int) -> int:
    """What the checksum of the record at ``at`` should be."""
    view = memoryview(data)
    start = zlib.crc32(view[at : at + RECORD_CRC_AT], seed)
    return zlib.crc32(view[at + RECORD_BYTES : at + RECORD_BYTES + length], start)


def find_record(data: bytes | memoryview, place: Place, seed: int) -> Place | None:
    """The first whole record at or after ``place``, which is a multiple of 8: where damage ends; None where it doesn't.

    Its number may be any that records of 24 bytes could have reached.
    """
    for start in range(0, len(data) - RECORD_BYTES + 1, _WINDOW):
        for at in _likely(data, start, place.number):
            length, _, _, _, ts_ns, number, crc = RECORD.unpack_from(data, at)
            if crc_of(data, at, length, seed) == crc:
                return Place(place.offset + at, number, max(place.high_ns, ts_ns))
    return None


def _likely(data: bytes | memoryview, start: int, number: int) -> list[int]:
    """Where in a window a record may begin by the look of it: one word in millions that aren't one."""
    words = np.frombuffer(data, "<u4", (min(len(data), start + _WINDOW + RECORD_BYTES) - start) // 4, start)
    places = np.arange(0, words.size * 4 - RECORD_BYTES + 1, 8)
    lengths, kinds, numbers = words[places // 4], words[places // 4 + 1], words[places // 4 + 4]
    fits = (lengths <= MAX_PAYLOAD) & (start + places + RECORD_BYTES + lengths <= len(data))
    known = np.isin(kinds & 0xFF, KINDS) & (kinds >> 16 == 0)
    numbered = (numbers >= number) & (numbers <= number + (start + places) // RECORD_BYTES + 1)
    return [int(place) + start for place in places[fits & known & numbered]]


def synced_by(rows: NDArray[np.void], data: bytes | memoryview) -> int:
    """How much of the segment's file its marks and its end, as far as scanned, say is on disk."""
    marks = rows[(rows["kind"] == MARK) | (rows["kind"] == END)]
    return max((MARK_PAYLOAD.unpack_from(data, int(at))[0] for at in marks["at"]), default=0)


def _following(kind: int, number: int, data: bytes | memoryview, at: int) -> int:
    if kind == LOST:
        return int(LOST_PAYLOAD.unpack_from(data, at)[0])
    return number if kind >= FIRST_STRUCTURAL else number + 1


assert BLOCK_BYTES % 8 == 0
