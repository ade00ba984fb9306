"""One segment's file, read: block by block, from its beginning or from an instant, also while it is being written."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError, KiteError
from kitecli.store.folder import PACKED_SUFFIX, SUFFIX, segment_paths
from kitecli.store.header import MAX_HEADER_BYTES, SegmentHeader, parse_header
from kitecli.store.layout import (
    BLOCK_BYTES,
    END,
    END_BYTES,
    HEADER,
    MARK,
    MARK_BYTES,
    MARK_PAYLOAD,
    RECORD,
    RECORD_BYTES,
)
from kitecli.store.log import scan
from kitecli.store.packed import PackedFile
from kitecli.store.scanning import Place, Scan, Stop, crc_of

Buffer = bytes | memoryview
_FIRST_READ: Final = 4096


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some of a segment: ``rows`` of ROW_DTYPE, whose ``at`` counts in ``data``, which stands at ``offset``;
    ``high_ns``: the latest stamp before it."""

    data: Buffer
    rows: NDArray[np.void]
    offset: int
    high_ns: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a block begins, and how much of the file was known on disk when it did."""

    place: Place
    synced: int


class RawFile:
    """A segment as it is written. What has been ended never changes, so it is mapped; what may be cut is read."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise DataError(f"{path} can't be read", why=error.strerror or str(error)) from error
        self._map: mmap.mmap | None = None

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    @property
    def file_bytes(self) -> int:
        return self.size

    def map(self, size: int) -> None:
        self._map = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ)

    def close(self) -> None:
        """Let go of the file. What was mapped stays for as long as somebody holds a piece of it."""
        self._file.close()
        self._map = None

    def read(self, offset: int, size: int) -> Buffer:
        if self._map is not None:
            return memoryview(self._map)[offset : offset + size]
        self._file.seek(offset)
        pieces = []
        while size > 0 and (piece := self._file.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class SegmentReader:
    """A segment, packed or not, that may still grow."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._source = _source_of(path)
        self.read = self._source.read
        """``read(offset, size)``: up to ``size`` bytes from ``offset``: fewer where the file ends."""
        try:
            self.header: SegmentHeader = self._read_header()
        except KiteError:
            self._source.close()
            raise
        self.start: Final = Place(len(self.header.encoded), 0, self.header.high_ns)
        self.seed: Final = self.header.seed
        self.end = self._read_end()
        if self.end is not None and isinstance(self._source, RawFile):
            self._source.map(self.end.offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """The segment's bytes now."""
        return self._source.size

    @property
    def file_bytes(self) -> int:
        """What it takes on disk: less, where it is packed."""
        return self._source.file_bytes

    def close(self) -> None:
        """Let go of the file. Chunks that were mapped stay readable for as long as somebody holds them."""
        self._source.close()

    def mark_at(self, offset: int) -> Mark | None:
        """The mark at a block's beginning; None where a long record runs over it, or it is damaged."""
        data = self.read(offset, MARK_BYTES)
        if len(data) < MARK_BYTES:
            return None
        length, kind, _, _, high_ns, number, crc = RECORD.unpack_from(data)
        if kind != MARK or length != MARK_PAYLOAD.size or crc_of(data, 0, length, self.seed) != crc:
            return None
        return Mark(Place(offset, number, high_ns), MARK_PAYLOAD.unpack_from(data, RECORD_BYTES)[0])

    def seek(self, from_ns: int) -> Place:
        """Where to begin, to meet the first record whose instant is ``from_ns`` or later: the start of its block."""
        best, low, high = self.start, 0, self.size // BLOCK_BYTES
        while low < high:
            middle = (low + high + 1) // 2
            mark = self._mark_at_or_before(middle, low)
            if mark is not None and mark.place.high_ns >= from_ns:
                high = mark.place.offset // BLOCK_BYTES - 1
                continue
            best = mark.place if mark is not None else best
            low = middle
        return best

    def last_synced(self) -> Place:
        """A place before which everything is known to be on disk: the nearest below what the last mark vouches for."""
        for block in range(self.size // BLOCK_BYTES, 0, -1):
            last = self.mark_at(block * BLOCK_BYTES)
            if last is None:
                continue
            safe = self._mark_at_or_before(last.synced // BLOCK_BYTES, 0)
            return safe.place if safe is not None else self.start
        return self.start

    def walk(self, place: Place | None = None, wanted: NDArray[np.bool_] | None = None) -> Walk:
        """The records from ``place`` (the first) on, or, of an ended segment, those of the ``wanted`` blocks."""
        return Walk(self, place or self.start, wanted)

    def _mark_at_or_before(self, block: int, above: int) -> Mark | None:
        found = (self.mark_at(each * BLOCK_BYTES) for each in range(block, above, -1))
        return next((mark for mark in found if mark is not None), None)

    def _read_header(self) -> SegmentHeader:
        raw = bytes(self.read(0, _FIRST_READ))
        size = int.from_bytes(raw[12:16], "little")
        if len(raw) < size <= MAX_HEADER_BYTES:
            raw = bytes(self.read(0, size))
        return parse_header(raw, str(self.path))

    def _read_end(self) -> Place | None:
        """Where the segment ends, if it was ended."""
        at = self.size - END_BYTES
        data = self.read(at, END_BYTES) if at >= self.start.offset else b""
        if len(data) < END_BYTES:
            return None
        length, kind, _, _, high_ns, number, crc = RECORD.unpack_from(data)
        if kind != END or length != END_BYTES - RECORD_BYTES or crc_of(data, 0, length, self.seed) != crc:
            return None
        return Place(at + END_BYTES, number, high_ns)


class Walk:
    """The chunks of a segment from a place on; ``place`` and ``stop`` say where it has come to, and why no further."""

    def __init__(self, reader: SegmentReader, place: Place, wanted: NDArray[np.bool_] | None = None) -> None:
        self.place = place
        self.stop = Stop.SHORT
        self._reader = reader
        self._wanted = wanted

    def __iter__(self) -> Iterator[Chunk]:
        size = BLOCK_BYTES
        self._pass_over()
        while self.stop is Stop.SHORT:
            here = self.place
            data = self._reader.read(here.offset, _to_block_end(here.offset, size))
            found: Scan = scan(data, here, self._reader.seed)
            self.place, self.stop = found.place, found.stop
            if found.rows.size:
                size = BLOCK_BYTES
                yield Chunk(data, found.rows, here.offset, here.high_ns)
                self._pass_over()
            elif self.stop is Stop.SHORT and self.place.offset + size > self._reader.size:
                return
            else:
                size *= 2  # a record longer than what was read

    def _pass_over(self) -> None:
        """Go to the next block that is wanted, if we stand at the beginning of one that isn't."""
        block, within = divmod(self.place.offset, BLOCK_BYTES)
        if self._wanted is None or self.stop is not Stop.SHORT or (within and self.place != self._reader.start):
            return
        ahead = np.flatnonzero(self._wanted[block:])
        if not ahead.size and self._reader.end is not None:
            self.place, self.stop = self._reader.end, Stop.ENDED
        elif ahead.size and ahead[0] and (mark := self._reader.mark_at((block + int(ahead[0])) * BLOCK_BYTES)):
            self.place = mark.place  # where it is damaged, everything up to there is read, and the damage met


def born_paths(folder: Path) -> list[Path]:
    """A day's segments, without a last one whose header isn't there yet: its writer was killed, or is writing it."""
    paths = segment_paths(folder)
    return paths[:-1] if paths and is_stillborn(paths[-1]) else paths


def is_stillborn(path: Path) -> bool:
    """Whether a file's header never came to be whole, and nothing stands behind it."""
    try:
        raw = path.read_bytes() if path.suffix == SUFFIX and path.stat().st_size <= MAX_HEADER_BYTES else None
    except FileNotFoundError:
        return not path.with_suffix(PACKED_SUFFIX).exists()  # else it has just been packed
    if raw is None:
        return False
    if len(raw) > max(HEADER.size, int.from_bytes(raw[12:16], "little")):
        return False
    try:
        parse_header(raw, str(path))
    except DataError:
        return True
    return False


def _source_of(path: Path) -> RawFile | PackedFile:
    if path.suffix == PACKED_SUFFIX:
        return PackedFile(path)
    try:
        return RawFile(path)
    except DataError:
        packed = path.with_suffix(PACKED_SUFFIX)
        if path.exists() or not packed.exists():
            raise
        return PackedFile(packed)  # packed since it was listed


def _to_block_end(offset: int, size: int) -> int:
    """``size`` or a little less, so that the next read begins at a block's start."""
    return size - offset % BLOCK_BYTES if size > offset % BLOCK_BYTES else size
