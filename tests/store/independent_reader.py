"""A reader of recordings written from docs/format.md alone: nothing of kitecli is imported."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 20
END, LOST, STRUCTURAL = 66, 67, 64


class NotReadable(Exception):
    """No segment, another version, or records that are lost."""


@dataclass
class Header:
    size: int
    day: int
    segment: int
    first_record: int
    high_ns: int
    master: bytes
    crc: int
    text: bytes


@dataclass
class Record:
    number: int
    kind: int
    connection: int
    ts_recv_ns: int
    payload: bytes


def read_header(raw: bytes) -> Header:
    if raw[:8] != b"KITESEG\n":
        raise NotReadable("no segment")
    version, size, day, segment = struct.unpack_from("<IIII", raw, 8)
    if version != 1:
        raise NotReadable(f"version {version}")
    _, first_record, _, high_ns, block, json_bytes = struct.unpack_from("<qQQqII", raw, 24)
    crc = struct.unpack_from("<I", raw, 96)[0]
    if zlib.crc32(raw[:96] + raw[100:size]) != crc or block != BLOCK:
        raise NotReadable("damaged header")
    return Header(size, day, segment, first_record, high_ns, raw[64:96], crc, raw[104 : 104 + json_bytes])


def read_segment(raw: bytes, header: Header) -> Iterator[Record]:
    """The records that count, with the day's numbers; ends where they do."""
    at, expected = header.size, 0
    while True:
        if BLOCK - at % BLOCK < 24:
            at += BLOCK - at % BLOCK
        if at + 24 > len(raw):
            return
        length, kind, connection, zero, ts, number, crc = struct.unpack_from("<IBBHqII", raw, at)
        payload = raw[at + 24 : at + 24 + length]
        whole = zero == 0 and number == expected and len(payload) == length and kind
        if not whole or zlib.crc32(payload, zlib.crc32(raw[at : at + 20], header.crc)) != crc:
            return
        if kind < STRUCTURAL:
            yield Record(header.first_record + number, kind, connection, ts, payload)
            expected += 1
        elif kind == LOST:
            expected = struct.unpack_from("<Q", payload)[0]
        elif kind == END:
            return
        at = (at + 24 + length + 7) // 8 * 8


def read_day(folder: Path) -> Iterator[Record]:
    """A day's records in their order, each once."""
    reached = 0
    for path in sorted(folder.glob("*.kseg"), key=lambda path: int(path.stem)):
        raw = path.read_bytes()
        header = read_header(raw)
        if header.first_record > reached:
            raise NotReadable(f"records {reached} to {header.first_record - 1} are lost")
        for record in read_segment(raw, header):
            if record.number >= reached:
                reached = record.number + 1
                yield record
