"""An index leaves out what isn't wanted, and never anything that is."""

from __future__ import annotations

import random
from contextlib import suppress

import numpy as np
import pytest

from kitecli.errors import DataError, RecordingDamaged
from kitecli.market.gap import Gap
from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.store.folder import day_folder, segment_paths
from kitecli.store.index import MAGIC, SegmentIndex, index_path, load_index, write_index
from kitecli.store.layout import BLOCK_BYTES, FRAME, GAP, SUBSCRIBED, UNRECORDED
from kitecli.store.payloads import Unrecorded, encode_gap, encode_subscribed
from kitecli.store.recording import Recording
from kitecli.store.sealing import seal, seal_ended
from kitecli.store.segment import SegmentReader, Walk
from kitecli.store.tally import Counting, Tally
from kitecli.store.writer import StoreSettings
from tests.store.days import DAY, Day
from tests.store.disks import FailingDisk, QuickDisk

SETTINGS = StoreSettings(buffer_bytes=1 << 25, segment_bytes=4 << 20, floor_bytes=0)
RARE, RARER, NEVER = 77, 88, 99
COUNT = 45_000


def messages():
    """Full packets of 50 instruments, ten a message; two more instruments that tick now and then."""
    draw = np.random.default_rng(3)
    ticks, depth = np.zeros(COUNT, TICK_DTYPE), np.zeros(COUNT, DEPTH_DTYPE)
    ticks["token"] = draw.integers(1, 51, COUNT) << 8
    ticks["token"][[100, 30_000, 30_001]] = RARE
    ticks["token"][29_600] = RARER  # while the clock is set back
    ticks["mode"] = MODE_FULL
    ticks["last_price"] = draw.integers(1, 1 << 30, COUNT)
    return encode_frames(ticks, depth, 10)


@pytest.fixture
def store(tmp_path):
    """Nine blocks in three segments, stamps that go back in the middle, a record of three blocks among them."""
    folder = day_folder(tmp_path, DAY)
    folder.mkdir()
    day, draw = Day(folder, settings=SETTINGS), random.Random(4)
    for number, message in enumerate(messages()):
        stamp = 1_000 + number - (2_500 if 2_000 < number < 3_000 else 0)
        day.stage.append(message, stamp + draw.randrange(3), 0)
        if number == 1_200:
            day.stage.append(bytes(2_500_000), stamp, 0)
            day.stage.append(encode_gap(Gap(0, (RARE,), stamp, None, "cut")), stamp, 0, GAP)
            day.stage.append(encode_gap(Gap(0, (RARE,), stamp, stamp + 9, "cut")), stamp + 9, 0, GAP)
        if number == 2_900:
            day.stage.append(encode_subscribed({RARE: "full"}), stamp, 0, SUBSCRIBED)
            day.stage.append(Unrecorded(stamp, stamp, 3, 4).encoded(), stamp, 0, UNRECORDED)
        if not number % 100:
            day.step()
    assert day.writer.close(day.now_s)
    return tmp_path


def folder_of(store):
    return day_folder(store, DAY)


def found(folder, tokens, from_ns=0, to_ns=None):
    with Recording.open(folder) as recording:
        return recording.array(tokens, from_ns, to_ns).ticks


def of_all(ticks, tokens, instants, from_ns, to_ns):
    chosen = np.isin(ticks["token"], tokens) & (instants >= from_ns)
    return ticks[chosen & (instants < to_ns) if to_ns is not None else chosen]


@pytest.mark.parametrize("packed", [False, True])
def test_with_an_index_the_same_is_found_as_without(store, packed):
    folder, draw = folder_of(store), random.Random(6)
    everything = found(folder, ())
    instants = np.maximum.accumulate(everything["ts_recv_ns"])
    for path in segment_paths(folder):
        seal(path, QuickDisk()) if packed else write_index(path)
    for tokens in ([RARE], [RARER], [RARE, RARER], [256], [NEVER], [256, NEVER, 1_280]):
        for from_ns, to_ns in [
            (0, None),
            (0, 2_000),
            *((draw.randrange(6_000), draw.randrange(9_000)) for _ in range(6)),
        ]:
            ticks = found(folder, tokens, from_ns, to_ns)
            expected = of_all(everything, tokens, instants, from_ns, to_ns).copy()
            for side in (ticks, expected):
                side["flags"] &= np.uint16(0xFFFE)  # what was subscribed before a span isn't known
            assert ticks.tobytes() == expected.tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_what_an_index_has_counted_is_what_reading_counts(store, packed, monkeypatch):
    folder = folder_of(store)
    expected, told = counted(folder), outages(folder)
    assert (expected.ticks, expected.by_token[RARE], len(told)) == (COUNT, 3, 3)
    for path in segment_paths(folder)[1:]:
        seal(path, QuickDisk()) if packed else write_index(path)
    assert (counted(folder), outages(folder)) == (expected, told)
    write_index(segment_paths(folder)[0])
    read = blocks_read(monkeypatch)
    assert counted(folder) == expected
    assert read == []
    assert outages(folder) == told
    assert len(read) == 2


def test_what_was_written_twice_is_counted_once(tmp_path):
    day = Day(tmp_path, FailingDisk("sync", 4))
    for _ in range(8):
        day.send(10)
        day.step(0.7, sync=True)
    assert day.writer.close(day.now_s)
    expected = counted(tmp_path)
    assert expected.records == {FRAME: 80}
    with Recording.open(tmp_path) as recording:
        assert any(segment.header.former_end > segment.header.first_record for segment in recording.segments())
    for path in segment_paths(tmp_path)[1:]:
        write_index(path)
    assert counted(tmp_path) == expected


def counted(folder):
    tally = Tally()
    with Recording.open(folder) as recording:
        counting = Counting(tally)
        for piece in recording.uncounted(tally):
            counting.take(piece.data, piece.rows)
        counting.rest()
    return tally


def outages(folder):
    with Recording.open(folder) as recording:
        return recording.gaps()


def blocks_read(monkeypatch):
    """The sizes of what is read from now on."""
    read = []
    real = Walk.__iter__
    monkeypatch.setattr(Walk, "__iter__", lambda walk: (read.append(len(each.data)) or each for each in real(walk)))
    return read


def test_a_rare_instrument_costs_little_reading(store, monkeypatch):
    folder = folder_of(store)
    for path in segment_paths(folder):
        seal(path, QuickDisk())
    read = blocks_read(monkeypatch)
    assert found(folder, [RARE]).size == 3
    little = sum(read)
    read.clear()
    assert found(folder, ()).size == COUNT
    assert little < sum(read) / 2
    read.clear()
    assert found(folder, [NEVER]).size == 0
    assert read == []


@pytest.mark.parametrize("harm", ["missing", "cut", "flipped", "another's", "empty"])
def test_an_index_that_isnt_one_is_as_if_there_were_none(store, harm):
    folder = folder_of(store)
    expected = found(folder, [RARE, 256])
    for path in segment_paths(folder):
        index = write_index(path)
        raw = bytearray(index.read_bytes())
        raw[random.Random(harm).randrange(len(raw))] ^= 4
        if harm == "missing":
            index.unlink()
        else:
            other = segment_paths(folder)[0] if path != segment_paths(folder)[0] else segment_paths(folder)[1]
            contents = {"cut": bytes(raw[:-3]), "flipped": bytes(raw), "empty": b""}
            content = contents.get(harm) or (write_index(other).read_bytes() if harm == "another's" else b"")
            index.write_bytes(content)
        with SegmentReader(path) as reader:
            assert load_index(reader) is None
    assert found(folder, [RARE, 256]).tobytes() == expected.tobytes()


def test_every_flipped_bit_of_an_index_is_seen(store):
    with SegmentReader(segment_paths(folder_of(store))[0]) as reader:
        whole = SegmentIndex.of(reader).encoded()
    assert SegmentIndex.decoded(whole) is not None
    for bit in random.Random(1).sample(range(len(whole) * 8), min(4_000, len(whole) * 8)):
        raw = bytearray(whole)
        raw[bit // 8] ^= 1 << bit % 8
        assert SegmentIndex.decoded(bytes(raw)) is None


def test_damage_in_what_is_read_is_named_and_a_damaged_mark_is_met(store):
    folder = folder_of(store)
    path = segment_paths(folder)[1]
    write_index(path)
    with SegmentReader(path) as reader:
        index = load_index(reader)
        block = int(np.flatnonzero(index.blocks_of([RARE]))[0])
        if not block:
            block = int(np.flatnonzero(index.blocks_of([RARE]))[-1])
    raw = path.read_bytes()
    for at in (block * BLOCK_BYTES + 5, block * BLOCK_BYTES + 500):
        broken = bytearray(raw)
        broken[at] ^= 1
        path.write_bytes(broken)
        with pytest.raises(RecordingDamaged):
            found(folder, [RARE])
        assert [batch.ticks.size for batch in before_damage(folder, [RARE])] == [1]
    path.write_bytes(raw)
    assert found(folder, [RARE]).size == 3


def before_damage(folder, tokens):
    with Recording.open(folder) as recording, suppress(RecordingDamaged):
        yield from recording.ticks(tokens)


def test_only_what_is_ended_and_whole_is_indexed(tmp_path):
    day = Day(tmp_path, settings=SETTINGS)
    day.send(40)
    day.step()
    with pytest.raises(DataError, match="isn't ended"):
        write_index(day.writer.path)
    assert not index_path(day.writer.path).exists()


def test_an_index_that_was_removed_or_is_of_an_older_kite_is_made_again_by_the_next_sealing(store):
    assert all(progress.problem is None for progress in seal_ended(store, QuickDisk()))
    paths = [index_path(path) for path in segment_paths(folder_of(store))]
    before = [path.read_bytes() for path in paths]
    paths[1].unlink()
    paths[2].write_bytes(before[2].replace(MAGIC + b"\2", MAGIC + b"\1"))
    assert list(seal_ended(store, QuickDisk())) == []
    assert [path.read_bytes() for path in paths] == before
