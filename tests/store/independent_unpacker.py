"""Packed segments unpacked in plain Python, written from docs/format.md alone: nothing of kitecli is imported."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator

U16, U32, U64 = 2, 4, 8


def by_bytes(stream: bytes, width: int, columns: int = 1) -> list[list[int]]:
    """The columns of a matrix kept by bytes."""
    rows = len(stream) // (width * columns)
    planes = [stream[at * rows : (at + 1) * rows] for at in range(width * columns)]
    return [
        [sum(planes[column * width + byte][row] << 8 * byte for byte in range(width)) for row in range(rows)]
        for column in range(columns)
    ]


def summed(steps: list[int], modulus: int) -> list[int]:
    total, sums = 0, []
    for step in steps:
        total = (total + step) % modulus
        sums.append(total)
    return sums


def packets_of(stream: bytes, length: int) -> Iterator[bytes]:
    """Packets of one length in the order received."""
    tokens, *folded = by_bytes(stream, U32, length // 4)
    order = sorted(range(len(tokens)), key=lambda row: tokens[row])
    words = [[0] * len(tokens) for _ in folded]
    for column, steps in enumerate(folded):
        former = None
        for place, row in enumerate(order):
            step = steps[place] >> 1 ^ -(steps[place] & 1)
            above = words[column][former] if former is not None and tokens[former] == tokens[row] else 0
            words[column][row] = (above + step) % (1 << 32)
            former = row
    for row, token in enumerate(tokens):
        yield struct.pack(f">{length // 4}I", token, *(column[row] for column in words))


def stretch_of(packed: bytes) -> bytes:
    method, size = struct.unpack_from("<BI", packed)
    content = zlib.decompress(packed[5:])
    if method == 0:
        return content
    (count,) = struct.unpack_from("<I", content)
    at, streams = 4 + 4 * count, []
    for length in struct.unpack_from(f"<{count}I", content, 4):
        streams.append(content[at : at + length])
        at += length
    whole = b"".join(pieces_of(streams))
    assert len(whole) == size
    return whole


def pieces_of(streams: list[bytes]) -> Iterator[bytes]:
    lead, zeros, *heads, apart, rest, counts, lengths = streams[:11]
    yield lead
    records = zip(
        by_bytes(zeros, U32)[0],
        by_bytes(heads[0], U32)[0],
        by_bytes(heads[1], U32)[0],
        summed(by_bytes(heads[2], U64)[0], 1 << 64),
        summed(by_bytes(heads[3], U32)[0], 1 << 32),
        by_bytes(heads[4], U32)[0],
        apart,
        strict=True,
    )
    packet_lengths = iter(by_bytes(lengths, U16)[0])
    packets = {
        length: packets_of(stream, length)
        for length, stream in zip(sorted(set(by_bytes(lengths, U16)[0])), streams[11:], strict=True)
    }
    packet_counts, at = iter(by_bytes(counts, U16)[0]), 0
    for more, length, kind, stamp, number, crc, taken_apart in records:
        yield struct.pack("<IIQII", length, kind, stamp, number, crc)
        if taken_apart:
            count = next(packet_counts)
            yield struct.pack(">H", count)
            for _ in range(count):
                size = next(packet_lengths)
                yield struct.pack(">H", size) + next(packets[size])
        else:
            yield rest[at : at + length]
            at += length
        yield bytes(-(24 + length) % 8 + more)


def unpacked(raw: bytes) -> bytes:
    """The segment in a packed file."""
    magic, version, _ = struct.unpack_from("<8sII", raw)
    assert (magic, version) == (b"KITEPAK\n", 1)
    trailer = raw[-76:]
    size, digest, index_at, index_bytes = struct.unpack_from("<Q32sQI", trailer)
    index = raw[index_at : index_at + index_bytes]
    assert zlib.crc32(index, zlib.crc32(trailer[:68])) == struct.unpack_from("<I", trailer, 68)[0]
    table = zlib.decompress(index)
    (count,) = struct.unpack_from("<I", table)
    parts = [struct.unpack_from("<QII", table, 4 + 16 * at) for at in range(count)]
    whole = b"".join(stretch_of(raw[at : at + length]) for at, length, _ in parts)
    assert len(whole) == size
    assert hashlib.sha256(whole).digest() == digest
    return whole
