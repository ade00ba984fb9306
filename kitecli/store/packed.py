"""An ended segment in a smaller file, read as if it were the segment itself: same bytes, same offsets.

::

    0        8         12              16                    index_at      end - 76
    +--------+---------+---------------+---------------------+-------------+---------+
    | magic  | version | stretch_bytes | stretches, packed   | index, zlib | trailer |
    | 8 B    | u32     | u32           | one after the other |             | 76 B    |
    +--------+---------+---------------+---------------------+-------------+---------+

    trailer:  u64 size of the segment | SHA-256 of it | u64 index_at | u32 index_bytes | 16 zeros | u32 crc | magic 4 B
    index:    u32 n, then n x (u64 offset, u32 size, u32 CRC-32 of the packed stretch)
              u32 bytes, then the segment's first that many | u32 n, then n x 32 bytes: what each block begins with
              u32 bytes, then the segment's last that many

The index repeats what a seek looks at, so that finding an instant unpacks one stretch. Where a stretch is damaged, that
is all that is known of it.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from kitecli.errors import DataError, RecordingDamaged
from kitecli.store.layout import BLOCK_BYTES, END_BYTES, MARK_BYTES
from kitecli.store.packing import pack, unpack
from kitecli.store.scanning import Place

MAGIC: Final = b"KITEPAK\n"
VERSION: Final = 1
STRETCH_BYTES: Final = BLOCK_BYTES
"""Of the simulator's full ticks, 10 a message: 45 bytes each at one block, 42 at two. A seek unpacks one."""
HEAD: Final = struct.Struct("<8sII")
TRAILER: Final = struct.Struct("<Q32sQI16xI4s")
_PART: Final = struct.Struct("<QII")
_COUNT: Final = struct.Struct("<I")
_FIRST_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class _Index:
    parts: tuple[tuple[int, int, int], ...]
    first: bytes
    marks: bytes
    last: bytes

    def encoded(self) -> bytes:
        parts = b"".join(_PART.pack(*part) for part in self.parts)
        pieces = (_COUNT.pack(len(self.parts)), parts, _sized(self.first))
        marks = _COUNT.pack(len(self.marks) // MARK_BYTES) + self.marks
        return zlib.compress(b"".join((*pieces, marks, _sized(self.last))))

    @classmethod
    def decoded(cls, raw: bytes) -> _Index:
        content = zlib.decompress(raw)
        (count,) = _COUNT.unpack_from(content)
        at = _COUNT.size
        parts = tuple(_PART.unpack_from(content, at + index * _PART.size) for index in range(count))
        at += count * _PART.size
        first, at = _taken(content, at, 1)
        marks, at = _taken(content, at, MARK_BYTES)
        last, _ = _taken(content, at, 1)
        return cls(parts, first, marks, last)


class PackedFile:
    """A packed segment. Raises :class:`DataError` for what is none or another version's.

    A stretch that doesn't fit its checksum reads as zeros, but for what the index repeats of it. Zeros are no record:
    whoever scans them finds the damage in its place, as in a raw segment, and goes on behind it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise DataError(f"{path} can't be read", why=error.strerror or str(error)) from error
        try:
            self.size, self.digest, self._index = self._opened()
        except DataError:
            self._file.close()
            raise
        self._unpacked: tuple[int, bytes] = (-1, b"")

    @property
    def file_bytes(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        self._file.close()

    def read(self, offset: int, size: int) -> bytes | memoryview:
        """Up to ``size`` of the segment's bytes from ``offset``."""
        known = self._known(offset, size)
        if known is not None:
            return known
        pieces = []
        while size > 0 and offset < self.size:
            stretch, at = divmod(offset, STRETCH_BYTES)
            pieces.append(memoryview(self._stretch(stretch))[at : at + size])
            offset, size = offset + len(pieces[-1]), size - len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _known(self, offset: int, size: int) -> bytes | None:
        """What a seek asks for, from the index."""
        index = self._index
        block, within = divmod(offset, BLOCK_BYTES)
        if offset == 0 and size <= len(index.first):
            return index.first[:size]
        if block and not within and size == MARK_BYTES and block * MARK_BYTES <= len(index.marks):
            return index.marks[(block - 1) * MARK_BYTES : block * MARK_BYTES]
        if offset == self.size - len(index.last) and size == len(index.last):
            return index.last
        return None

    def _stretch(self, number: int) -> bytes:
        if self._unpacked[0] != number:
            offset, size, crc = self._index.parts[number]
            self._file.seek(offset)
            raw = self._file.read(size)
            self._unpacked = (number, unpack(raw) if zlib.crc32(raw) == crc else self._repeated(number))
        return self._unpacked[1]

    def _repeated(self, number: int) -> bytes:
        """Of a stretch that is lost, what the index has."""
        index, start = self._index, number * STRETCH_BYTES
        found = bytearray(min(STRETCH_BYTES, self.size - start))
        mark = index.marks[(number - 1) * MARK_BYTES : number * MARK_BYTES] if number else b""
        for at, known in ((0, index.first), (start, mark), (self.size - len(index.last), index.last)):
            begin, end = max(at, start), min(at + len(known), start + len(found))
            if begin < end:
                found[begin - start : end - start] = known[begin - at : end - at]
        return bytes(found)

    def _opened(self) -> tuple[int, bytes, _Index]:
        head, end = self._file.read(HEAD.size), self._file.seek(0, 2)
        if len(head) < HEAD.size or head[: len(MAGIC)] != MAGIC:
            raise DataError(f"{self.path} is no packed segment", why="it doesn't start as one")
        _, version, stretch_bytes = HEAD.unpack(head)
        if version != VERSION or stretch_bytes != STRETCH_BYTES:
            raise DataError(
                f"{self.path} was packed by another version of kite",
                why=f"version {version}, this kite reads {VERSION}",
            )
        self._file.seek(max(HEAD.size, end - TRAILER.size))
        trailer = self._file.read(TRAILER.size)
        if len(trailer) < TRAILER.size:
            raise _damaged(self.path, "it is cut short")
        size, digest, index_at, index_bytes, crc, _ = TRAILER.unpack(trailer)
        self._file.seek(index_at if index_at < end else 0)
        raw = self._file.read(min(index_bytes, end))
        if zlib.crc32(raw, zlib.crc32(trailer[:-8])) != crc:
            raise _damaged(self.path, "its index doesn't fit its checksum")
        return size, digest, _Index.decoded(raw)


class Packer:
    """A segment's bytes in stretches to a packed file's bytes."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._digest = sha256()
        self._parts: list[tuple[int, int, int]] = []
        self._marks: list[bytes] = []
        self._first = self._last = b""
        self._size, self._at = 0, HEAD.size

    def head(self) -> bytes:
        return HEAD.pack(MAGIC, VERSION, STRETCH_BYTES)

    def stretch(self, data: bytes, place: Place | None) -> bytes:
        """The next ``STRETCH_BYTES``, or the last ones; ``place``: that of their first record, where it is known."""
        lead = place.offset - self._size if place is not None else 0
        packed = pack(data, lead, place, self._seed)
        self._parts.append((self._at, len(packed), zlib.crc32(packed)))
        self._first = self._first or data[:_FIRST_BYTES]
        start = 0 if self._size else BLOCK_BYTES
        self._marks += (data[at : at + MARK_BYTES] for at in range(start, len(data), BLOCK_BYTES))
        self._digest.update(data)
        self._last = (self._last + data)[-END_BYTES:]
        self._size, self._at = self._size + len(data), self._at + len(packed)
        return packed

    def rest(self) -> bytes:
        """The index and the trailer."""
        whole = b"".join(mark for mark in self._marks if len(mark) == MARK_BYTES)
        index = _Index(tuple(self._parts), self._first, whole, self._last).encoded()
        trailer = TRAILER.pack(self._size, self._digest.digest(), self._at, len(index), 0, b"")
        crc = zlib.crc32(index, zlib.crc32(trailer[:-8]))
        return index + TRAILER.pack(self._size, self._digest.digest(), self._at, len(index), crc, MAGIC[:4])


def _sized(content: bytes) -> bytes:
    return _COUNT.pack(len(content)) + content


def _taken(content: bytes, at: int, unit: int) -> tuple[bytes, int]:
    (count,) = _COUNT.unpack_from(content, at)
    end = at + _COUNT.size + count * unit
    return content[at + _COUNT.size : end], end


def _damaged(path: Path, why: str) -> RecordingDamaged:
    return RecordingDamaged(f"{path} is damaged", why=why, hint="what other files of the day hold can still be read")
