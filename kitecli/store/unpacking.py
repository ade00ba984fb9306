"""Columns back into a segment's bytes: the reference of the compiled one, and what docs/format.md says in code."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.store.bits import Words, take_column_in_python
from kitecli.store.layout import FRAME, RECORD_BYTES
from kitecli.store.words import told, unranked

_COUNT: Final = struct.Struct("<I")

Numbers = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def unpack_columns_in_python(content: memoryview, verbatim: bytes, lead: int, records: int, size: int) -> bytes:
    """``size`` bytes of a segment: ``lead`` of them stand before the first of ``records``.

    ``content``: the columns; ``verbatim``: what stands before, and payloads as they are.
    Raises ValueError or IndexError for what never was packed.
    """
    columns = _Columns(content)
    after, lengths, kinds, low, high, numbers, checksums, apart = (columns.take(records) for _ in range(8))
    data = np.zeros(size, np.uint8)
    data[:lead] = np.frombuffer(verbatim, np.uint8, lead)
    sizes = lengths.astype(np.int64)
    rooms = ((sizes + RECORD_BYTES + 7) & ~7) + after
    if lead + int(rooms.sum()) != size:
        raise ValueError("records that don't make up the stretch")
    starts = lead + np.cumsum(rooms) - rooms
    heads = np.stack([lengths, _kinds(kinds), *_stamps(low, high), np.cumsum(numbers, dtype=np.uint32), checksums], 1)
    data[starts[:, None] + np.arange(RECORD_BYTES)] = heads.astype("<u4").view(np.uint8)
    whole = apart.astype(np.bool_)
    _put_verbatim(data, starts[~whole] + RECORD_BYTES, sizes[~whole], verbatim[lead:])
    _put_packets(data, starts[whole] + RECORD_BYTES, sizes[whole], columns)
    return data.tobytes()


class _Columns:
    """Columns, one after the other."""

    def __init__(self, content: memoryview) -> None:
        self._content, self._at = content, 0

    def take(self, count: int) -> Words:
        column, self._at = take_column_in_python(self._content, self._at, count)
        return column

    def count(self) -> int:
        (count,) = _COUNT.unpack_from(self._content, self._at)
        self._at += _COUNT.size
        return int(count)


def _kinds(turned: Words) -> Words:
    return (turned << np.uint32(8) | turned >> np.uint32(24)) ^ np.uint32(FRAME)


def _stamps(low: Words, high: Words) -> tuple[Words, Words]:
    """The lower and the upper words of the stamps."""
    folded = low.astype(np.uint64) | high.astype(np.uint64) << np.uint64(32)
    steps = folded >> np.uint64(1) ^ np.negative(folded & np.uint64(1))
    stamps = np.cumsum(steps, dtype="<u8").view("<u4").reshape(-1, 2)
    return stamps[:, 0], stamps[:, 1]


def _put_verbatim(data: Bytes, places: Numbers, lengths: Numbers, content: bytes) -> None:
    at = 0
    for place, length in zip(places.tolist(), lengths.tolist(), strict=True):
        data[place : place + length] = np.frombuffer(content, np.uint8, length, at)
        at += length


def _put_packets(data: Bytes, places: Numbers, lengths: Numbers, columns: _Columns) -> None:
    counts = columns.take(places.size).astype(np.int64)
    sizes = columns.take(int(counts.sum())).astype(np.int64)
    before = np.cumsum(sizes + 2) - sizes - 2
    first = np.cumsum(counts) - counts
    if places.size and not (2 + np.add.reduceat(sizes + 2, first) == lengths).all():
        raise ValueError("packets that don't make up their messages")
    owners = np.repeat(np.arange(counts.size), counts)
    offsets = places[owners] + 2 + before - before[first[owners]]
    _put_be16(data, places, counts)
    _put_be16(data, offsets, sizes)
    for size in np.unique(sizes).tolist():
        rows = offsets[sizes == size] + 2
        data[rows[:, None] + np.arange(size)] = _packets(rows.size, size, columns).astype(">u4").view(np.uint8)


def _packets(count: int, size: int, columns: _Columns) -> Words:
    """(count, size / 4)"""
    tokens: Words = np.cumsum(columns.take(columns.count()), dtype=np.uint32)
    owners = columns.take(count).astype(np.int64)
    words = unranked([columns.take(count) for _ in range(size // 4 - 1)], owners)
    words[:, 0] = tokens[owners]
    return told(words, size)


def _put_be16(data: Bytes, places: Numbers, values: Numbers) -> None:
    data[places], data[places + 1] = values >> 8, values & 0xFF
