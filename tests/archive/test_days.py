"""What a day holds, and its state however it was left."""

from __future__ import annotations

import shutil
from pathlib import Path

from kitecli.archive.days import look_at
from kitecli.market.tick import MODE_FULL, MODE_LTP, MODE_QUOTE
from kitecli.protocol.encoder import encode_frames
from kitecli.store.recorder import Recorder, StoreHold
from kitecli.store.sealing import seal
from tests.archive.stores import DAY, FLOORLESS, INFY, NIFTY, START_NS, STEP_NS, USDINR, flip, record_day, ticks_of


def test_a_day_is_counted(store: Path):
    read: list[int] = []
    day = look_at(store / "2026-11-20", read.append)
    assert (day.day, day.state, day.imported, day.files) == (DAY, "ended", False, 1)
    assert day.tally.by_token == {INFY: 600, NIFTY: 600, USDINR: 200}
    assert day.tally.modes == {MODE_FULL: 600, MODE_QUOTE: 600, MODE_LTP: 200}
    assert (day.tally.first_ns, day.tally.last_ns) == (START_NS, START_NS + 599 * STEP_NS)
    assert [(gap.tokens, gap.to_ns) for gap in day.gaps] == [((INFY,), START_NS + 250 * STEP_NS)]
    assert (day.raw_bytes, day.packed_bytes) == ((store / "2026-11-20" / "0001.kseg").stat().st_size, 0)
    assert read[0] > 0
    assert sum(read) == day.size
    told = day.as_dict() | day.counts()
    assert (told["ticks"], told["instruments"], told["messages"], told["gaps"]) == (1400, 3, 600, 1)
    assert told["ticks_by_mode"] == {"ltp": 200, "quote": 600, "full": 600}


def test_while_it_is_recorded_and_after_its_recorder_was_killed(tmp_path: Path):
    hold = StoreHold.take(tmp_path)
    recorder = Recorder(hold, DAY, settings=FLOORLESS)
    (message,) = encode_frames(*ticks_of(0), packets_per_frame=10)
    recorder.append(message, START_NS, 0)
    recorder.append(b"\0", START_NS + 1, 0)
    assert recorder.flush()
    day = look_at(tmp_path / "2026-11-20")
    assert (day.state, day.tally.ticks, day.tally.heartbeats) == ("recording", 3, 1)
    other = tmp_path / "copy" / "2026-11-20"
    shutil.copytree(tmp_path / "2026-11-20", other)
    assert look_at(other).state == "cut off"
    recorder.close()
    hold.release()
    assert look_at(tmp_path / "2026-11-20").state == "ended"


def test_packed_is_counted_as_packed(tmp_path: Path):
    folder = record_day(tmp_path)
    raw = look_at(folder)
    seal(folder / "0001.kseg")
    packed = look_at(folder)
    assert packed.tally.by_token == raw.tally.by_token
    assert (packed.raw_bytes, packed.state) == (0, "ended")
    assert 0 < packed.packed_bytes < raw.raw_bytes / 2


def test_damage_is_its_state_and_what_stands_before_it_counts(tmp_path: Path):
    folder = record_day(tmp_path)
    flip(folder / "0001.kseg", 0.5)
    day = look_at(folder)
    assert day.state == "damaged"
    assert 0 < day.tally.ticks < 1400
    assert day.problem is not None
    assert "lost" in day.problem.why


def test_another_version_is_said(tmp_path: Path):
    folder = record_day(tmp_path)
    raw = bytearray((folder / "0001.kseg").read_bytes())
    raw[8] = 9
    (folder / "0001.kseg").write_bytes(raw)
    problem = look_at(folder).problem
    assert problem is not None
    assert "version 9" in problem.why
