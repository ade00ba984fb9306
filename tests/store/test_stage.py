"""What waits: nothing lost that was taken in, nothing counted wrong that wasn't. Both implementations."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.store import log
from kitecli.store.layout import FRAME, GAP, MARK, UNRECORDED
from kitecli.store.payloads import Unrecorded
from kitecli.store.scanning import scan_in_python
from kitecli.store.stage import Stage
from tests.store.implementations import SEED, START, beginning, each_stage, framed, staged


def records(raw):
    return [
        (int(row["kind"]), int(row["connection"]), int(row["ts_recv_ns"]), raw[row["at"] : row["at"] + row["length"]])
        for row in scan_in_python(raw, beginning(), SEED).rows
        if row["kind"] < MARK
    ]


@each_stage
def test_what_is_appended_is_framed_in_its_order(make_stage):
    stage = staged(make_stage)
    assert stage.append(b"one", 10, 0)
    assert stage.append(memoryview(b"two"), 9, 2)
    assert stage.append(b"a gap", 11, 1, GAP)
    assert stage.waiting > 0
    assert records(framed(stage)) == [(FRAME, 0, 10, b"one"), (FRAME, 2, 9, b"two"), (GAP, 1, 11, b"a gap")]
    assert (stage.waiting, stage.number, stage.high_ns) == (0, 3, 11)


@each_stage
def test_framing_stops_where_a_segment_is_full(make_stage):
    stage = staged(make_stage)
    for number in range(10):
        stage.append(bytes(1_000), number)
    first = framed(stage, until=START + 2_500)
    assert len(records(first)) == 3
    assert stage.waiting > 0
    stage.begin(SEED, START, 0)
    assert len(records(framed(stage))) == 7


@each_stage
def test_what_is_not_known_on_disk_is_framed_again(make_stage):
    stage = staged(make_stage)
    stage.append(b"safe", 1)
    framed(stage)
    stage.synced()
    stage.append(b"not yet", 2)
    stage.append(b"nor this", 3)
    framed(stage)
    assert stage.rewind() == 1
    stage.begin(SEED, START, 1)
    assert [record[3] for record in records(framed(stage))] == [b"not yet", b"nor this"]


@each_stage
def test_a_sync_is_said_in_the_file_before_the_next_record(make_stage):
    stage = staged(make_stage)
    stage.append(b"one", 1)
    raw = framed(stage)
    stage.synced()
    stage.append(b"two", 2)
    raw += framed(stage) + stage.end()
    kinds = scan_in_python(raw, beginning(), SEED).rows["kind"].tolist()
    assert kinds == [FRAME, MARK, FRAME, 66]


@each_stage
def test_what_finds_no_room_is_counted_and_told_once_in_its_place(make_stage):
    stage = staged(make_stage, 1 << 16)
    taken = 0
    while stage.append(bytes(1_000), 100 + taken):
        taken += 1
    assert not stage.append(b"lost too", 500)
    assert (stage.unrecorded, stage.unrecorded_bytes) == (2, 1_008)
    raw = framed(stage)
    stage.synced()
    assert stage.append(b"again", 600)
    raw += framed(stage)
    told = records(raw)
    assert [record[0] for record in told[taken:]] == [UNRECORDED, FRAME]
    assert Unrecorded.decoded(told[taken][3]) == Unrecorded(100 + taken, 600, 2, 1_008)
    assert stage.append(b"and on", 700)
    assert [record[0] for record in records(raw + framed(stage))[-2:]] == [FRAME, FRAME]


@each_stage
def test_a_little_room_ends_no_hole(make_stage):
    stage = staged(make_stage, 1 << 16)
    stage.append(bytes(1_000), 1)
    framed(stage)
    while stage.append(bytes(1_000), 2):
        pass
    stage.synced()  # of the first only: a sixty-fourth is free
    assert not stage.append(b"small", 3)
    assert stage.unrecorded == 2


@each_stage
def test_a_message_too_long_for_the_room_is_counted(make_stage):
    stage = staged(make_stage, 1 << 16)
    assert stage.append(bytes(stage.limit), 1)
    assert not stage.append(bytes(stage.limit + 1), 1)
    assert stage.unrecorded_bytes == stage.limit + 1


@each_stage
def test_what_was_never_told_is_told_at_the_end(make_stage):
    stage = staged(make_stage, 1 << 16)
    stage.tell_lack()
    assert stage.waiting == 0
    stage.append(bytes(1 << 20), 7)
    stage.tell_lack()
    assert records(framed(stage))[0][0] == UNRECORDED


@given(st.data())
def test_both_leave_the_same_bytes(data):
    if not log.COMPILED:
        return
    ours, theirs = staged(Stage, 1 << 20), staged(log.Stage, 1 << 20)
    draw = random.Random(data.draw(st.integers(0, 1 << 32)))
    for _ in range(data.draw(st.integers(1, 60))):
        act = draw.random()
        if act < 0.8:
            payload, ts = draw.randbytes(draw.choice([0, 1, 44, 186, 9_302, 150_000])), draw.randrange(1 << 40)
            # their memory is a ring and holds a little less when it wraps, so neither is ever filled here
            if ours.held < 1 << 19 and theirs.held < 1 << 19:
                assert ours.append(payload, ts, 3) == theirs.append(payload, ts, 3)
        elif act < 0.9:
            assert framed(ours) == framed(theirs)
            ours.synced()
            theirs.synced()
        else:
            assert ours.rewind() == theirs.rewind()
            for stage in (ours, theirs):
                stage.begin(SEED + 1, START, 5)
        assert (ours.number, ours.offset, ours.high_ns) == (theirs.number, theirs.offset, theirs.high_ns)
    assert framed(ours) + ours.end() == framed(theirs) + theirs.end()


@pytest.mark.parametrize("folds", [0, 48, 1_000])
def test_both_make_the_same_checksum_of_a_payload_of_any_size(folds):
    if not log.COMPILED:
        return
    ours, theirs, draw = staged(Stage), staged(log.Stage), random.Random(folds)
    for size in range(folds, folds + 150):
        payload = draw.randbytes(size)
        assert ours.append(payload, size)
        assert theirs.append(payload, size)
    raw = framed(theirs)
    assert raw == framed(ours)
    assert len(log.scan(raw, beginning(), SEED).rows) == 150


@each_stage
def test_a_ring_that_wraps_many_times_loses_nothing(make_stage):
    stage, draw = staged(make_stage, 1 << 16), random.Random(3)
    sent, raw = [], b""
    for number in range(3_000):
        payload = draw.randbytes(draw.randrange(2_000))
        if not stage.append(payload, number):
            raw += framed(stage)
            stage.synced()
            continue
        sent.append(payload)
        if draw.random() < 0.2:
            raw += framed(stage)
            stage.synced()
    raw += framed(stage)
    assert [record[3] for record in records(raw) if record[0] == FRAME] == sent
