"""Where marks and padding stand."""

import random

from kitecli.store.framing import MOST_ADDED, Framer
from kitecli.store.layout import BLOCK_BYTES, END, FRAME, LOST, MARK, MARK_BYTES, MARK_PAYLOAD, room_of
from kitecli.store.scanning import Place, Stop, scan_in_python
from tests.store.implementations import SEED, START


def scanned(raw):
    return scan_in_python(raw, Place(START, 0, 0), SEED)


def test_every_block_begins_with_a_mark_that_says_the_latest_stamp():
    framer = Framer(SEED, START)
    raw = b"".join(framer.record(FRAME, 0, 1_000 + i, bytes(9_302)) for i in range(500))
    rows = scanned(raw).rows
    marks = rows[rows["kind"] == MARK]
    assert [int(at) + START - 24 for at in marks["at"]] == [BLOCK_BYTES * k for k in range(1, len(marks) + 1)]
    assert len(marks) == len(raw) // BLOCK_BYTES
    assert all(int(mark["ts_recv_ns"]) == 1_000 + int(mark["number"]) - 1 for mark in marks)


def test_a_record_longer_than_a_block_begins_right_after_a_mark():
    framer = Framer(SEED, START)
    raw = framer.record(FRAME, 0, 1, bytes(100))
    raw += framer.record(FRAME, 0, 2, bytes(3 * BLOCK_BYTES))
    raw += framer.record(FRAME, 0, 3, bytes(100))
    rows = scanned(raw).rows
    assert int(rows["at"][rows["length"] == 3 * BLOCK_BYTES][0]) + START == BLOCK_BYTES + MARK_BYTES + 24
    assert rows["number"][rows["kind"] == FRAME].tolist() == [0, 1, 2]


def test_any_sizes_come_back_and_no_more_is_added_than_said():
    draw = random.Random(5)
    framer, pieces, sizes = Framer(SEED, START), [], []
    for number in range(600):
        size = draw.choice([0, 1, 7, 8, 100, 5_000, 60_000, draw.randrange(1_200_000)])
        framer.mark_due = draw.random() < 0.3
        piece = framer.record(FRAME, number % 3, number, bytes(size))
        assert len(piece) <= MOST_ADDED + room_of(size)
        pieces.append(piece)
        sizes.append(size)
    raw = b"".join(pieces) + framer.end()
    found = scanned(raw)
    assert found.stop is Stop.ENDED
    assert found.place.offset == framer.offset == START + len(raw)
    assert found.rows["length"][found.rows["kind"] == FRAME].tolist() == sizes


def test_a_mark_that_is_due_says_how_much_is_on_disk():
    framer = Framer(SEED, START)
    raw = framer.record(FRAME, 0, 1, b"first")
    framer.synced, framer.mark_due = framer.offset, True
    raw += framer.record(FRAME, 0, 2, b"second") + framer.record(FRAME, 0, 3, b"third")
    rows = scanned(raw).rows
    assert rows["kind"].tolist() == [FRAME, MARK, FRAME, FRAME]
    assert MARK_PAYLOAD.unpack_from(raw, int(rows["at"][1])) == (START + room_of(5),)


def test_lost_records_leave_their_numbers_unused():
    framer = Framer(SEED, START)
    raw = framer.record(FRAME, 0, 1, b"first") + framer.lost(9, 1, 5, 640) + framer.record(FRAME, 0, 6, b"tenth")
    rows = scanned(raw + framer.end()).rows
    assert rows["kind"].tolist() == [FRAME, LOST, FRAME, END]
    assert rows["number"].tolist() == [0, 1, 9, 10]
