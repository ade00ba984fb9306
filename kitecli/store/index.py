"""What an ended segment holds and where, kept beside it: to read one instrument and not a day, and to list days.

::

    0        8         12     16     24       28       32      36    40
    +--------+---------+------+------+--------+--------+-------+-----+------------------------------
    | magic  | version | seed | size | blocks | tokens | bytes | crc | zlib: tokens, ascending; …
    | 8 B    | u32     | u32  | u64  | u32    | u32    | u32   | u32 | u32 each | see below
    +--------+---------+------+------+--------+--------+-------+-----+------------------------------

``seed`` and ``size`` are the segment's, packed or not; ``crc`` is CRC-32 of the 36 bytes before it and what follows.
The bits: for each block ceil(tokens / 8) bytes, bit i % 8 of byte i / 8 set where token i has a packet or a
subscription in a record that begins in it. Behind them: u32 ticks of each token, ceil(blocks / 8) bytes with the bits
of those blocks that tell of outages, and what else was counted (kitecli.store.tally).

Where a record is read, it is checked as ever; where an index is missing, damaged or another file's, all are read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.store.disk import Disk
from kitecli.store.folder import INDEX_SUFFIX
from kitecli.store.layout import BLOCK_BYTES, GAP, LOST, RECORD_BYTES, UNRECORDED
from kitecli.store.log import tokens_of
from kitecli.store.segment import SegmentReader
from kitecli.store.tally import Counting, Tally

MAGIC: Final = b"KITEIDX\n"
VERSION: Final = 2
HEAD: Final = struct.Struct("<8sIIQIIII")
_BEFORE_CRC: Final = HEAD.size - 4
OUTAGES: Final = (GAP, UNRECORDED, LOST)
"""Kinds that tell of what is missing."""

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    """``tokens``: (t,) uint32, ascending. ``held``: (blocks, t), whether a block is about a token. ``told``: (blocks,),
    whether it tells of outages. ``tally``: what the segment holds."""

    seed: int
    size: int
    tokens: NDArray[np.uint32]
    held: Bits
    told: Bits
    tally: Tally

    @classmethod
    def of(cls, reader: SegmentReader) -> Self:
        """Made by looking at every record of a segment that is ended and whole.

        :raises DataError: it isn't.
        """
        blocks = (reader.size + BLOCK_BYTES - 1) // BLOCK_BYTES
        found = [np.zeros(0, np.uint32)] * blocks
        told = np.zeros(blocks, np.bool_)
        walk, counting = reader.walk(), Counting(tally := Tally())
        for chunk in walk:
            tokens, owners = tokens_of(chunk.data, chunk.rows)
            standing = (chunk.rows["at"] - RECORD_BYTES + chunk.offset) // BLOCK_BYTES
            told[standing[np.isin(chunk.rows["kind"], OUTAGES)]] = True
            for block in np.unique(standing[owners]).tolist():
                found[block] = np.union1d(found[block], tokens[standing[owners] == block])
            counting.take(chunk.data, chunk.rows)
        counting.rest()
        if reader.end is None or walk.place != reader.end:
            raise DataError(f"{reader.path} can't be indexed", why="it isn't ended, or not whole")
        every = np.unique(np.concatenate(found))
        held = np.array([np.isin(every, each) for each in found]).reshape(blocks, every.size)
        return cls(reader.seed, reader.size, every, held, told, tally)

    def blocks_of(self, tokens: Collection[int]) -> Bits:
        """(blocks,) whether a block is about any of ``tokens``."""
        columns = np.isin(self.tokens, np.array(sorted(tokens), np.uint32))
        wanted: Bits = np.logical_or.reduce(self.held[:, columns], axis=1)
        return wanted

    def encoded(self) -> bytes:
        ticks = np.array([self.tally.by_token[token] for token in self.tokens.tolist()], "<u4").tobytes()
        told = np.packbits(self.told, bitorder="little").tobytes()
        bits = np.packbits(self.held, axis=1, bitorder="little").tobytes()
        body = zlib.compress(self.tokens.astype("<u4").tobytes() + bits + ticks + told + self.tally.facts())
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
        content = BytesIO(zlib.decompress(body))
        tokens = np.frombuffer(content.read(4 * count), "<u4").astype(np.uint32)
        bits = np.frombuffer(content.read(blocks * ((count + 7) // 8)), np.uint8).reshape(blocks, (count + 7) // 8)
        held = np.unpackbits(bits, axis=1, count=count, bitorder="little").astype(np.bool_)
        ticks = np.frombuffer(content.read(4 * count), "<u4").astype(np.uint32)
        told = np.frombuffer(content.read((blocks + 7) // 8), np.uint8)
        whether = np.unpackbits(told, count=blocks, bitorder="little").astype(np.bool_)
        return cls(seed, size, tokens, held, whether, Tally.of_facts(content.read(Tally.BYTES), tokens, ticks))


def is_current(path: Path) -> bool:
    """Whether a segment has an index of this version beside it."""
    try:
        with index_path(path).open("rb") as file:
            return file.read(12) == MAGIC + VERSION.to_bytes(4, "little")
    except OSError:
        return False


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
