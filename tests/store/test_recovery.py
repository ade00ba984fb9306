"""Torn tails are cut, damage is named, what is whole is saved."""

import pytest

from kitecli.clock import received_text
from kitecli.errors import RecordingDamaged
from kitecli.store.layout import BLOCK_BYTES
from kitecli.store.recording import Recording
from kitecli.store.recovery import damage, examine, recover, salvage, verify
from kitecli.store.segment import SegmentReader
from kitecli.store.writer import Start, StoreSettings
from tests.store.days import Day, message, numbers_in, salvaged
from tests.store.disks import FullDisk

LARGE = StoreSettings(buffer_bytes=1 << 24, floor_bytes=0)


def written(folder, count=600, size=9_300, *, end=False):
    """A segment of several blocks, all but its last hundred messages known to be on disk; its path."""
    day = Day(folder, settings=LARGE)
    for _ in range(count // 100):
        day.send(100, size)
        day.step(0.4)
    path = day.writer.path
    if end:
        assert day.writer.close(day.now_s)
    return path


def place_of(path, number):
    """Where the record of a number begins in its file."""
    return path.read_bytes().index(message(number, 9_300)) - 24


def flip(path, at):
    raw = bytearray(path.read_bytes())
    raw[at] ^= 4
    path.write_bytes(raw)


def test_nothing_recorded_begins_at_the_beginning(tmp_path):
    assert recover(tmp_path) == Start()


def test_a_torn_tail_is_cut_and_the_file_ended(tmp_path):
    path = written(tmp_path)
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"torn" * 20)
    assert recover(tmp_path) == Start(2, 600, 1_599)
    with SegmentReader(path) as reader:
        assert reader.end is not None
        assert reader.end.number == 600
        assert whole < reader.size <= whole + 40 + BLOCK_BYTES
        assert examine(reader).torn == 0
    assert numbers_in(tmp_path) == list(range(600))
    assert recover(tmp_path) == Start(2, 600, 1_599)  # a second time changes nothing


def test_a_file_torn_at_its_birth_is_removed(tmp_path):
    path = written(tmp_path, end=True)
    for torn in (b"", b"KITE", path.read_bytes()[:90], path.read_bytes()[:50] + bytes(200)):
        (tmp_path / "0002.kseg").write_bytes(torn)
        assert numbers_in(tmp_path) == list(range(600))  # as a reader finds it before anybody tidies up
        assert all(verdict.sound for verdict in verify(tmp_path))
        assert recover(tmp_path) == Start(2, 600, 1_599)
        assert not (tmp_path / "0002.kseg").exists()


def test_a_header_that_was_damaged_later_is_kept_and_named(tmp_path):
    path = written(tmp_path)
    flip(path, 40)
    assert recover(tmp_path).segment == 2
    assert path.exists()
    with pytest.raises(RecordingDamaged):
        numbers_in(tmp_path)


def test_damage_below_a_mark_is_named_and_left_alone(tmp_path):
    path = written(tmp_path)
    flip(path, place_of(path, 300) + 2_000)
    before = path.read_bytes()
    assert recover(tmp_path) == Start(2, 600, 1_599)
    assert path.read_bytes().startswith(before)  # the end was torn, or could be, and the file is ended
    with Recording.open(tmp_path) as recording, pytest.raises(RecordingDamaged, match="records 300 to 300 are lost"):
        list(recording.frames())
    with SegmentReader(path) as reader:
        found = examine(reader)
        assert [(hole.first, hole.until, hole.from_ns, hole.to_ns) for hole in found.holes] == [
            (300, 301, 1_299, 1_301)
        ]
        assert found.records == 599
        assert "records 300 to 300 are lost" in str(damage(reader, found.holes[0]))


def test_past_damage_a_hole_is_told_in_the_spans_it_touches_and_in_no_other(tmp_path):
    path = written(tmp_path, end=True)
    flip(path, place_of(path, 300) + 2_000)
    with Recording.open(tmp_path, past_damage=True) as recording:
        (told,) = recording.gaps()
        assert (told.from_ns, told.to_ns) == (1_299, 1_301)
        for span in [(0, 1_300), (1_300, 1_301), (1_301, None), (1_100, 1_500)]:
            assert recording.gaps(*span) == [told]
        for span in [(0, 1_299), (1_302, None), (1_302, 1_400)]:
            assert recording.gaps(*span) == []
            first = next(recording.frames(*span))
            assert first.ts_recv_ns == max(span[0], 1_000)


def test_damage_above_every_mark_is_a_torn_tail(tmp_path):
    path = written(tmp_path)
    flip(path, place_of(path, 590) + 2_000)
    with SegmentReader(path) as reader:
        found = examine(reader)
        assert (found.holes, found.records) == ((), 590)
        assert found.torn > 0
    assert recover(tmp_path).records == 590
    assert numbers_in(tmp_path) == list(range(590))


def test_all_before_damage_is_given(tmp_path):
    path = written(tmp_path, end=True)
    flip(path, place_of(path, 299) + 2_000)
    given = []
    with Recording.open(tmp_path) as recording, pytest.raises(RecordingDamaged):
        given.extend(frame.ts_recv_ns for frame in recording.frames())
    assert given == list(range(1_000, 1_299))


@pytest.mark.parametrize("end", [True, False])
def test_salvage_keeps_what_is_whole_and_notes_what_isnt(tmp_path, end):
    path = written(tmp_path, end=end)
    for number in (100, 101, 300):
        flip(path, place_of(path, number) + 500)
    found = salvaged(path)
    assert [(hole.first, hole.until) for hole in found.holes] == [(100, 102), (300, 301)]
    assert numbers_in(tmp_path) == [n for n in range(600) if n not in (100, 101, 300)]
    with Recording.open(tmp_path) as recording:
        assert [(gap.from_ns, gap.to_ns, gap.cause.split(" in ")[0]) for gap in recording.gaps()] == [
            (1_099, 1_102, "lost to damage: 2 records"),
            (1_299, 1_301, "lost to damage: 1 records"),
        ]
        assert [record.number for record in recording.records(1_098, 1_104)][:3] == [98, 99, 100]
    assert path.with_suffix(".damaged").exists()
    assert salvaged(path).holes == ()  # nothing is left to do
    flip(path, place_of(path, 450) + 500)
    salvaged(path)
    assert numbers_in(tmp_path) == [n for n in range(600) if n not in (100, 101, 300, 450)]


def test_a_damaged_mark_loses_no_record_and_is_named_all_the_same(tmp_path):
    path = written(tmp_path, end=True)
    flip(path, 2 * BLOCK_BYTES + 9)
    with pytest.raises(RecordingDamaged, match="no record is lost"):
        numbers_in(tmp_path)
    salvaged(path)
    assert numbers_in(tmp_path) == list(range(600))


def test_a_file_that_is_missing_is_named_and_no_other_is_blamed(tmp_path):
    day = Day(tmp_path)
    for _ in range(6):
        day.send(60)
        day.step()
    assert day.writer.close(day.now_s)
    with SegmentReader(tmp_path / "0003.kseg") as third:
        first, until_ns = third.header.first_record, third.header.high_ns
    with SegmentReader(tmp_path / "0002.kseg") as second:
        lost, from_ns = second.header.first_record, second.header.high_ns
    (tmp_path / "0002.kseg").rename(tmp_path / "aside")
    with pytest.raises(RecordingDamaged, match="0002 is missing before 0003") as raised:
        numbers_in(tmp_path)
    assert raised.value.why == f"records {lost:,} to {first - 1:,} are lost, {received_text(from_ns, until_ns)}"
    assert "salvage" not in raised.value.hint
    (tmp_path / "0003.kseg").unlink()
    with pytest.raises(RecordingDamaged, match="0002 to 0003 are missing before 0004"):
        numbers_in(tmp_path)
    (tmp_path / "aside").rename(tmp_path / "0002.kseg")
    (tmp_path / "0001.kseg").unlink()
    with pytest.raises(RecordingDamaged, match="0001 is missing before 0002"):
        numbers_in(tmp_path)


def test_a_torn_tail_before_another_file_is_something_missing(tmp_path):
    day = Day(tmp_path)
    for _ in range(4):
        day.send(60)
        day.step()
    assert day.writer.close(day.now_s)
    path = tmp_path / "0001.kseg"
    path.write_bytes(path.read_bytes()[:-900])  # a disk lost what it had said it kept
    with pytest.raises(RecordingDamaged, match="something is missing before 0002"):
        numbers_in(tmp_path)


def test_salvage_on_a_disk_that_is_full_leaves_nothing(tmp_path):
    path = written(tmp_path, end=True)
    flip(path, place_of(path, 100) + 500)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="No space left"):
        salvage(path, tmp_path / "fresh.kseg", FullDisk(500_000))
    assert sorted(tmp_path.iterdir()) == before


def test_salvage_takes_no_other_files_place(tmp_path):
    path = written(tmp_path, end=True)
    flip(path, place_of(path, 100) + 500)
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        salvage(path, tmp_path / "mine")
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_records_written_twice_are_counted_once_when_going_on(tmp_path):
    day = Day(tmp_path)
    day.send(5)
    day.step(sync=True)
    day.send(5)
    day.step()
    day.writer._failed(OSError(5, "a sync failed"), day.now_s)  # 5 to 9 are in the kernel, and not known on disk
    day.step(1)
    with SegmentReader(day.writer.path) as second:
        first, reached = second.header.first_record, second.header.former_end
    assert (first, reached) == (5, 10)
    raw = day.writer.path.read_bytes()
    day.writer.path.write_bytes(raw[: len(raw) - 500])  # killed while it wrote them again
    start = recover(tmp_path)
    assert start.records == 10
    again = Day(tmp_path, start=start)
    again.send(5)
    assert again.writer.close(again.now_s)
    assert numbers_in(tmp_path) == list(range(15))


def test_verification_finds_what_is_wrong_and_nothing_else(tmp_path):
    day = Day(tmp_path)
    for _ in range(8):
        day.send(60)
        day.step()
    assert day.writer.close(day.now_s)
    assert all(verdict.sound for verdict in verify(tmp_path))
    assert sum(verdict.found.records for verdict in verify(tmp_path)) == 480
    flip(tmp_path / "0001.kseg", 9_000)
    flip(tmp_path / "0002.kseg", 20)
    (tmp_path / "0003.kseg").unlink()
    first, second, third, *rest = verify(tmp_path)
    assert [hole.until - hole.first for hole in first.found.holes] == [1]
    assert second.problem is not None
    assert third.path.name == "0004.kseg"
    assert third.missing > 0
    assert not any(verdict.sound for verdict in (first, second, third))
    assert all(verdict.sound for verdict in rest)
