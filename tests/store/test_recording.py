"""A day, read by time, also while it is written."""

import random
from datetime import date

import pytest

from kitecli.errors import DataError, RecordingDamaged
from kitecli.market.gap import Gap
from kitecli.protocol.encoder import frame
from kitecli.store.layout import CLOCK, FRAME, GAP, LOST, TIMER
from kitecli.store.payloads import ClockOffset, encode_gap
from kitecli.store.recording import OPEN_FILES, Recording
from kitecli.store.segment import SegmentReader
from kitecli.store.writer import StoreSettings
from tests.conformance.vectors import INFY_LTP
from tests.store.days import Day, message, numbers_in
from tests.store.independent_reader import read_day


@pytest.fixture
def day(tmp_path):
    day = Day(tmp_path)
    for _ in range(60):
        day.send(25)
        day.step(0.1)
    return day


def test_spans_hold_their_beginning_and_not_their_end(day):
    with Recording.open(day.folder) as recording:
        assert recording.day == date(2026, 11, 20)
        for from_ns, to_ns in [
            (0, 1_000),
            (1_000, 1_001),
            (1_010, 1_020),
            (1_490, 2_000),
            (2_499, None),
            (9_999, None),
        ]:
            found = [frame.ts_recv_ns for frame in recording.frames(from_ns, to_ns)]
            assert found == [ts for ts in range(1_000, 2_500) if ts >= from_ns and (to_ns is None or ts < to_ns)]
        assert len(recording._readers) <= OPEN_FILES


def test_neighbouring_spans_hold_every_record_once_though_the_clock_was_set_back(tmp_path):
    day, draw, clock = Day(tmp_path), random.Random(8), 10_000
    for number in range(1_200):
        clock += draw.randrange(5)
        stamp = clock - (3_000 if 300 < number < 700 else 0)
        day.stage.append(message(number), stamp, 0)
        if number % 30 == 0:
            day.step(0.1)
    day.step()
    with Recording.open(tmp_path) as recording:
        everything = list(recording.frames())
        assert len(everything) == 1_200
        cuts = sorted(draw.sample(range(9_000, clock + 100), 20))
        spans = zip([0, *cuts], [*cuts, None], strict=True)
        together = [frame for span in spans for frame in recording.frames(*span)]
    assert [bytes(frame.payload) for frame in together] == [bytes(frame.payload) for frame in everything]


def test_every_kind_comes_in_its_order_and_its_day_number(day):
    gap = Gap(1, (5, 6), 2_000, None, "cut")
    day.stage.append(encode_gap(gap), 2_600, 1, GAP)
    day.stage.append(ClockOffset(-5, 2, "ntp").encoded(), 2_601, 0, CLOCK)
    day.stage.append(b"bars' own", 2_602, 0, TIMER)
    day.step()
    with Recording.open(day.folder) as recording:
        records = list(recording.records())
        assert [record.number for record in records] == list(range(1_503))
        assert [(r.kind, r.ts_recv_ns) for r in records[-3:]] == [(GAP, 2_600), (CLOCK, 2_601), (TIMER, 2_602)]
        assert recording.gaps() == [gap]
        assert [r.kind for r in recording.records(kinds=(CLOCK,))] == [CLOCK]
        assert {r.kind for r in recording.records(2_400, 2_500)} == {FRAME}


def test_a_reader_beside_the_writer_sees_what_was_written_and_never_half_a_record(day):
    with Recording.open(day.folder) as recording:
        first = recording.frames()
        for _ in range(1_400):
            next(first)
        day.send(300)
        day.step()
        assert len(list(first)) in {100, 400}  # what was there when it came by
    assert numbers_in(day.folder) == list(range(1_800))


def test_the_writer_may_be_in_the_middle_of_a_record(day):
    path = day.writer.path
    whole = path.read_bytes()
    for cut in range(1, 400, 7):
        path.write_bytes(whole[:-cut])
        found = numbers_in(day.folder)
        assert found == list(range(len(found)))
        assert len(found) >= 1_497


def test_payloads_stay_readable_after_the_recording_is_closed(day):
    with Recording.open(day.folder) as recording:
        frames = list(recording.frames())
    assert [bytes(frame.payload) for frame in frames] == [message(number) for number in range(1_500)]


def test_an_independent_reader_written_from_the_page_reads_the_same(day):
    day.stage.append(encode_gap(Gap(1, (), 1, 2, "cut")), 2_600, 1, GAP)
    assert day.writer.close(day.now_s)
    with Recording.open(day.folder) as recording:
        ours = [(r.number, r.kind, r.connection, r.ts_recv_ns, bytes(r.payload)) for r in recording.records()]
    theirs = [(r.number, r.kind, r.connection, r.ts_recv_ns, r.payload) for r in read_day(day.folder)]
    assert ours == theirs
    assert len(theirs) == 1_501


def test_there_must_be_one(tmp_path):
    with pytest.raises(DataError, match="no recording in"):
        Recording.open(tmp_path)


def test_what_it_says_of_itself(day):
    with Recording.open(day.folder) as recording:
        assert recording.size == sum(path.stat().st_size for path in day.folder.iterdir())
        assert recording.master == bytes(32)
        assert sum(1 for _ in recording.segments()) == len(list(day.folder.iterdir()))
        assert sum(piece.rows.size for piece in recording.pieces(structural=True)) > 1_500


def rows_of(pieces):
    return [
        (int(row["ts_recv_ns"]), int(row["kind"]), int(row["number"]) + piece.first)
        for piece in pieces
        for row in piece.rows
    ]


def test_past_damage_a_sound_recording_reads_the_same(day):
    with Recording.open(day.folder) as strict, Recording.open(day.folder, past_damage=True) as sound:
        for span in [(0, None), (1_200, None), (0, 1_700), (1_300, 1_310), (9_999, None)]:
            assert rows_of(sound.pieces(*span)) == rows_of(strict.pieces(*span))
        assert rows_of(sound.pieces(structural=True)) == rows_of(strict.pieces(structural=True))


def test_past_damage_a_missing_file_is_told_in_the_spans_it_touches(day):
    second, third = sorted(day.folder.iterdir())[1:3]
    with SegmentReader(second) as reader:
        first, from_ns = reader.header.first_record, reader.header.high_ns
    with SegmentReader(third) as reader:
        until, to_ns = reader.header.first_record, reader.header.high_ns
    second.unlink()
    with Recording.open(day.folder, past_damage=True) as recording:
        everything = rows_of(recording.pieces())
        assert {number for _, kind, number in everything if kind == FRAME} == {*range(first), *range(until, 1_500)}
        (told,) = recording.gaps()
        assert (told.from_ns, told.to_ns) == (from_ns, to_ns)
        assert told.cause == f"lost to damage: {until - first:,} records in 0 bytes"
        for span, stamp in [
            ((0, None), to_ns),
            ((to_ns, None), to_ns),
            ((to_ns + 1, None), None),
            ((0, from_ns), None),
            ((0, from_ns + 1), from_ns),
            ((from_ns + 2, to_ns - 2), to_ns - 3),
        ]:
            rows = rows_of(recording.pieces(*span))
            assert recording.gaps(*span) == ([told] if stamp else [])
            assert [at for at, kind, _ in rows if kind == LOST] == ([stamp] if stamp else [])
            assert all(span[0] <= at and (span[1] is None or at < span[1]) for at, _, _ in rows)


def test_past_damage_a_missing_beginning_is_told_from_the_days_beginning(day):
    first, second, *_ = sorted(day.folder.iterdir())
    first.unlink()
    with SegmentReader(second) as reader:
        until = reader.header.first_record
    with Recording.open(day.folder, past_damage=True) as recording:
        (told,) = recording.gaps()
        assert told.cause == f"lost to damage: {until:,} records in 0 bytes"
        assert sum(1 for _ in recording.frames()) == 1_500 - until


def test_one_segment_by_itself(day):
    paths = sorted(day.folder.iterdir())
    with SegmentReader(paths[1]) as reader, SegmentReader(paths[2]) as after:
        numbers = list(range(reader.header.first_record, after.header.first_record))
    path = paths[1].rename(day.folder / "elsewhere.kseg")
    for past_damage in (False, True):
        with Recording.open(path, past_damage=past_damage) as recording:
            assert [record.number for record in recording.records()] == numbers
            assert (recording.place, recording.folder, recording.whole) == (path, day.folder, False)
            assert recording.gaps() == []


def test_ticks_before_damage_are_given_too(tmp_path):
    day = Day(tmp_path, settings=StoreSettings(buffer_bytes=1 << 20, floor_bytes=0))
    for number in range(400):
        day.stage.append(frame([INFY_LTP]), 1_000 + number, 0)
    day.step(sync=True)
    assert day.writer.close(day.now_s)
    (path,) = tmp_path.iterdir()
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    given = []
    with Recording.open(tmp_path) as recording, pytest.raises(RecordingDamaged):
        given.extend(len(batch.ticks) for batch in recording.ticks())
    assert 150 < sum(given) < 250
