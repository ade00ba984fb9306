"""A packed segment is the segment: same bytes from the same offsets, or an error."""

from __future__ import annotations

import random

import numpy as np
import pytest

from kitecli.errors import DataError, RecordingDamaged
from kitecli.store.layout import BLOCK_BYTES, END_BYTES, MARK_BYTES
from kitecli.store.packed import HEAD, STRETCH_BYTES, TRAILER, PackedFile
from kitecli.store.recording import Recording
from kitecli.store.recovery import examine
from kitecli.store.sealing import seal
from kitecli.store.segment import SegmentReader
from kitecli.store.writer import StoreSettings
from tests.store.days import Day, numbers_in, salvaged
from tests.store.disks import QuickDisk


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A segment of three stretches, with a record across two of them, and its packed file."""
    day = Day(tmp_path_factory.mktemp("day"), settings=StoreSettings(buffer_bytes=1 << 24, floor_bytes=0))
    day.send(300, 9_300)
    day.send(1, 3_900_000)
    day.send(200, 9_300)
    day.step()
    path = day.writer.path
    assert day.writer.close(day.now_s)
    raw = path.read_bytes()
    assert len(raw) > 2 * STRETCH_BYTES
    return raw, seal(path, QuickDisk())


def test_any_piece_is_the_same(pair):
    raw, path = pair
    packed, draw = PackedFile(path), random.Random(2)
    assert packed.size == len(raw)
    pieces = [(draw.randrange(len(raw)), draw.choice([1, 40, 5_000, 1 << 20, 1 << 23])) for _ in range(40)]
    marks = [(block * BLOCK_BYTES, MARK_BYTES) for block in range(len(raw) // BLOCK_BYTES + 1)]
    for at, size in [*pieces, *marks, (0, 4096), (0, 104), (len(raw) - END_BYTES, END_BYTES), (len(raw), 10)]:
        assert bytes(packed.read(at, size)) == raw[at : at + size]
    packed.close()


def test_a_seek_unpacks_nothing(pair):
    raw, path = pair
    packed = PackedFile(path)
    for block in range(1, len(raw) // BLOCK_BYTES + 1):
        packed.read(block * BLOCK_BYTES, MARK_BYTES)
    packed.read(len(raw) - END_BYTES, END_BYTES)
    assert packed._unpacked[0] == -1
    packed.close()


def test_a_damaged_byte_is_refused_or_its_stretch_reads_as_zeros(pair, tmp_path):
    raw, path = pair
    whole, draw = path.read_bytes(), random.Random(3)
    ends = [*range(HEAD.size), *range(len(whole) - TRAILER.size, len(whole) - 4)]
    lost = 0
    for at in [*ends, *draw.sample(range(HEAD.size, len(whole)), 12)]:
        broken = bytearray(whole)
        broken[at] ^= 1 << draw.randrange(8)
        (tmp_path / "broken.kpak").write_bytes(broken)
        inside = HEAD.size <= at < len(whole) - TRAILER.size
        try:
            found = read_all(tmp_path / "broken.kpak", len(raw))
        except RecordingDamaged:
            continue
        except DataError:
            assert not inside
            continue
        assert inside
        assert found != raw
        read, true = np.frombuffer(found, np.uint8), np.frombuffer(raw, np.uint8)
        assert not read[read != true].any()
        lost += 1
    assert lost > 6


def read_all(path, size):
    packed = PackedFile(path)
    try:
        assert packed.size == size
        return b"".join(bytes(packed.read(at, STRETCH_BYTES)) for at in range(0, size, STRETCH_BYTES))
    finally:
        packed.close()


@pytest.mark.parametrize("number", range(3))
def test_a_lost_stretch_is_a_hole_between_the_records_around_it(tmp_path, number):
    day = Day(tmp_path, settings=StoreSettings(buffer_bytes=1 << 24, floor_bytes=0))
    day.send(280, 9_300)
    day.step()
    assert day.writer.close(day.now_s)
    path = seal(tmp_path / "0001.kseg", QuickDisk())
    with SegmentReader(path) as reader:
        marks = [reader.start, *(reader.mark_at(block * BLOCK_BYTES).place for block in (1, 2)), reader.end]
    packed = PackedFile(path)
    offset, size, _ = packed._index.parts[number]
    packed.close()
    broken = bytearray(path.read_bytes())
    broken[offset + size // 2] ^= 4
    path.write_bytes(broken)
    with SegmentReader(path) as reader:
        found = examine(reader)
    (hole,) = found.holes
    before, after = marks[number], marks[number + 1]
    first = before.number or 1  # message 0 is all zeros, and so it comes back
    assert (hole.first, hole.until, hole.to_ns) == (first, after.number, after.high_ns)
    assert found.ended
    with pytest.raises(RecordingDamaged, match=f"records {hole.first} to {hole.until - 1} are lost"):
        numbers_in(tmp_path)
    kept = [one for one in range(280) if not hole.first <= one < hole.until]
    with Recording.open(tmp_path, past_damage=True) as recording:
        assert [frame.ts_recv_ns - 1_000 for frame in recording.frames()] == kept
    assert salvaged(path) == found
    assert numbers_in(tmp_path) == kept


@pytest.mark.parametrize("size", [0, 8, 40, 200])
def test_a_file_cut_short_is_refused(pair, tmp_path, size):
    (tmp_path / "short.kpak").write_bytes(pair[1].read_bytes()[:size])
    with pytest.raises(DataError):
        PackedFile(tmp_path / "short.kpak")
    with pytest.raises(DataError, match="can't be read"):
        PackedFile(tmp_path / "none.kpak")
