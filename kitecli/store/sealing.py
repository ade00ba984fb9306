"""Ended segments into smaller files, for a process of low priority; never for the feed's.

The raw file goes only after every byte of it has come back from what was written.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.store.disk import Disk
from kitecli.store.folder import PACKED_SUFFIX
from kitecli.store.packed import STRETCH_BYTES, PackedFile, Packer
from kitecli.store.recovery import damage, examine
from kitecli.store.scanning import Place
from kitecli.store.segment import SegmentReader


def seal(path: Path, disk: Disk | None = None) -> Path:
    """Pack an ended segment, see that it comes back to the byte, and remove the raw file; returns the packed one.

    :raises DataError: it isn't ended, or doesn't come back: the raw file stays.
    :raises RecordingDamaged: it is damaged, and stays.
    :raises EnvironmentProblem: the disk has no room for both.
    """
    disk = disk or Disk()
    packed = path.with_suffix(PACKED_SUFFIX)
    partial = path.with_suffix(".packing")
    disk.remove(partial)
    try:
        with SegmentReader(path) as reader:
            _check(reader)
            _write(reader, partial, disk)
            _compare(reader, partial)
        partial.replace(packed)
        disk.sync_folder(path.parent)
        disk.remove(path)
    except OSError as error:
        disk.remove(partial)
        raise EnvironmentProblem(f"{path} can't be packed", why=error.strerror or str(error)) from error
    except DataError:
        disk.remove(partial)
        raise
    return packed


def _check(reader: SegmentReader) -> None:
    if reader.end is None:
        raise DataError(f"{reader.path} can't be packed", why="it isn't ended: its writer lives, or was killed")
    if holes := examine(reader).holes:
        raise damage(reader, holes[0])


def _write(reader: SegmentReader, path: Path, disk: Disk) -> None:
    packer = Packer(reader.seed)
    descriptor = disk.create(path)
    try:
        _put(disk, descriptor, packer.head())
        for start in range(0, reader.size, STRETCH_BYTES):
            data = bytes(reader.read(start, STRETCH_BYTES))
            _put(disk, descriptor, packer.stretch(data, _first_place(reader, start)))
        _put(disk, descriptor, packer.rest())
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)


def _first_place(reader: SegmentReader, start: int) -> Place | None:
    """Where a stretch's records begin: at its mark, and in the first one behind the header."""
    if not start:
        return reader.start
    mark = reader.mark_at(start)
    return mark.place if mark else None


def _compare(reader: SegmentReader, path: Path) -> None:
    """Unpack what was written, from the disk, beside the raw file."""
    digest, raw = sha256(), sha256()
    packed = PackedFile(path)
    try:
        for start in range(0, reader.size, STRETCH_BYTES):
            digest.update(packed.read(start, STRETCH_BYTES))
            raw.update(reader.read(start, STRETCH_BYTES))
        if not digest.digest() == raw.digest() == packed.digest:
            raise DataError(f"{reader.path} didn't come back from packing as it was")
    finally:
        packed.close()


def _put(disk: Disk, descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(descriptor, rest) :]
