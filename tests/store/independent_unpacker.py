"""Packed segments unpacked in plain Python, written from docs/format.md alone: nothing of kitecli is imported."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator

MODULUS = 1 << 32
LESS = {28: dict.fromkeys((2, 3, 4, 5), 1), 44: dict.fromkeys((3, 7, 8, 9, 10), 1)}
LESS[32] = LESS[28]
LESS[184] = LESS[44] | {15: 11, 17: 1, 32: 1} | {word: word - 3 for word in (20, 23, 26, 29, 35, 38, 41, 44)}
TURNED = range(18, 46, 3)


class Columns:
    """Columns, one after the other."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def bits(self, count: int, width: int) -> list[int]:
        size = (count * width + 7) // 8
        whole = int.from_bytes(self.raw[self.at : self.at + size], "little")
        self.at += size
        return [whole >> width * at & (1 << width) - 1 for at in range(count)]

    def take(self, count: int) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            size = min(128, count - len(found))
            width, exceptions = self.raw[self.at : self.at + 2]
            self.at += 2
            group = self.bits(size, width)
            if exceptions:
                rest, *places = self.raw[self.at : self.at + 1 + exceptions]
                self.at += 1 + exceptions
                for place, more in zip(places, self.bits(exceptions, rest), strict=True):
                    group[place] += more << width
            found += group
        return found

    def count(self) -> int:
        self.at += 4
        return int(struct.unpack_from("<I", self.raw, self.at - 4)[0])


def unfolded(number: int) -> int:
    return number >> 1 ^ -(number & 1)


def summed(steps: list[int], modulus: int) -> list[int]:
    total, sums = 0, []
    for step in steps:
        total = (total + step) % modulus
        sums.append(total)
    return sums


def packets_of(columns: Columns, count: int, length: int) -> Iterator[bytes]:
    """Packets of one length in the order received."""
    tokens = summed(columns.take(columns.count()), MODULUS)
    owners = columns.take(count)
    firsts = [owners.index(owner) for owner in range(len(tokens))]
    others = sorted(set(range(count)) - set(firsts), key=lambda packet: (owners[packet], packet))
    words = [[tokens[owner] for owner in owners]]
    for _ in range(length // 4 - 1):
        steps, column, last = columns.take(count), [0] * count, dict[int, int]()
        for step, packet in zip(steps, [*firsts, *others], strict=True):
            owner = owners[packet]
            former = last.get(owner, last.get(owner - 1, 0))
            column[packet] = last[owner] = (former + unfolded(step)) % MODULUS
        words.append(column)
    for row in zip(*words, strict=True):
        packet = list(row)
        for word in range(len(packet)):
            if length == 184 and word in TURNED:
                packet[word] = packet[word] << 16 & 0xFFFF0000 | packet[word] >> 16
            if word in LESS.get(length, {}):
                packet[word] = (packet[word] + packet[LESS[length][word]]) % MODULUS
        yield struct.pack(f">{length // 4}I", *packet)


def stretch_of(packed: bytes) -> bytes:
    method, size = struct.unpack_from("<BI", packed)
    if method == 0:
        return zlib.decompress(packed[5:])
    records, lead, zipped = struct.unpack_from("<III", packed, 5)
    verbatim = zlib.decompress(packed[17 : 17 + zipped])
    whole = verbatim[:lead] + b"".join(records_of(Columns(packed[17 + zipped :]), records, verbatim[lead:]))
    assert len(whole) == size
    return whole


def records_of(columns: Columns, records: int, verbatim: bytes) -> Iterator[bytes]:
    zeros, lengths, kinds, low, high, numbers, crcs, apart = (columns.take(records) for _ in range(8))
    counts = columns.take(sum(apart))
    sizes = columns.take(sum(counts))
    packets = {size: iter(list(packets_of(columns, sizes.count(size), size))) for size in sorted(set(sizes))}
    stamps = summed([unfolded(a | b << 32) for a, b in zip(low, high, strict=True)], 1 << 64)
    rest, message, each = io.BytesIO(verbatim), iter(counts), iter(sizes)
    rows = zip(zeros, lengths, kinds, stamps, summed(numbers, MODULUS), crcs, apart, strict=True)
    for more, length, kind, stamp, number, crc, taken_apart in rows:
        yield struct.pack("<IIQII", length, (kind << 8 & 0xFFFFFF00 | kind >> 24) ^ 1, stamp, number, crc)
        if taken_apart:
            count = next(message)
            yield struct.pack(">H", count)
            for size in (next(each) for _ in range(count)):
                yield struct.pack(">H", size) + next(packets[size])
        else:
            yield rest.read(length)
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
