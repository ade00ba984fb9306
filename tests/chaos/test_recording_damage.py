"""A recording cut at every byte, and with every bit flipped: an exact prefix, or said to be damaged.

The normal suite takes a sample; the soak takes all of it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kitecli.errors import DataError, RecordingDamaged
from kitecli.store.recording import Recording
from kitecli.store.writer import StoreSettings
from tests.store.days import Day, message

SIZE = 1 << 16
SETTINGS = StoreSettings(buffer_bytes=1 << 18, floor_bytes=0, sync_interval_s=0.1)


def segment(folder: Path, *, end: bool) -> Path:
    """A file of about 64 KiB, of messages of many lengths, with marks among them."""
    day, draw = Day(folder, settings=SETTINGS), random.Random(4)
    while not day.writer.written_bytes or day.writer.path.stat().st_size < SIZE - 2_500:
        day.send(1, draw.choice([1, 44, 186, 372, 1_862]))
        day.step(draw.choice([0.01, 0.06]))
    if end:
        assert day.writer.close(day.now_s)
    else:
        day.step(1)
    return day.writer.path if not end else folder / "0001.kseg"


def given(folder: Path) -> tuple[int, bool]:
    """How many messages come out, each of them checked, and whether the end of them was said to be damage."""
    count = 0
    try:
        with Recording.open(folder) as recording:
            for frame in recording.frames():
                number = int.from_bytes(frame.payload[:8], "big")
                assert number == count
                assert (frame.ts_recv_ns, frame.connection) == (1_000 + number, number % 3)
                assert bytes(frame.payload) == message(number, len(frame.payload) - 8)
                count += 1
    except DataError:
        return count, True
    return count, False


@contextmanager
def open_to_harm(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def flips(path: Path, bits: range | list[int]) -> dict[str, int]:
    """What comes of flipping each of these bits alone."""
    whole, _ = given(path.parent)
    raw = path.read_bytes()
    found = {"flips": 0, "detected": 0, "harmless": 0, "silent": 0}
    with open_to_harm(path) as descriptor:
        for bit in bits:
            os.pwrite(descriptor, bytes([raw[bit // 8] ^ 1 << bit % 8]), bit // 8)
            count, said = given(path.parent)
            os.pwrite(descriptor, raw[bit // 8 : bit // 8 + 1], bit // 8)
            found["flips"] += 1
            found["detected" if said else "harmless" if count == whole else "silent"] += 1
    assert given(path.parent) == (whole, False)
    print(path.name, found)
    return found


def cuts(path: Path, sizes: range | list[int]) -> int:
    """Cut the file at each of these sizes, longest first; returns how many cuts were tried."""
    ends = []
    with Recording.open(path.parent) as recording:
        reader = next(recording.segments())
        for chunk in reader.walk():
            rows = chunk.rows[chunk.rows["kind"] == 1]
            ends += [int(row["at"]) + int(row["length"]) + reader.start.offset for row in rows]
    header_bytes = reader.start.offset
    tried = 0
    for size in sorted(sizes, reverse=True):
        os.truncate(path, size)
        if size >= header_bytes:
            padded = [-(-(end - header_bytes) // 8) * 8 + header_bytes for end in ends]
            assert given(path.parent) == (sum(end <= size for end in padded), False)
        else:
            with pytest.raises(DataError):
                given_or_raise(path.parent)
        tried += 1
    return tried


def given_or_raise(folder: Path) -> None:
    count, said = given(folder)
    assert count == 0
    if said:
        raise RecordingDamaged("said so")


def test_a_sample_of_bits(tmp_path: Path):
    path = segment(tmp_path, end=True)
    bits = sorted(random.Random(1).sample(range(path.stat().st_size * 8), 1_200))
    found = flips(path, bits)
    assert found["silent"] == 0
    assert found["detected"] > 1_000


def test_a_sample_of_bits_of_a_file_that_goes_on(tmp_path: Path):
    path = segment(tmp_path, end=False)
    bits = sorted(random.Random(2).sample(range(path.stat().st_size * 8 * 9 // 10), 300))
    assert flips(path, bits)["silent"] == 0  # below its last mark; behind it a torn tail can't be told from damage


@pytest.mark.parametrize("end", [True, False])
def test_a_sample_of_cuts(tmp_path: Path, end: bool):
    path = segment(tmp_path, end=end)
    size = path.stat().st_size
    assert cuts(path, [*range(size - 300, size + 1), *random.Random(3).sample(range(size - 300), 300)]) == 601


@pytest.mark.soak
def test_every_bit(tmp_path: Path):
    path = segment(tmp_path, end=True)
    found = flips(path, range(path.stat().st_size * 8))
    assert found["flips"] > 500_000
    assert found["silent"] == 0


@pytest.mark.soak
@pytest.mark.parametrize("end", [True, False])
def test_a_cut_at_every_byte(tmp_path: Path, end: bool):
    path = segment(tmp_path, end=end)
    assert cuts(path, range(path.stat().st_size + 1)) > 60_000


@pytest.mark.soak
def test_a_hundred_thousand_damages_of_many_bytes(tmp_path: Path):
    path, draw = segment(tmp_path, end=True), random.Random(9)
    raw, (whole, _) = path.read_bytes(), given(tmp_path)
    silent, tried = 0, 100_000
    with open_to_harm(path) as descriptor:
        for _ in range(tried):
            spots = {draw.randrange(len(raw)) for _ in range(draw.randrange(2, 12))}
            for at in spots:
                os.pwrite(descriptor, draw.randbytes(1), at)
            count, said = given(tmp_path)
            silent += not said and count != whole
            for at in spots:
                os.pwrite(descriptor, raw[at : at + 1], at)
    print(f"{tried} damages of 2 to 11 bytes, {silent} of them silent")
    assert silent == 0
