"""Nothing is believed before its checksum. Both implementations."""

import random

import numpy as np
import pytest

from kitecli.store import log
from kitecli.store.framing import Framer
from kitecli.store.layout import BLOCK_BYTES, FRAME, MARK
from kitecli.store.scanning import Place, Stop, find_record, scan_in_python, synced_by
from tests.store.implementations import SEED, START, beginning, each_scan


def segment(sizes, seed=SEED):
    framer = Framer(seed, START)
    return b"".join(framer.record(FRAME, 1, 100 + at, bytes([at % 251]) * size) for at, size in enumerate(sizes))


@each_scan
def test_a_scan_may_stop_anywhere_and_go_on(scan):
    raw = segment([50, 186, 9_302, 400_000, 700_000, 12, 0, 3_000_000, 5])
    whole = scan(raw, beginning(), SEED)
    place, at, numbers = beginning(), 0, []
    for step in (1, 30, 100_000, 1_000_000, 3_000_000, 9_000_000):
        part = scan(raw[at : at + step], place, SEED)
        numbers += part.rows["number"][part.rows["kind"] == FRAME].tolist()
        place, at = part.place, part.place.offset - START
    assert numbers == list(range(9))
    assert place == whole.place
    assert place.high_ns == 108


@each_scan
@pytest.mark.parametrize("at", [0, 4, 5, 6, 8, 16, 20, 24, 30])
def test_damage_stops_it_where_it_begins(scan, at):
    raw = bytearray(segment([10, 10, 10]))
    raw[40 + at] ^= 1
    found = scan(bytes(raw), beginning(), SEED)
    assert found.stop is Stop.BAD
    assert found.place == Place(START + 40, 1, 100)


@each_scan
def test_a_record_of_another_segment_is_none(scan):
    ours, theirs = segment([10, 10]), segment([10, 10], SEED + 1)
    found = scan(ours[:40] + theirs[40:], beginning(), SEED)
    assert (found.stop, found.rows.size) == (Stop.BAD, 1)


@each_scan
def test_a_record_out_of_its_turn_is_none(scan):
    raw = segment([10, 10, 10])
    assert scan(raw[:40] + raw[80:], beginning(), SEED).rows.size == 1
    assert scan(raw[:40] + raw[:40], beginning(), SEED).rows.size == 1


@each_scan
def test_zeros_are_no_record(scan):
    found = scan(segment([10]) + bytes(64), beginning(), SEED)
    assert (found.stop, found.rows.size) == (Stop.BAD, 1)


@each_scan
def test_a_length_beyond_reason_is_damage_and_not_patience(scan):
    raw = bytearray(segment([10]))
    raw[3] = 0xFF
    assert scan(bytes(raw), beginning(), SEED).stop is Stop.BAD


def test_the_next_whole_record_is_found_behind_damage():
    raw = bytearray(segment([10, 2_000_000, 3_000_000, 77]))
    first = scan_in_python(bytes(raw), beginning(), SEED)
    second = int(first.rows["at"][first.rows["length"] == 2_000_000][0]) - 24
    raw[second + 5_000] ^= 64
    found = find_record(raw[second + 8 :], Place(START + second + 8, 1, 100), SEED)
    assert found is not None
    assert found.number == 2
    rest = scan_in_python(bytes(raw[found.offset - START :]), found, SEED)
    assert [n for n, k in zip(rest.rows["number"], rest.rows["kind"], strict=True) if k == FRAME] == [2, 3]
    assert find_record(bytes(200_000), Place(START + 8, 1, 0), SEED) is None
    assert find_record(b"", Place(START + 8, 1, 0), SEED) is None


def test_what_marks_vouch_for():
    framer = Framer(SEED, START)
    raw = framer.record(FRAME, 0, 1, b"one")
    assert synced_by(scan_in_python(raw, beginning(), SEED).rows, raw) == 0
    framer.synced, framer.mark_due = START + 24, True
    raw += framer.record(FRAME, 0, 2, b"two")
    assert synced_by(scan_in_python(raw, beginning(), SEED).rows, raw) == START + 24
    raw += framer.end()
    assert synced_by(scan_in_python(raw, beginning(), SEED).rows, raw) == START + len(raw) - 40


@pytest.mark.skipif(not log.COMPILED, reason="needs the compiled log")
@pytest.mark.parametrize("seed", range(40))
def test_both_see_the_same_in_damaged_bytes(seed):
    draw = random.Random(seed)
    raw = bytearray(segment([draw.choice([0, 9, 186, 9_302, 60_000]) for _ in range(200)]))
    for _ in range(draw.randrange(4)):
        raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    cut = bytes(raw[: draw.randrange(len(raw))])
    ours, theirs = scan_in_python(cut, beginning(), SEED), log.scan(cut, beginning(), SEED)
    assert (ours.place, ours.stop) == (theirs.place, theirs.stop)
    assert np.array_equal(ours.rows, theirs.rows)


def test_marks_of_blocks_are_found_where_they_must_be():
    raw = segment([9_302] * 300)
    rows = scan_in_python(raw, beginning(), SEED).rows
    places = rows["at"][rows["kind"] == MARK] - 24 + START
    assert (places % BLOCK_BYTES == 0).all()
