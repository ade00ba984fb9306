"""Which blocks of an ended segment are about which instruments, kept beside it: to read one instrument, not a day.

::

    0        8         12     16     24       28       32      36    40
    +--------+---------+------+------+--------+--------+-------+-----+------------------------------
    | magic  | version | seed | size | blocks | tokens | bytes | crc | zlib: tokens, ascending; bits
    | 8 B    | u32     | u32  | u64  | u32    | u32    | u32   | u32 | u32 each | see below
    +--------+---------+------+------+--------+--------+-------+-----+------------------------------

``seed`` and ``size`` are the segment's, packed or not; ``crc`` is CRC-32 of the 36 bytes before it and what follows.
The bits: for each block ceil(tokens / 8) bytes, bit i % 8 of byte i / 8 set where token i has a packet or a
subscription in a record that begins in it.

It only says where nothing is. What is read is checked as ever; where it is missing, damaged or another file's, all is.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.store.disk import Disk
from kitecli.store.folder import INDEX_SUFFIX
from kitecli.store.layout import BLOCK_BYTES, RECORD_BYTES
from kitecli.store.log import tokens_of
from kitecli.store.segment import SegmentReader

MAGIC: Final = b"KITEIDX\n"
VERSION: Final = 1
HEAD: Final = struct.Struct("<8sIIQIIII")
_BEFORE_CRC: Final = HEAD.size - 4

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    """``tokens``: (t,) uint32, ascending. ``held``: (blocks, t), whether a block is about a token."""

    seed: int
    size: int
    tokens: NDArray[np.uint32]
    held: Bits

    @classmethod
    def of(cls, reader: SegmentReader) -> Self:
        """Made by looking at every record of a segment that is ended and whole.

        :raises DataError: it isn't.
        """
        blocks = (reader.size + BLOCK_BYTES - 1) // BLOCK_BYTES
        found = [np.zeros(0, np.uint32)] * blocks
        walk = reader.walk()
        for chunk in walk:
            tokens, owners = tokens_of(chunk.data, chunk.rows)
            owning = (chunk.rows["at"][owners] - RECORD_BYTES + chunk.offset) // BLOCK_BYTES
            for block in np.unique(owning).tolist():
                found[block] = np.union1d(found[block], tokens[owning == block])
        if reader.end is None or walk.place != reader.end:
            raise DataError(f"{reader.path} can't be indexed", why="it isn't ended, or not whole")
        every = np.unique(np.concatenate(found))
        held = np.array([np.isin(every, each) for each in found]).reshape(blocks, every.size)
        return cls(reader.seed, reader.size, every, held)

    def blocks_of(self, tokens: Collection[int]) -> Bits:
        """(blocks,) whether a block is about any of ``tokens``."""
        columns = np.isin(self.tokens, np.array(sorted(tokens), np.uint32))
        wanted: Bits = np.logical_or.reduce(self.held[:, columns], axis=1)
        return wanted

    def encoded(self) -> bytes:
        bits = np.packbits(self.held, axis=1, bitorder="little")
        body = zlib.compress(self.tokens.astype("<u4").tobytes() + bits.tobytes())
        sizes = (self.seed, self.size, len(self.held), self.tokens.size, len(body))
        head = HEAD.pack(MAGIC, VERSION, *sizes, 0)[:_BEFORE_CRC]
        return head + zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "little") + body

    @classmethod
    def decoded(cls, raw: bytes) -> Self | None:
        """None for what is no whole index of this version."""
        if len(raw) < HEAD.size or raw[:8] != MAGIC:
            return None
        _, version, seed, size, blocks, count, length, crc = HEAD.unpack_from(raw)
        body = raw[HEAD.size :]
        if version != VERSION or len(body) != length or zlib.crc32(body, zlib.crc32(raw[:_BEFORE_CRC])) != crc:
            return None
        content = zlib.decompress(body)
        tokens = np.frombuffer(content, "<u4", count).astype(np.uint32)
        bits = np.frombuffer(content, np.uint8, offset=4 * count).reshape(blocks, (count + 7) // 8)
        held = np.unpackbits(bits, axis=1, count=count, bitorder="little").astype(np.bool_)
        return cls(seed, size, tokens, held)


def index_path(path: Path) -> Path:
    """Where a segment's index stands."""
    return path.with_suffix(INDEX_SUFFIX)


def load_index(reader: SegmentReader) -> SegmentIndex | None:
    """The index beside a segment; None where there is none that was made of it, whole and ended as it is."""
    if reader.end is None:
        return None
    try:
        index = SegmentIndex.decoded(index_path(reader.path).read_bytes())
    except OSError:
        return None
    return index if index is not None and (index.seed, index.size) == (reader.seed, reader.size) else None


def write_index(path: Path, disk: Disk | None = None) -> Path:
    """Index an ended segment, packed or not; returns the index's file.

    It isn't synced: what a power cut leaves of it doesn't fit its checksum, and is none.

    :raises DataError: the segment isn't ended, or not whole.
    :raises EnvironmentProblem: the index can't be written.
    """
    disk = disk or Disk()
    with SegmentReader(path) as reader:
        content = SegmentIndex.of(reader).encoded()
    target, partial = index_path(path), path.with_suffix(".indexing")
    try:
        disk.remove(partial)
        partial.write_bytes(content)
        disk.rename(partial, target)
    except OSError as error:
        raise EnvironmentProblem(f"{target} can't be written", why=error.strerror or str(error)) from error
    return target
