"""What of a segment is whole: torn tails cut, damage named and never guessed over, the rest saved.

A killed writer or a power cut leaves a torn tail: bytes after the last that were known to be on disk. It is cut. Bytes
that were known to be on disk, because a later mark vouches for them, and don't fit their checksum are damage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from kitecli.clock import received_text
from kitecli.errors import DataError, RecordingDamaged
from kitecli.store.disk import Disk
from kitecli.store.folder import segment_path, segment_paths
from kitecli.store.framing import Framer
from kitecli.store.header import SegmentHeader
from kitecli.store.layout import BLOCK_BYTES, FIRST_STRUCTURAL, LOST, LOST_PAYLOAD
from kitecli.store.scanning import Place, Stop, find_record, synced_by
from kitecli.store.segment import SegmentReader, born_paths, is_stillborn
from kitecli.store.writer import Start


@dataclass(frozen=True, slots=True)
class Hole:
    """Bytes of a file that were records: numbers (in the segment) from ``first`` up to ``until``."""

    offset: int
    size: int
    first: int
    until: int
    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole records one after the other, from ``start`` to ``end``."""

    start: Place
    end: Place
    records: int


@dataclass(frozen=True, slots=True)
class Examination:
    """What a look at every byte of a segment found. ``torn``: bytes at its end that nothing vouches for."""

    path: Path
    size: int
    stretches: tuple[Stretch, ...]
    torn: int
    ended: bool

    @property
    def end(self) -> Place:
        """Where the next record would stand."""
        return self.stretches[-1].end

    @property
    def records(self) -> int:
        return sum(stretch.records for stretch in self.stretches)

    @property
    def holes(self) -> tuple[Hole, ...]:
        return tuple(_hole(one.end, other.start) for one, other in pairwise(self.stretches))


def examine(reader: SegmentReader, place: Place | None = None) -> Examination:
    """Look at every checksum from ``place`` (the first record) on."""
    found: list[Stretch] = []
    here: Place | None = place or reader.start
    synced, ended = 0, False
    while here is not None:
        walk, records = reader.walk(here), 0
        for chunk in walk:
            synced = max(synced, synced_by(chunk.rows, chunk.data))
            records += int((chunk.rows["kind"] < FIRST_STRUCTURAL).sum())
        found.append(Stretch(here, walk.place, records))
        ended = walk.stop is Stop.ENDED
        here = None if ended else _beyond(reader, walk.place)
    kept = _vouched_for(found, synced)
    size = reader.size
    return Examination(reader.path, size, kept, size - kept[-1].end.offset, ended and len(kept) == len(found))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one of a day's files. ``missing``: records of the day that should stand before it and
    don't; ``problem``: why it can't be read at all, and then there is no ``found``."""

    path: Path
    found: Examination | None
    missing: int = 0
    problem: DataError | None = None

    @property
    def sound(self) -> bool:
        return self.found is not None and not self.found.holes and not self.missing


def verify(folder: Path) -> Iterator[Verdict]:
    """Look at every byte of a day's recording, a file at a time."""
    return verify_files(born_paths(folder), 0)


def verify_files(paths: Iterable[Path], reached: int | None) -> Iterator[Verdict]:
    """As :func:`verify`, of some files; ``reached``: the day's records before them, None where nobody knows."""
    for path in paths:
        try:
            with SegmentReader(path) as reader:
                found, first = examine(reader), reader.header.first_record
        except DataError as problem:
            yield Verdict(path, None, problem=problem)
            continue
        yield Verdict(path, found, max(0, first - reached) if reached is not None else 0)
        reached = max(reached or 0, first + found.end.number)


def damage(reader: SegmentReader, hole: Hole) -> RecordingDamaged:
    """The error that names what is lost."""
    first = reader.header.first_record
    lost = "no record is lost"
    if hole.until > hole.first:
        lost = _lost(first + hole.first, first + hole.until, hole.from_ns, hole.to_ns)
    return RecordingDamaged(
        f"{reader.path} is damaged",
        why=f"{hole.size:,} bytes from {hole.offset:,} on don't fit their checksums; {lost}",
        hint="kite data salvage keeps what is whole and notes what isn't; --past-damage reads on behind it",
    )


def missing(header: SegmentHeader, folder: Path, reached: int, number: int, from_ns: int) -> RecordingDamaged:
    """The error for records that no file of a day has: from ``reached`` on, behind segment ``number``, up to what a
    ``header`` begins with. ``from_ns``: the latest stamp before them, 0 where nobody knows."""
    absent = [segment_path(folder, one).stem for one in range(number + 1, header.segment)]
    files = " to ".join(absent[:: max(1, len(absent) - 1)])
    gone = f"{files} {'is' if len(absent) == 1 else 'are'} missing" if absent else "something is missing"
    return RecordingDamaged(
        f"{gone} before {segment_path(folder, header.segment).stem} in {folder}",
        why=_lost(reached, header.first_record, from_ns, header.high_ns),
        hint="look for what was removed; --past-damage reads on without it",
    )


def recover(folder: Path, disk: Disk | None = None) -> Start:
    """Make a day's last segment one that can be gone on from: cut its torn tail, and end it. Returns where to go on.

    Called by who holds the store. Damage is left as it is, for readers to name. A file torn at its birth is removed.
    """
    disk = disk or Disk()
    paths = segment_paths(folder)
    while paths and is_stillborn(paths[-1]):
        disk.remove(paths.pop())
    if not paths:
        return Start()
    number = int(paths[-1].stem) + 1
    try:
        with SegmentReader(paths[-1]) as last:
            found = None if last.end else examine(last, last.last_synced())
            end = last.end or (found.end if found else last.start)
            reached = max(last.header.first_record + end.number, _reached(paths[:-1], last.header.former_end))
    except DataError:
        return Start(number)  # it can't be read, and whoever reads the day is told
    if found is not None and not found.holes:
        _cut(paths[-1], last, found, disk)
    return Start(number, reached, end.high_ns)


def salvage(path: Path, fresh: Path, disk: Disk | None = None) -> Examination:
    """Write what is whole of a damaged segment, packed or not, and a record of each hole, into a new raw file, which is
    there when it is whole; none where the old one is.

    :raises DataError: it is no segment, or its header can't be read. :raises FileExistsError: there is such a file.
    """
    with SegmentReader(path) as reader:
        found = examine(reader)
        if found.holes:
            _write_whole(reader, found, fresh, disk or Disk())
    return found


def _beyond(reader: SegmentReader, place: Place) -> Place | None:
    """The first whole record behind what can't be read at ``place``."""
    start = Place(place.offset + 8, place.number, place.high_ns)
    near = find_record(reader.read(start.offset, 2 * BLOCK_BYTES), start, reader.seed)
    return near or find_record(reader.read(start.offset, reader.size), start, reader.seed)


def _vouched_for(found: list[Stretch], synced: int) -> tuple[Stretch, ...]:
    """What stands before the torn tail: up to the first hole that nothing says was on disk."""
    torn_at = next((at for at, stretch in enumerate(found) if stretch.end.offset >= synced), len(found) - 1)
    return tuple(found[: torn_at + 1])


def _lost(first: int, until: int, from_ns: int, to_ns: int) -> str:
    return f"records {first:,} to {until - 1:,} are lost, {received_text(from_ns, to_ns)}"


def _hole(end: Place, start: Place) -> Hole:
    return Hole(end.offset, start.offset - end.offset, end.number, start.number, end.high_ns, start.high_ns)


def _reached(paths: list[Path], believed: int) -> int:
    """How far the segments before a file reach, where its header's belief may be more than it holds itself."""
    reached = 0
    for path in reversed(paths):
        with SegmentReader(path) as reader:
            first = reader.header.first_record
            end = reader.end or examine(reader, reader.last_synced()).end
            reached = max(reached, first + end.number)
            if reached >= believed or reader.header.former_end <= first:
                break
    return reached


def _cut(path: Path, reader: SegmentReader, found: Examination, disk: Disk) -> None:
    """Take a torn tail off and end the file. Nobody has mapped it: only what was ended is mapped."""
    framer = Framer(reader.seed, reader.start.offset, found.end.number, found.end.high_ns, found.end.offset)
    framer.offset = found.end.offset
    descriptor = disk.reopen(path, found.end.offset)
    try:
        disk.sync(descriptor)
        _put(disk, descriptor, framer.end(found.torn))
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)


def _write_whole(reader: SegmentReader, found: Examination, path: Path, disk: Disk) -> None:
    if path.exists():
        raise FileExistsError(path)
    draft = path.with_name(f".{path.name}.salvaging")
    disk.remove(draft)
    descriptor = disk.create(draft)
    try:
        try:
            _put_whole(reader, found, disk, descriptor)
        finally:
            disk.close(descriptor)
    except BaseException:
        disk.remove(draft)
        raise
    disk.rename(draft, path)
    disk.sync_folder(path.parent)


def _put_whole(reader: SegmentReader, found: Examination, disk: Disk, descriptor: int) -> None:
    framer = Framer(reader.seed, reader.start.offset, 0, reader.header.high_ns)
    _put(disk, descriptor, reader.header.encoded)
    for at, stretch in enumerate(found.stretches):
        if at:
            hole = found.holes[at - 1]
            _put(disk, descriptor, framer.lost(hole.until, hole.from_ns, hole.to_ns, hole.size))
        _copy(reader, stretch, framer, disk, descriptor)
    framer.synced = framer.offset
    disk.sync(descriptor)
    _put(disk, descriptor, framer.end(found.torn))
    disk.sync(descriptor)


def _copy(reader: SegmentReader, stretch: Stretch, framer: Framer, disk: Disk, descriptor: int) -> None:
    for chunk in reader.walk(stretch.start):
        for row in chunk.rows:
            number, kind, at = int(row["number"]), int(row["kind"]), int(row["at"])
            payload = bytes(chunk.data[at : at + int(row["length"])])
            if kind == LOST:
                _put(disk, descriptor, framer.lost(*LOST_PAYLOAD.unpack(payload)))
            elif kind < FIRST_STRUCTURAL and number < stretch.end.number:
                _put(disk, descriptor, framer.record(kind, int(row["connection"]), int(row["ts_recv_ns"]), payload))


def _put(disk: Disk, descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(descriptor, rest) :]
