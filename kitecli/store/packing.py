"""A stretch of a segment made small, and back to the byte. Sans I/O.

What lies far apart in a file and is alike is put side by side: heads by column, the packets of one length word by word,
each less a word of its own packet that moves with it, and that less the same instrument's packet before. What is left
is small, and takes as many bits as it needs (``bits.py``): no entropy coder comes near the speed of undoing that.

Whatever doesn't fit the picture (damaged messages, lengths nobody knows, a record that goes beyond the stretch) is kept
in zlib as it is. Who packs looks whether it comes back the same, so that a mistake here costs room and nothing else.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError
from kitecli.store.bits import Words
from kitecli.store.layout import FRAME, RECORD_BYTES
from kitecli.store.log import put_column, scan, unpack_columns
from kitecli.store.scanning import Place
from kitecli.store.words import foretold, ranked

PLAIN: Final = 0
COLUMNS: Final = 1
LEVEL: Final = 6
HEAD: Final = struct.Struct("<BI")
PARTS: Final = struct.Struct("<III")
_WORD: Final = 4

Numbers = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def pack(data: bytes, lead: int, place: Place | None, seed: int) -> bytes:
    """``data`` smaller. Its records begin behind ``lead`` bytes, at ``place``; None where it isn't known."""
    packed = _in_columns(data, lead, place, seed) if place is not None else None
    if packed is not None and unpack(packed) == data:
        return packed
    return HEAD.pack(PLAIN, len(data)) + zlib.compress(data, LEVEL)


def unpack(packed: bytes | memoryview) -> bytes:
    """What was packed, byte for byte. Raises :class:`DataError` for what never was."""
    try:
        method, size = HEAD.unpack_from(packed)
        if method == PLAIN:
            return zlib.decompress(packed[HEAD.size :], bufsize=size)
        records, lead, zipped = PARTS.unpack_from(packed, HEAD.size)
        at = HEAD.size + PARTS.size
        verbatim = zlib.decompress(packed[at : at + zipped])
        return unpack_columns(memoryview(packed)[at + zipped :], verbatim, lead, records, size)
    except (zlib.error, struct.error, ValueError, IndexError) as error:
        raise DataError("A packed part can't be unpacked", why=str(error)) from error


def _in_columns(data: bytes, lead: int, place: Place, seed: int) -> bytes | None:
    """A stretch of whole records; None where it is none."""
    records = data[lead:]
    found = scan(records, place, seed)
    if found.place.offset != place.offset + len(records) or not found.rows.size:
        return None
    raw = np.frombuffer(records, np.uint8)
    packets = _Packets(raw, found.rows)
    rest = found.rows[~packets.clean]
    ends = rest["at"] + rest["length"]
    pieces = [records[at:end] for at, end in zip(rest["at"], ends, strict=True)]
    verbatim = zlib.compress(b"".join((data[:lead], *pieces)), LEVEL)
    columns = [*_of_heads(raw, found.rows, len(records)), packets.clean, packets.counts, packets.sizes]
    parts = [HEAD.pack(COLUMNS, len(data)), PARTS.pack(found.rows.size, lead, len(verbatim)), verbatim]
    return b"".join((*parts, *(put_column(column.astype(np.uint32)) for column in columns), *packets.matrices()))


def _of_heads(raw: Bytes, rows: NDArray[np.void], size: int) -> list[Numbers | Words]:
    """By fields: zeros behind the record's own, length, connection and kind, stamp since the one before, number
    likewise, checksum."""
    starts, lengths = rows["at"] - RECORD_BYTES, rows["length"].astype(np.int64)
    heads = np.ascontiguousarray(raw[starts[:, None] + np.arange(RECORD_BYTES)]).view("<u4")
    after = np.append(starts[1:], size) - starts - _rooms(lengths)
    kinds = heads[:, 1] ^ np.uint32(FRAME)
    received: Numbers = rows["ts_recv_ns"].astype(np.int64)
    stamps: Numbers = np.append(received[:1], received[1:] - received[:-1])
    folded = (stamps << 1 ^ stamps >> 63).view(np.uint64)
    return [
        after,
        lengths,
        kinds >> np.uint32(8) | kinds << np.uint32(24),
        (folded & np.uint64(0xFFFFFFFF)).astype(np.uint32),
        (folded >> np.uint64(32)).astype(np.uint32),
        np.diff(heads[:, 4], prepend=np.uint32(0)),
        heads[:, 5],
    ]


class _Packets:
    """The packets of all messages that are nothing but packets; ``clean``: which records these are."""

    def __init__(self, raw: Bytes, rows: NDArray[np.void]) -> None:
        self._raw = raw
        at, ends = rows["at"].astype(np.int64), (rows["at"] + rows["length"]).astype(np.int64)
        candidate = (rows["kind"] == FRAME) & (rows["length"] >= 8)
        counts = np.where(candidate, _be16(raw, np.where(candidate, at, 0)), 0)
        self.clean, offsets, sizes, owners = self._walk(at, ends, counts)
        kept = self.clean[owners]
        self.counts, self._offsets, self.sizes = counts[self.clean], offsets[kept], sizes[kept]

    def _walk(self, at: Numbers, ends: Numbers, counts: Numbers) -> tuple[NDArray[np.bool_], Numbers, Numbers, Numbers]:
        """Packet after packet, of all messages at once: whether each comes out even, and where its packets are."""
        cursor, clean = at + 2, counts > 0
        found: list[tuple[Numbers, Numbers, Numbers]] = [(at[:0], at[:0], at[:0])]
        for number in range(int(counts.max())):
            active = np.flatnonzero(clean & (counts > number))
            if not active.size:
                break
            inside = cursor[active] + 2 <= ends[active]
            clean[active[~inside]] = False
            active = active[inside]
            sizes = _be16(self._raw, cursor[active])
            fits = (cursor[active] + 2 + sizes <= ends[active]) & (sizes >= 8) & (sizes % _WORD == 0)
            clean[active[~fits]] = False
            active, sizes = active[fits], sizes[fits]
            found.append((active, cursor[active] + 2, sizes))
            cursor[active] += 2 + sizes
        clean &= cursor == ends
        owners, offsets, lengths = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort(offsets, kind="stable")
        return clean, offsets[order], lengths[order], owners[order]

    def matrices(self) -> list[bytes]:
        """The packets of each length: how many instruments, their tokens, whose each packet is, and its words."""
        found = []
        for size in np.unique(self.sizes):
            places = self._offsets[self.sizes == size]
            packets = np.ascontiguousarray(self._raw[places[:, None] + np.arange(int(size))])
            words = packets.view(">u4").astype(np.uint32)
            tokens, owners = np.unique(words[:, 0], return_inverse=True)
            columns = ranked(foretold(words, int(size)), owners)
            steps = np.diff(tokens, prepend=np.uint32(0))
            each = [steps, owners.astype(np.uint32), *columns]
            found.append(struct.pack("<I", tokens.size) + b"".join(map(put_column, each)))
        return found


def _rooms(lengths: Numbers) -> Numbers:
    return (lengths + RECORD_BYTES + 7) & ~7


def _be16(raw: Bytes, places: Numbers) -> Numbers:
    return raw[places].astype(np.int64) << 8 | raw[places + 1]
