"""Power cuts: each page written since the last sync is old or new, as it happens. What was said to be safe, is."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from kitecli.errors import RecordingDamaged
from kitecli.store import scanning, segment
from kitecli.store.folder import segment_paths
from kitecli.store.recovery import recover
from kitecli.store.scanning import scan_in_python
from kitecli.store.writer import DayWriter, StoreSettings
from tests.store.days import Day, numbers_in
from tests.store.disks import PowerlessDisk

# Room for all of a run: with less, a disk that fails for long leaves messages out, and says so.
SETTINGS = StoreSettings(segment_bytes=100_000, buffer_bytes=1 << 23, floor_bytes=0, sync_interval_s=0.1)
UNITS = (4096, 512)
SYNC_FAILS = 0.1


class WornDisk(PowerlessDisk):
    """Now and then a sync fails, and then what it should have written is there or not for ever, as with Linux."""

    def __init__(self, draw: random.Random, unit: int) -> None:
        super().__init__()
        self._draw, self._unit = draw, unit

    def sync(self, descriptor: int) -> None:
        shadow = self._open[descriptor]
        if self._draw.random() < SYNC_FAILS:
            shadow.durable = bytearray(shadow.image(self._unit, self._draw).ljust(shadow.size, b"\0"))
            shadow.writes.clear()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)


def images(root: Path, count: int, unit: int, seed: int) -> Iterator[tuple[Path, int]]:
    """Folders as power cuts left them, and how many messages had been acknowledged as safe from one."""
    draw, made = random.Random(seed), 0
    while made < count:
        (live := root / f"live-{made}").mkdir(parents=True)
        disk = WornDisk(draw, unit)
        day = Day(live, disk=disk, settings=SETTINGS)
        for _ in range(30):
            day.send(draw.randrange(12), draw.choice([40, 186, 1_862, 9_302]))
            day.step(draw.choice([0.02, 0.05, 0.3]), sync=draw.random() < 0.1)
            assert not day.stage.unrecorded
            if draw.random() < 0.5 and made < count:
                (after := root / f"after-{made}").mkdir()
                disk.cut_power(after, unit, draw)
                made += 1
                yield after, day.writer.acknowledged.power
        day.writer.close(day.now_s)
        for path in [*live.iterdir(), live]:
            path.rmdir() if path.is_dir() else path.unlink()


def returned(folder: Path) -> list[int]:
    """What a reader gives after a recovery, and after a recorder went on from there."""
    start = recover(folder)
    first = numbers_in(folder) if segment_paths(folder) else []
    day = Day(folder, start=start)
    day.sent = len(first)
    day.send(3)
    assert day.writer.close(day.now_s)
    assert numbers_in(folder) == [*first, *range(len(first), len(first) + 3)]
    return first


def wrong(root: Path, count: int, unit: int, seed: int) -> dict[str, int]:
    """Of ``count`` images: how many gave a record that never was, and how many lost what had been safe."""
    found = {"images": 0, "corrupt": 0, "lost": 0, "refused": 0}
    for folder, safe in images(root, count, unit, seed):
        found["images"] += 1
        try:
            numbers = returned(folder)
        except RecordingDamaged:
            found["refused"] += 1
        except (AssertionError, ValueError, OverflowError):
            found["corrupt"] += 1
        else:
            found["corrupt"] += numbers != list(range(len(numbers)))
            found["lost"] += len(numbers) < safe
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    print(f"unit {unit}: {found}")
    return found


@pytest.mark.parametrize("unit", UNITS)
def test_nothing_corrupt_and_nothing_safe_lost(tmp_path: Path, unit: int):
    assert wrong(tmp_path, 100, unit, 5) == {"images": 100, "corrupt": 0, "lost": 0, "refused": 0}


@pytest.mark.soak
@pytest.mark.parametrize("unit", UNITS)
def test_ten_thousand_images(tmp_path: Path, unit: int):
    assert wrong(tmp_path, 10_000, unit, 6) == {"images": 10_000, "corrupt": 0, "lost": 0, "refused": 0}


def test_a_skipped_checksum_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def believed(data: bytes | memoryview, at: int, _length: int, _seed: int) -> int:
        return int.from_bytes(data[at + 20 : at + 24], "little")

    monkeypatch.setattr(scanning, "crc_of", believed)
    monkeypatch.setattr(segment, "scan", scan_in_python)
    assert wrong(tmp_path, 60, 512, 7)["corrupt"] > 0


def test_a_reader_that_trusts_lengths_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It goes from length to length and takes what stands there, as a reader of a length-prefixed file does."""
    real = scan_in_python

    def trusting(data: bytes | memoryview, place: scanning.Place, seed: int) -> scanning.Scan:
        raw, at = bytearray(data), 0
        number = place.number
        while at + 24 <= len(raw):
            length = int.from_bytes(raw[at : at + 4], "little")
            if length > scanning.MAX_PAYLOAD or at + scanning.room_of(length) > len(raw):
                break
            raw[at + 4] = raw[at + 4] or 1
            raw[at + 6 : at + 8] = bytes(2)
            raw[at + 16 : at + 20] = number.to_bytes(4, "little")
            raw[at + 20 : at + 24] = scanning.crc_of(raw, at, length, seed).to_bytes(4, "little")
            number += raw[at + 4] < scanning.FIRST_STRUCTURAL
            at += scanning.room_of(length)
        return real(bytes(raw), place, seed)

    monkeypatch.setattr(segment, "scan", trusting)
    assert wrong(tmp_path, 60, 512, 8)["corrupt"] > 0


def test_a_writer_that_syncs_again_after_a_failure_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def goes_on(writer: DayWriter) -> None:
        writer._distrusted = False

    monkeypatch.setattr(DayWriter, "_abandon", goes_on)
    found = wrong(tmp_path, 100, 4096, 9)
    assert found["lost"] + found["corrupt"] + found["refused"] > 0
