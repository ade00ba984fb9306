"""What the writer acknowledges is there, whatever the disk does."""

import errno

import pytest

from kitecli.store.layout import UNRECORDED
from kitecli.store.recording import Recording
from kitecli.store.segment import SegmentReader
from kitecli.store.writer import Acknowledged, Start, StoreSettings
from tests.store.days import SMALL, Day, numbers_in
from tests.store.disks import FailingDisk, FullDisk, PowerlessDisk


def test_written_at_each_step_and_on_disk_at_its_interval(tmp_path):
    day = Day(tmp_path)
    day.send(5)
    assert day.writer.acknowledged == Acknowledged(0, 0)
    day.writer.step(0.5)
    assert day.writer.acknowledged == Acknowledged(5, 0)
    day.send(1)
    day.writer.step(1.0)
    assert day.writer.acknowledged == Acknowledged(6, 6)
    assert numbers_in(tmp_path) == list(range(6))


def test_nothing_is_written_for_nothing(tmp_path):
    day = Day(tmp_path, disk=(disk := FailingDisk("sync", 1 << 30)))
    day.step(sync=True)
    assert list(tmp_path.iterdir()) == []
    day.send(1)
    day.step(sync=True)
    before = disk.calls
    for _ in range(10):
        day.step(5)
    assert disk.calls == before


def test_segments_roll_by_size_and_each_goes_on_from_the_last(tmp_path):
    day = Day(tmp_path)
    for _ in range(10):
        day.send(40)
        day.step()
    assert day.writer.close(day.now_s)
    with Recording.open(tmp_path) as recording:
        readers = list(recording.segments())
        assert len(readers) >= 4
        reached = 0
        for reader in readers:
            assert reader.header.first_record == reader.header.former_end == reached
            assert reader.end is not None
            reached += reader.end.number
    assert reached == 400
    assert numbers_in(tmp_path) == list(range(400))


def test_segments_roll_by_age(tmp_path):
    day = Day(tmp_path, settings=StoreSettings(segment_s=60, floor_bytes=0, buffer_bytes=1 << 18))
    for _ in range(3):
        day.send(1)
        day.step(61)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_full_disk_alarms_goes_on_by_itself_and_loses_nothing_that_has_room_in_memory(tmp_path):
    disk = FullDisk(20_000)
    day = Day(tmp_path, disk=disk)
    for _ in range(30):
        day.send(10)
        day.step()
    alarm = day.writer.alarm
    assert alarm is not None
    assert "No space left" in alarm.cause.why
    held = day.writer.acknowledged.process
    assert 0 < held < 300
    assert numbers_in(tmp_path)[:held] == list(range(held))
    disk.room = 1 << 30
    day.step(1)
    assert day.writer.alarm is None
    assert day.writer.close(day.now_s)
    assert numbers_in(tmp_path) == list(range(300))
    assert day.stage.unrecorded == 0


def test_a_full_disk_and_then_a_full_memory_is_told_in_the_recording(tmp_path):
    disk = FullDisk(20_000)
    day = Day(tmp_path, disk=disk)
    taken = 0
    for _ in range(300):
        taken += day.send(10)
        day.step()
    assert taken + day.stage.unrecorded == 3_000
    assert day.stage.unrecorded > 0
    disk.room = 1 << 30
    day.step(1)
    taken += day.send(10)
    assert day.writer.close(day.now_s)
    found = numbers_in(tmp_path)
    assert found == sorted(found)
    assert len(found) == taken
    with Recording.open(tmp_path) as recording:
        told = [record for record in recording.records() if record.kind == UNRECORDED]
        gaps = recording.gaps()
    assert len(told) == len(gaps) == 1
    assert f"{day.stage.unrecorded:,} messages" in gaps[0].cause
    missing = set(range(day.sent)) - set(found)
    assert gaps[0].from_ns == 1_000 + min(missing)
    assert gaps[0].to_ns >= 1_000 + max(missing)


@pytest.mark.parametrize("room", range(0, 3_000, 37))
def test_a_disk_that_is_full_at_any_byte_tears_nothing(tmp_path, room):
    disk = FullDisk(room)
    day = Day(tmp_path, disk=disk, settings=StoreSettings(segment_bytes=1_000, buffer_bytes=1 << 16, floor_bytes=0))
    day.send(6, 200)
    day.step()
    disk.room = 1 << 20
    day.step(1)
    day.send(3, 200)
    assert day.writer.close(day.now_s)
    assert numbers_in(tmp_path) == list(range(9))


def test_space_is_left_to_others(tmp_path):
    day = Day(tmp_path, settings=StoreSettings(floor_bytes=1 << 60, buffer_bytes=1 << 18))
    day.send(1)
    day.step()
    assert day.writer.alarm is not None
    assert "are kept for others" in day.writer.alarm.cause.why
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("n", range(1, 12))
def test_a_failed_sync_is_never_asked_again_and_nothing_after_it_is_called_safe(tmp_path, n, code):
    disk = FailingDisk("sync", n, code=code)
    day = Day(tmp_path, disk=disk)
    safe = 0
    for _ in range(12):
        day.send(30)
        day.step(sync=True)
        if disk.refused and not safe:
            safe = day.writer.acknowledged.power + 1
            assert day.writer.alarm is not None
            assert day.writer.acknowledged.power < day.sent
    day.step(40)
    assert day.writer.close(day.now_s + 40)
    assert day.writer.alarm is None
    assert day.writer.acknowledged == Acknowledged(360, 360)
    assert numbers_in(tmp_path) == list(range(360))
    assert disk.refused


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_file_whose_sync_failed_is_never_synced_again(tmp_path, code):
    day = Day(tmp_path, disk=FailingDisk("sync", 2, code=code))
    day.send(5)
    day.step(sync=True)
    first = day.writer.path
    day.step(1, sync=True)
    assert day.writer.path != first
    assert day.writer.acknowledged == Acknowledged(5, 5)


def test_what_a_failed_sync_left_unsafe_is_written_again_elsewhere(tmp_path):
    day = Day(tmp_path, disk=(disk := PowerlessDisk()))
    day.send(5)
    day.step(sync=True)
    day.send(5)
    real, disk.sync = disk.sync, _refuse
    day.step(sync=True)
    assert day.writer.acknowledged == Acknowledged(10, 5)
    disk.sync = real
    day.step(1, sync=True)
    assert day.writer.acknowledged == Acknowledged(10, 10)
    with SegmentReader(day.writer.path) as second:
        assert (second.header.first_record, second.header.former_end) == (5, 10)
    assert numbers_in(tmp_path) == list(range(10))


@pytest.mark.parametrize("operation", ["write", "create", "sync_folder"])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_an_error_of_any_operation_is_outlived(tmp_path, operation, n):
    disk = FailingDisk(operation, n, times=3)
    day = Day(tmp_path, disk=disk)
    for _ in range(40):
        day.send(20)
        day.step(1)
    assert day.writer.close(day.now_s)
    assert numbers_in(tmp_path) == list(range(800))
    assert disk.refused


def test_a_disk_that_is_gone_gets_new_files_at_growing_intervals(tmp_path):
    day = Day(tmp_path, disk=FailingDisk("sync", 2, times=1 << 30))
    day.send(5)
    for _ in range(3_000):
        day.step(0.1)
    assert day.writer.alarm is not None
    assert len(list(tmp_path.iterdir())) < 20
    assert day.writer.acknowledged.power == 0


def test_a_recording_goes_on_after_another(tmp_path):
    day = Day(tmp_path)
    day.send(5)
    assert day.writer.close(100.1)
    day = Day(tmp_path, start=Start(2, 5, 1_004))
    day.send(5)
    assert day.writer.close(100.1)
    assert day.writer.acknowledged == Acknowledged(10, 10)
    assert numbers_in(tmp_path) == list(range(10))


def test_closing_on_a_dead_disk_ends(tmp_path):
    day = Day(tmp_path, disk=FailingDisk("write", 1, times=1 << 30, code=errno.EIO), settings=SMALL)
    day.send(5)
    assert not day.writer.close(day.now_s)


def _refuse(_: int) -> None:
    raise OSError(errno.EIO, "no")
