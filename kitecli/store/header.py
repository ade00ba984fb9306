"""A segment's header: whose records these are, and how they go on from the segment before. Sans I/O."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Final

from kitecli.errors import DataError, RecordingDamaged
from kitecli.store.layout import BLOCK_BYTES, HEADER, HEADER_CRC_AT, MAGIC, VERSION

MAX_HEADER_BYTES: Final = 1 << 16
NO_MASTER: Final = bytes(32)


@dataclass(frozen=True)
class SegmentHeader:
    """What a segment says before its first record.

    ``segment`` counts the day's files from 1. ``first_record``: the day's records before it. ``former_end``: what the
    segment before was believed to reach; beyond ``first_record`` where records were written a second time, after a
    disk's error. ``high_ns``: the latest stamp before it in the day. ``master``: SHA-256 of the day's instrument
    master as served, zeros where there was none. ``about``: JSON for people: clock, connections, settings, writer.
    """

    day: date
    segment: int
    created_ns: int
    first_record: int = 0
    former_end: int = 0
    high_ns: int = 0
    master: bytes = NO_MASTER
    about: Mapping[str, object] = field(default_factory=dict)

    @cached_property
    def encoded(self) -> bytes:
        text = json.dumps(self.about, separators=(",", ":"), sort_keys=True).encode()
        size = (HEADER.size + len(text) + 7) & ~7
        if size > MAX_HEADER_BYTES:
            raise DataError("A segment's header is too long", why=f"{size:,} bytes, of at most {MAX_HEADER_BYTES:,}")
        fixed = (MAGIC, VERSION, size, _packed(self.day), self.segment, self.created_ns, self.first_record)
        rest = (self.former_end, self.high_ns, BLOCK_BYTES, len(text), self.master)
        raw = bytearray((HEADER.pack(*fixed, *rest, 0, 0) + text).ljust(size, b"\0"))
        raw[HEADER_CRC_AT : HEADER_CRC_AT + 4] = _crc(raw).to_bytes(4, "little")
        return bytes(raw)

    @property
    def seed(self) -> int:
        """What every record's checksum begins with."""
        return int.from_bytes(self.encoded[HEADER_CRC_AT : HEADER_CRC_AT + 4], "little")


def parse_header(raw: bytes, name: str) -> SegmentHeader:
    """The header at the start of ``raw``, which holds all of it; ``name`` is the file's, for what is said of it.

    :raises RecordingDamaged: cut short, or a checksum that doesn't fit.
    :raises DataError: no segment, or another version's.
    """
    if raw[: len(MAGIC)] != MAGIC[: len(raw)] or not raw:
        raise DataError(f"{name} is no recording's segment", why="it doesn't start as one")
    if len(raw) < HEADER.size:
        raise _damaged(name, f"it is cut short at {len(raw)} bytes")
    parts = HEADER.unpack_from(raw)
    _, version, size, day, segment, created_ns, first, former_end, high_ns, block_bytes, json_bytes, master, crc, _ = (
        parts
    )
    if version != VERSION:
        raise DataError(
            f"{name} was written by another version of kite",
            why=f"format version {version}, this kite reads {VERSION}",
            hint="read it with a kite that knows this version",
        )
    if not HEADER.size <= size <= min(len(raw), MAX_HEADER_BYTES) or _crc(raw[:size]) != crc:
        raise _damaged(name, "its header's checksum doesn't fit")
    if block_bytes != BLOCK_BYTES:
        raise DataError(f"{name} has blocks of {block_bytes:,} bytes", why=f"version {VERSION} has {BLOCK_BYTES:,}")
    about = json.loads(raw[HEADER.size : HEADER.size + json_bytes])
    return SegmentHeader(_unpacked(day), segment, created_ns, first, former_end, high_ns, master, about)


def _crc(raw: bytes | bytearray) -> int:
    return zlib.crc32(raw[HEADER_CRC_AT + 4 :], zlib.crc32(raw[:HEADER_CRC_AT]))


def _packed(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _unpacked(day: int) -> date:
    return date(day // 10_000, day // 100 % 100, day % 100)


def _damaged(name: str, why: str) -> RecordingDamaged:
    return RecordingDamaged(f"{name} is damaged", why=why, hint="kite data salvage keeps what is whole")
