"""Packed days read as they did, and no raw file goes before it came back whole."""

from __future__ import annotations

import errno
import shutil

import pytest

from kitecli.errors import DataError, EnvironmentProblem, RecordingDamaged, RecordingHeld
from kitecli.ring.locks import LockFile
from kitecli.store import packed as packed_module
from kitecli.store import segment as segment_module
from kitecli.store.folder import day_folder, segment_paths
from kitecli.store.recording import Recording
from kitecli.store.recovery import recover, verify
from kitecli.store.sealing import LOCK, is_ended, seal, seal_ended
from kitecli.store.writer import StoreSettings
from tests.fuzz.frames import steps
from tests.store.days import DAY, Day, numbers_in
from tests.store.disks import FailingDisk, FullDisk, QuickDisk
from tests.store.independent_unpacker import unpacked


@pytest.fixture
def day(tmp_path):
    day = Day(tmp_path)
    for _ in range(8):
        day.send(60)
        day.step()
    assert day.writer.close(day.now_s)
    return day


def seal_all(folder):
    return [seal(path, QuickDisk()) for path in segment_paths(folder)]


def test_a_packed_day_reads_as_it_did(day):
    with Recording.open(day.folder) as recording:
        before = [(r.number, r.kind, r.ts_recv_ns, bytes(r.payload)) for r in recording.records()]
        span = [frame.ts_recv_ns for frame in recording.frames(1_100, 1_300)]
    packed = seal_all(day.folder)
    assert segment_paths(day.folder) == packed
    assert {path.suffix for path in day.folder.iterdir()} == {".kpak", ".kidx"}
    with Recording.open(day.folder) as recording:
        assert [(r.number, r.kind, r.ts_recv_ns, bytes(r.payload)) for r in recording.records()] == before
        assert [frame.ts_recv_ns for frame in recording.frames(1_100, 1_300)] == span
        assert recording.size < day.writer.written_bytes
    assert all(verdict.sound for verdict in verify(day.folder))


def test_a_recorder_goes_on_after_packed_files(day):
    seal_all(day.folder)
    start = recover(day.folder)
    assert start.records == 480
    more = Day(day.folder, start=start)
    more.send(5)
    assert more.writer.close(more.now_s)
    assert numbers_in(day.folder) == list(range(485))


def test_a_reader_that_was_open_goes_on_in_the_packed_file(day):
    with Recording.open(day.folder) as recording:
        frames = recording.frames()
        next(frames)
        seal_all(day.folder)
        assert sum(1 for _ in frames) == 479


def test_a_file_that_isnt_ended_is_left_alone(tmp_path):
    day = Day(tmp_path)
    day.send(5)
    day.step()
    with pytest.raises(DataError, match="isn't ended"):
        seal(day.writer.path)
    assert numbers_in(tmp_path) == list(range(5))


def test_a_damaged_file_is_left_alone(day):
    path = segment_paths(day.folder)[0]
    raw = bytearray(path.read_bytes())
    raw[9_000] ^= 1
    path.write_bytes(raw)
    with pytest.raises(RecordingDamaged):
        seal(path)
    assert path.read_bytes() == raw


def test_a_packing_that_doesnt_come_back_keeps_the_raw_file(day, monkeypatch):
    path = segment_paths(day.folder)[0]
    real = packed_module.unpack
    monkeypatch.setattr(packed_module, "unpack", lambda raw: real(raw)[:-1] + b"?")
    with pytest.raises(DataError, match="didn't come back"):
        seal(path, QuickDisk())
    monkeypatch.undo()
    assert segment_paths(day.folder)[0] == path
    assert not list(day.folder.glob("*.packing"))
    assert numbers_in(day.folder) == list(range(480))


@pytest.mark.parametrize(
    "disk",
    [FullDisk(500), FailingDisk("write", 2), FailingDisk("sync", 1), FailingDisk("create", 1, code=errno.EACCES)],
)
def test_a_disk_that_fails_keeps_the_raw_file(day, disk):
    path = segment_paths(day.folder)[0]
    with pytest.raises(EnvironmentProblem):
        seal(path, disk)
    assert segment_paths(day.folder)[0] == path
    assert not list(day.folder.glob("*.packing"))


def test_an_interrupted_packing_is_begun_again(day):
    path = segment_paths(day.folder)[0]
    path.with_suffix(".packing").write_bytes(b"half")
    raw = path.read_bytes()
    seal(path, QuickDisk())
    path.write_bytes(raw)  # as if it had been killed before the raw file went
    assert segment_paths(day.folder)[0] == path
    assert numbers_in(day.folder) == list(range(480))


def test_an_independent_unpacker_written_from_the_page_unpacks_the_same(tmp_path):
    day = Day(tmp_path, settings=StoreSettings(buffer_bytes=1 << 24, floor_bytes=0))
    messages = [each for each in steps(3, 1_500) if isinstance(each, bytes)]
    for at, message in enumerate(messages):
        day.stage.append(message, 1_000 + at * 3, at % 3)
        if not at % 200:
            day.step(2)
    path = tmp_path / "0001.kseg"
    assert day.writer.close(day.now_s)
    raw = path.read_bytes()
    assert unpacked(seal(path, QuickDisk()).read_bytes()) == raw


@pytest.fixture
def store(tmp_path):
    """A store of one day: ended segments, and one that is being written."""
    day_folder(tmp_path, DAY).mkdir()
    day = Day(day_folder(tmp_path, DAY))
    for _ in range(8):
        day.send(60)
        day.step()
    return tmp_path, day


def test_everything_that_is_ended_is_sealed_beside_its_writer(store):
    root, day = store
    told = list(seal_ended(root, QuickDisk()))
    paths = segment_paths(day.folder)
    assert [path.suffix for path in paths] == [".kpak"] * (len(paths) - 1) + [".kseg"]
    assert [one.packed for one in told if one.packed] == paths[:-1]
    assert [one.left for one in told if one.packed] == list(reversed(range(len(paths) - 1)))
    assert all(one.done == one.size and one.problem is None for one in told)
    day.send(60)
    day.step()
    assert numbers_in(day.folder) == list(range(540))
    assert day.writer.close(day.now_s)
    assert (
        sum(1 for one in seal_ended(root, QuickDisk()) if one.packed) == len(segment_paths(day.folder)) - len(paths) + 1
    )
    assert numbers_in(day.folder) == list(range(540))


def test_sealing_that_is_stopped_leaves_nothing_half_done(store):
    root, day = store
    sealing = seal_ended(root, QuickDisk())
    next(sealing)
    sealing.close()
    assert not list(day.folder.glob("*.packing"))
    assert not LockFile.is_held(root / LOCK)
    assert numbers_in(day.folder) == list(range(480))


def test_one_process_seals_at_a_time(store):
    root, _ = store
    first = seal_ended(root, QuickDisk())
    next(first)
    with pytest.raises(RecordingHeld, match="Another process seals"):
        next(seal_ended(root))
    first.close()
    assert all(one.problem is None for one in seal_ended(root, QuickDisk()))


class PruningDisk(QuickDisk):
    """Another process prunes the day while its first segment is packed."""

    def write(self, descriptor, data):
        for folder in self.store.glob("20*"):
            shutil.rmtree(folder)
        return super().write(descriptor, data)


def test_a_day_that_is_pruned_meanwhile_is_no_problem(store):
    folder, _ = store
    disk = PruningDisk()
    disk.store = folder
    assert [progress.problem for progress in seal_ended(folder, disk) if progress.problem] == []
    assert list(folder.glob("20*")) == []


def test_what_cant_be_sealed_is_told_and_the_rest_is(store):
    root, day = store
    path = segment_paths(day.folder)[0]
    raw = bytearray(path.read_bytes())
    raw[9_000] ^= 1
    path.write_bytes(raw)
    told = list(seal_ended(root, QuickDisk()))
    assert [(one.path, type(one.problem)) for one in told if one.problem] == [(path, RecordingDamaged)]
    assert path.read_bytes() == raw
    assert {path.suffix for path in segment_paths(day.folder)[1:-1]} == {".kpak"}


def test_what_is_ended(store):
    _, day = store
    *ended, last = segment_paths(day.folder)
    assert all(is_ended(path) for path in ended)
    assert not is_ended(last)
    assert not is_ended(last.with_name("9999.kseg"))


def test_a_recorder_that_starts_while_the_last_segment_is_being_packed_goes_on_after_it(day, monkeypatch):
    """Between looking which files there are and opening them, they are packed."""
    real = segment_module.segment_paths

    def listed_before(folder):
        paths = real(folder)
        if paths[-1].suffix == ".kseg":
            seal_all(folder)
        return paths

    for module in ("kitecli.store.recovery", "kitecli.store.segment"):
        monkeypatch.setattr(f"{module}.segment_paths", listed_before)
    start = recover(day.folder)
    assert start.records == 480
    assert start.segment == len(real(day.folder)) + 1
    assert numbers_in(day.folder) == list(range(480))
