"""A packed segment is the segment: same bytes from the same offsets, or an error."""

from __future__ import annotations

import random

import pytest

from kitecli.errors import DataError, RecordingDamaged
from kitecli.store.layout import BLOCK_BYTES, END_BYTES, MARK_BYTES
from kitecli.store.packed import HEAD, STRETCH_BYTES, TRAILER, PackedFile
from kitecli.store.sealing import seal
from kitecli.store.writer import StoreSettings
from tests.store.days import Day
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


def test_every_damaged_byte_is_seen(pair, tmp_path):
    raw, path = pair
    whole, draw = path.read_bytes(), random.Random(3)
    ends = [*range(HEAD.size), *range(len(whole) - TRAILER.size, len(whole) - 4)]
    for at in [*ends, *draw.sample(range(len(whole)), 40)]:
        broken = bytearray(whole)
        broken[at] ^= 1 << draw.randrange(8)
        (tmp_path / "broken.kpak").write_bytes(broken)
        inside = HEAD.size <= at < len(whole) - TRAILER.size
        with pytest.raises(RecordingDamaged if inside else DataError):
            read_all(tmp_path / "broken.kpak", raw)


def read_all(path, raw):
    packed = PackedFile(path)
    try:
        for at in range(0, len(raw), STRETCH_BYTES):
            assert bytes(packed.read(at, STRETCH_BYTES)) == raw[at : at + STRETCH_BYTES]
    finally:
        packed.close()


@pytest.mark.parametrize("size", [0, 8, 40, 200])
def test_a_file_cut_short_is_refused(pair, tmp_path, size):
    (tmp_path / "short.kpak").write_bytes(pair[1].read_bytes()[:size])
    with pytest.raises(DataError):
        PackedFile(tmp_path / "short.kpak")
    with pytest.raises(DataError, match="can't be read"):
        PackedFile(tmp_path / "none.kpak")
