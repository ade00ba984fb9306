"""A packed segment cut at every byte, and with every bit flipped: read as it was, or said to be damaged.

The normal suite takes a sample; the soak takes all of it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from kitecli.errors import DataError
from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.store import packed, scanning, segment
from kitecli.store.index import index_path
from kitecli.store.recording import Recording
from kitecli.store.sealing import seal
from kitecli.store.writer import StoreSettings
from tests.store.days import Day
from tests.store.disks import QuickDisk

SIZE = 1 << 16
SETTINGS = StoreSettings(buffer_bytes=1 << 20, floor_bytes=0, sync_interval_s=0.1)
TICKS = 2_600


class Packed:
    """A packed file of 64 KiB or a little more, and the messages in it."""

    def __init__(self, folder: Path) -> None:
        day, draw = Day(folder, settings=SETTINGS), np.random.default_rng(5)
        ticks, depth = np.zeros(TICKS, TICK_DTYPE), np.zeros(TICKS, DEPTH_DTYPE)
        ticks["token"] = draw.integers(1, 51, TICKS) << 8
        ticks["mode"] = MODE_FULL
        ticks["last_price"] = 100_000 + np.cumsum(draw.integers(-3, 4, TICKS))
        for side in ("buy", "sell"):
            depth[side]["quantity"] = draw.integers(1, 1 << 13, (TICKS, 5))
            depth[side]["price"] = ticks["last_price"][:, None] + np.arange(5)
        self.messages = [bytes(one) for one in encode_frames(ticks, depth, 7)] + [b"h", b"", b"\0\1damaged"]
        for number, one in enumerate(self.messages):
            day.stage.append(one, 1_000 + number, 0)
        day.step()
        assert day.writer.close(day.now_s)
        self.path = seal(folder / "0001.kseg", QuickDisk())
        index_path(self.path).unlink()
        assert SIZE <= self.path.stat().st_size < 2 * SIZE

    def read(self) -> str:
        """``whole``; ``said`` to be damaged, after a true prefix; or ``wrong``."""
        count = 0
        try:
            with Recording.open(self.path.parent) as recording:
                for frame in recording.frames():
                    if count == len(self.messages) or bytes(frame.payload) != self.messages[count]:
                        return "wrong"
                    count += 1
        except DataError:
            return "said"
        return "whole" if count == len(self.messages) else "wrong"


def flips(of: Packed, bits: Iterable[int]) -> dict[str, int]:
    raw = of.path.read_bytes()
    found = {"flips": 0, "said": 0, "whole": 0, "wrong": 0}
    descriptor = os.open(of.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        for bit in bits:
            os.pwrite(descriptor, bytes([raw[bit // 8] ^ 1 << bit % 8]), bit // 8)
            found[of.read()] += 1
            os.pwrite(descriptor, raw[bit // 8 : bit // 8 + 1], bit // 8)
            found["flips"] += 1
    finally:
        os.close(descriptor)
    assert of.read() == "whole"
    print(found)
    return found


def cuts(of: Packed, sizes: Iterable[int]) -> dict[str, int]:
    found = {"cuts": 0, "said": 0, "whole": 0, "wrong": 0}
    for size in sorted(sizes, reverse=True):
        os.truncate(of.path, size)
        found[of.read()] += 1
        found["cuts"] += 1
    print(found)
    return found


def test_a_sample_of_bits(tmp_path: Path):
    of = Packed(tmp_path)
    size = of.path.stat().st_size * 8
    ends = [*range(0, 128, 3), *range(size - 76 * 8, size, 5)]
    found = flips(of, [*ends, *random.Random(1).sample(range(size), 700)])
    assert found["wrong"] == 0
    assert found["said"] > found["flips"] - 20  # the file's last four bytes are for people


def test_a_sample_of_cuts(tmp_path: Path):
    of = Packed(tmp_path)
    size = of.path.stat().st_size
    found = cuts(of, [*range(size - 150, size), *random.Random(3).sample(range(size - 150), 300)])
    assert found["said"] == found["cuts"] == 450


def believing(file: packed.PackedFile, number: int) -> bytes:
    """A stretch, whether or not it fits its checksum."""
    offset, size, _ = file._index.parts[number]
    file._file.seek(offset)
    return packed.unpack(file._file.read(size))


def trusting(data: bytes | memoryview, place: scanning.Place, seed: int) -> scanning.Scan:
    """Takes each record for what its head says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "crc_of", lambda data, at, *_: int.from_bytes(data[at + 20 : at + 24], "little"))
        return scanning.scan_in_python(data, place, seed)


@pytest.mark.slow
def test_a_skipped_checksum_is_caught_by_the_records_own_and_both_by_this_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    of = Packed(tmp_path)
    bits = random.Random(4).sample(range(5_000 * 8, SIZE * 8), 50)
    monkeypatch.setattr(packed.PackedFile, "_stretch", believing)
    assert flips(of, bits)["wrong"] == 0
    monkeypatch.setattr(segment, "scan", trusting)
    assert flips(of, bits)["wrong"] > 25


@pytest.mark.soak
def test_every_bit(tmp_path: Path):
    of = Packed(tmp_path)
    found = flips(of, range(of.path.stat().st_size * 8))
    assert found["flips"] >= SIZE * 8
    assert found["wrong"] == 0


@pytest.mark.soak
def test_a_cut_at_every_byte(tmp_path: Path):
    of = Packed(tmp_path)
    found = cuts(of, range(of.path.stat().st_size))
    assert found["said"] == found["cuts"] >= SIZE
