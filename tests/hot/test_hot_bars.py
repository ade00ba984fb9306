"""The compiled module's bars as an extension: what it keeps alive, what it refuses, what it leaves behind."""

from __future__ import annotations

import gc
import mmap
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kitecli.bars.intervals import Interval
from kitecli.bars.layout import RINGS_OFFSET, BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.record import BAR_DTYPE
from kitecli.bars.timeline import EMPTY, Timeline
from kitecli.hot import uncompiled
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from tests.bars.stage import Stage
from tests.ring.implementations import message, quote

_hot = pytest.importorskip("kitecli.hot._hot", reason="the extension isn't built")

ROWS = 64
SPANS = (Interval.parse("1s"), Interval.parse("100ms"))
LAYOUT = BarsLayout(ROWS, 64, len(SPANS))
NOW_NS = 1_785_815_100_000_000_000
TOKEN = 408065


def bars() -> BarsMemory:
    return BarsMemory.private(LAYOUT, SPANS, 1500)


def ring() -> RingMemory:
    return RingMemory.private(RingLayout.of(64, ROWS))


def hours(*starts: int, kinds: tuple[int, ...] | None = None) -> Timeline:
    return Timeline(np.array(starts, np.int64), np.array(kinds or [0] * len(starts), np.uint8))


def test_without_bars_there_are_none_to_close_and_none_to_mark():
    one = _hot.FramePass(ring())
    one.ingest(message([quote(TOKEN, 1)]), NOW_NS)
    one.mark_gap([TOKEN, 5])
    one.place({TOKEN: 0})
    assert one.close_bars(NOW_NS, 1) is False


def test_bars_too_small_for_their_layout_are_refused():
    small = SimpleNamespace(buffer=mmap.mmap(-1, 4096), layout=LAYOUT, intervals=SPANS)
    with pytest.raises(ValueError, match="do not fit"):
        _hot.FramePass(ring(), small)
    with pytest.raises(ValueError, match="do not fit"):
        _hot.BarsView(small)


@pytest.mark.parametrize("rows", [32, 128])
def test_bars_of_another_board_are_refused(rows: int):
    other = BarsMemory.private(BarsLayout(rows, 64, 1), SPANS[:1], 0)
    with pytest.raises(ValueError, match=f"{rows} rows"):
        _hot.FramePass(ring(), other)


def test_bars_attached_for_reading_have_no_writer(tmp_path: Path):
    BarsMemory.create(tmp_path / "feed.bars", LAYOUT, SPANS, 0)
    attached = BarsMemory.attach(tmp_path / "feed.bars")
    with pytest.raises((BufferError, TypeError)):
        _hot.FramePass(ring(), attached)
    assert _hot.BarsView(attached).cursor(1) == 0


@pytest.mark.parametrize(
    "damaged",
    [
        hours(5, 4),
        hours(5, 5),
        hours(0, 10, kinds=(0, 6)),
        Timeline(np.zeros(1, np.int64), np.zeros(2, np.uint8)),
        Timeline(np.array([0, 1], np.int32), np.zeros(2, np.uint8)),
    ],
    ids=["descending", "twice", "of no kind", "short", "of other integers"],
)
def test_a_damaged_timeline_is_refused(damaged: Timeline):
    with pytest.raises(ValueError, match=r"timeline|fit"):
        _hot.FramePass(ring(), bars(), (EMPTY, damaged))


@pytest.mark.parametrize("timeline", [-1, 2, 1 << 20])
def test_a_timeline_that_isn_t_there_is_refused_and_nothing_placed(timeline: int):
    memory = ring()
    one = _hot.FramePass(memory, bars(), (EMPTY, hours(0, 10)))
    with pytest.raises(ValueError, match="no timeline"):
        one.place({TOKEN: 1, 5: timeline})
    assert _hot.RingView(memory).board_rows() == 0


def test_what_is_no_token_is_refused_and_nothing_placed():
    memory = ring()
    one = _hot.FramePass(memory, bars())
    with pytest.raises(OverflowError):
        one.place({TOKEN: 0, -1: 0})
    with pytest.raises(OverflowError):
        one.mark_gap([1 << 32])
    assert _hot.RingView(memory).board_rows() == 0


def test_sweeps_of_no_rows_look_at_none():
    one, memory = _hot.FramePass(ring(), kept := bars()), _hot.BarsView(kept)
    one.ingest(message([quote(TOKEN, 1)]), NOW_NS)
    for limit in (0, -5, -(1 << 60)):
        assert one.close_bars(NOW_NS + 10**12, limit) is True
    assert memory.cursor(0) == 0
    assert one.close_bars(NOW_NS + 10**12, 1 << 60) is False
    assert memory.cursor(0) == 1


def test_stamps_of_the_evening_of_who_joined_behind_midnight_are_taken_as_the_reference_takes_them():
    """Volume is of a later day than the bar then, and by one look the next tick would be of both."""
    stages = [Stage(one, "1m") for one in (_hot.FramePass, uncompiled.FramePass)]
    for stage in stages:
        for second, volume in ((10, 1000), (20, 1000), (30, 1100), (40, 1200)):
            stage.tick(f"2026-08-05 00:05:{second}", 7, volume, stamp=f"2026-08-04 23:58:{second}")
        stage.sweep("2026-08-05 00:10:00")
    compiled, reference = (bytes(stage.memory.buffer[RINGS_OFFSET:]) for stage in stages)
    assert compiled == reference


def test_a_round_is_worth_its_while_only_where_something_is_due():
    """What isn't due isn't recorded either, so the answer must never be no where a sweep would close something."""
    one, memory = _hot.FramePass(ring(), kept := bars()), _hot.BarsView(kept)
    assert one.bars_due(NOW_NS) is False
    one.ingest(message([quote(TOKEN, 1)]), NOW_NS)
    steps = [NOW_NS + number * 10**8 for number in range(1_000)]
    due = next(now_ns for now_ns in steps if one.bars_due(now_ns))
    assert due > NOW_NS
    one.close_bars(due - 10**8, 1 << 60)
    assert memory.cursor(0) == 0
    one.close_bars(due, 1 << 60)
    assert sum(memory.cursor(series) for series in range(len(memory.intervals))) > 0
    assert one.bars_due(due) is False
    assert _hot.FramePass(ring()).bars_due(NOW_NS) is False


def test_a_bar_whose_stamps_have_stopped_is_closed_by_our_clock():
    """A sweep has nothing to do before the first bar is due; a bar's clock may change while it forms."""
    one = Stage(_hot.FramePass, "1h")
    one.tick("2026-08-04 10:50:00", 7, 100, stamp="2026-08-04 10:35:00")
    one.tick("2026-08-04 10:51:00", 8)
    one.sweep("2026-08-04 11:00:01")
    assert one.records("1h").size == 0
    one.sweep("2026-08-04 11:00:02")
    assert one.records("1h")["close"].tolist() == [8]


def test_memory_and_hours_live_as_long_as_somebody_looks_at_them():
    memory, line = bars(), hours(0, 10)
    gone, starts = weakref.ref(memory), weakref.ref(line.starts_ms)
    one, view = _hot.FramePass(ring(), memory, (EMPTY, line)), _hot.BarsView(memory)
    del memory, line
    gc.collect()
    assert gone() is None
    assert starts() is not None, "the pass reads the array itself"
    one.place({TOKEN: 1})
    one.ingest(message([quote(TOKEN, 7)]), NOW_NS)
    del one
    gc.collect()
    assert starts() is None
    records = np.zeros(1, BAR_DTYPE)
    assert view.forming(0, 1, 0, records) == 1
    assert records["close"][0] == 7


def test_nothing_is_left_behind():
    """References of a thousand passes with bars."""
    line, records = hours(0, 10), np.zeros(4, BAR_DTYPE)
    held = (line.starts_ms, line.kinds, records)
    payload = message([quote(TOKEN, 7)])

    def once() -> None:
        memory = bars()
        one, view = _hot.FramePass(ring(), memory, (EMPTY, line)), _hot.BarsView(memory)
        one.ingest(payload, NOW_NS)
        one.ingest(payload, NOW_NS + 10**9)
        with pytest.raises(ValueError, match="timeline"):
            _hot.FramePass(ring(), memory, (EMPTY, hours(5, 4)))
        view.copy(0, 0, 1, records)
        view.history(0, 0, 4, records)
        view.forming(0, 4, 0, records)

    once()
    before = [sys.getrefcount(one) for one in held]
    for _ in range(1000):
        once()
    assert [sys.getrefcount(one) for one in held] == before
