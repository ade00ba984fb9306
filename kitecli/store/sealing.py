"""Ended segments into smaller files, for a process of low priority; never for the feed's.

::

    0001.kseg       examined, packed stretch by stretch into
    0001.packing    synced, unpacked again and compared, renamed to
    0001.kpak       synced with its folder; only then 0001.kseg goes

Killed anywhere in between, the raw file is there and counts, and the next attempt begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kitecli.errors import DataError, EnvironmentProblem, KiteError, RecordingHeld
from kitecli.ring.locks import LockFile
from kitecli.store.disk import Disk
from kitecli.store.folder import PACKED_SUFFIX, SUFFIX, day_folders, segment_paths
from kitecli.store.index import is_current, write_index
from kitecli.store.packed import STRETCH_BYTES, PackedFile, Packer
from kitecli.store.recovery import damage, examine
from kitecli.store.scanning import Place
from kitecli.store.segment import SegmentReader

PARTIAL_SUFFIX: Final = ".packing"
LOCK: Final = "sealing.lock"


@dataclass(frozen=True, slots=True)
class SealProgress:
    """Where sealing has come to: ``done`` of a segment's ``size`` bytes are packed, ``left`` segments follow it.

    ``packed``: its file, once it is in its place. ``problem``: why this segment stays raw; the others don't wait.
    """

    path: Path
    done: int
    size: int
    left: int
    packed: Path | None = None
    problem: KiteError | None = None


def seal(path: Path, disk: Disk | None = None) -> Path:
    """Pack an ended segment, see that it comes back to the byte, and remove the raw file; returns the packed one.

    :raises DataError: it isn't ended, or doesn't come back: the raw file stays.
    :raises RecordingDamaged: it is damaged, and stays.
    :raises EnvironmentProblem: the disk has no room for both.
    """
    for _ in seal_steps(path, disk):
        pass
    return path.with_suffix(PACKED_SUFFIX)


def seal_steps(path: Path, disk: Disk | None = None) -> Iterator[int]:
    """:func:`seal`, saying after each stretch how many of the segment's bytes are packed. Closed early, it leaves the
    raw file and nothing else."""
    disk = disk or Disk()
    partial = path.with_suffix(PARTIAL_SUFFIX)
    disk.remove(partial)
    try:
        with SegmentReader(path) as reader:
            _check(reader)
            yield from _write(reader, partial, disk)
            _compare(reader, partial)
        write_index(path, disk)
        disk.rename(partial, path.with_suffix(PACKED_SUFFIX))
        disk.sync_folder(path.parent)
        disk.remove(path)
    except OSError as error:
        raise EnvironmentProblem(f"{path} can't be packed", why=error.strerror or str(error)) from error
    finally:
        disk.remove(partial)


def seal_ended(store: Path, disk: Disk | None = None) -> Iterator[SealProgress]:
    """Seal every ended segment of a store, oldest first, beside a recorder or without one; see :class:`SealProgress`.

    What is being written isn't ended, and is left alone. May be stopped or killed anywhere.

    :raises RecordingHeld: another process seals there.
    :raises DataError: there is no such store.
    :raises EnvironmentProblem: nothing can be written there.
    """
    lock = _held(store)
    try:
        waiting = [path for folder in day_folders(store) for path in _ended(folder, disk or Disk())]
        for left, path in zip(reversed(range(len(waiting))), waiting, strict=True):
            yield from _sealed(path, left, disk)
        for path in (path for folder in day_folders(store) for path in segment_paths(folder)):
            yield from _indexed(path, disk)
    finally:
        lock.release()


def _held(store: Path) -> LockFile:
    if not store.is_dir():
        raise DataError(f"There is no store at {store}", hint="kite data list shows what there is")
    try:
        lock = LockFile.take(store / LOCK)
    except OSError as error:
        raise EnvironmentProblem(f"{store} can't be written", why=error.strerror or str(error)) from error
    if lock is None:
        raise RecordingHeld(f"Another process seals the recordings in {store}", hint="let it finish")
    return lock


def _sealed(path: Path, left: int, disk: Disk | None) -> Iterator[SealProgress]:
    done = size = 0
    try:
        size = path.stat().st_size
        for done in seal_steps(path, disk):
            yield SealProgress(path, done, size, left)
    except (FileNotFoundError, KiteError) as problem:
        if isinstance(problem, KiteError) and path.exists():  # else its day was pruned since it was listed
            yield SealProgress(path, done, size, left, problem=problem)
    else:
        yield SealProgress(path, size, size, left, path.with_suffix(PACKED_SUFFIX))


def _indexed(path: Path, disk: Disk | None) -> Iterator[SealProgress]:
    """A packed segment's index is made again where somebody removed it, or an older kite made it."""
    if path.suffix != PACKED_SUFFIX or is_current(path):
        return
    try:
        write_index(path, disk)
    except KiteError as problem:
        yield SealProgress(path, 0, 0, 0, problem=problem)


def _ended(folder: Path, disk: Disk) -> Iterator[Path]:
    """A day's raw segments that nothing will be appended to; what a killed sealing left half-done is removed."""
    for partial in folder.glob(f"*{PARTIAL_SUFFIX}"):
        disk.remove(partial)
    for path in segment_paths(folder):
        if path.suffix == SUFFIX and is_ended(path):
            yield path


def is_ended(path: Path) -> bool:
    """Whether nothing will be appended to a segment. False also for what can't be read."""
    try:
        with SegmentReader(path) as reader:
            return reader.end is not None
    except DataError:
        return False


def _check(reader: SegmentReader) -> None:
    if reader.end is None:
        raise DataError(f"{reader.path} can't be packed", why="it isn't ended: its writer lives, or was killed")
    if holes := examine(reader).holes:
        raise damage(reader, holes[0])


def _write(reader: SegmentReader, path: Path, disk: Disk) -> Iterator[int]:
    packer = Packer(reader.seed)
    descriptor = disk.create(path)
    try:
        _put(disk, descriptor, packer.head())
        for start in range(0, reader.size, STRETCH_BYTES):
            data = bytes(reader.read(start, STRETCH_BYTES))
            _put(disk, descriptor, packer.stretch(data, _first_place(reader, start)))
            yield start + len(data)
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
    """Unpack what was written, from the file, beside the raw one."""
    packed = PackedFile(path)
    try:
        starts = range(0, reader.size, STRETCH_BYTES)
        same = all(packed.read(start, STRETCH_BYTES) == reader.read(start, STRETCH_BYTES) for start in starts)
        if not same or packed.size != reader.size:
            raise DataError(f"{reader.path} didn't come back from packing as it was")
    finally:
        packed.close()


def _put(disk: Disk, descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(descriptor, rest) :]
