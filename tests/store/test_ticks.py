"""Recorded messages come out of the decoder as they went through it live."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from kitecli.errors import EnvironmentProblem
from kitecli.hot import FramePass, RingView
from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, FLAG_SNAPSHOT, TICK_DTYPE
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.store.layout import SUBSCRIBED
from kitecli.store.payloads import encode_subscribed
from kitecli.store.recording import Recording
from kitecli.store.ticks import BATCH_TICKS
from kitecli.store.writer import StoreSettings
from tests.conformance.vectors import INFY_LTP, message
from tests.fuzz.frames import steps
from tests.store.days import Day

LARGE = StoreSettings(buffer_bytes=1 << 24, floor_bytes=0)


def together(batches):
    """All ticks and depth rows of batches."""
    found = list(batches)
    assert all(batch.ticks.size for batch in found)
    # concatenate() would put depth into the machine's byte order
    ticks, depth = (b"".join(getattr(batch, name).tobytes() for batch in found) for name in ("ticks", "depth"))
    return np.frombuffer(ticks, TICK_DTYPE), np.frombuffer(depth, DEPTH_DTYPE)


@pytest.fixture(scope="module")
def live_and_recorded(tmp_path_factory):
    """What a live ring held of thousands of messages, sound and damaged, and the folder of their recording."""
    layout = RingLayout.of(1 << 16)
    memory = RingMemory.private(RingLayout(layout.capacity, layout.capacity, layout.board_capacity))
    ring, day = FramePass(memory), Day(tmp_path_factory.mktemp("day"), settings=LARGE)
    for stamp, step in enumerate(steps(11, 7_000), 1_000):
        if isinstance(step, dict):
            ring.expect_snapshots(step)
            day.stage.append(encode_subscribed(step), stamp, 1, SUBSCRIBED)
        else:
            ring.ingest(step, stamp, stamp % 3)
            day.stage.append(step, stamp, stamp % 3)
    day.step()
    view = RingView(memory)
    count = view.cursor()
    ticks, depth = np.empty(count, TICK_DTYPE), np.empty(count, DEPTH_DTYPE)
    view.copy(0, count, ticks, depth)
    assert 2 * BATCH_TICKS < count < layout.capacity
    return ticks, depth, day.folder


def test_ticks_order_stamps_connections_flags_and_depth_are_those_of_the_live_ring(live_and_recorded):
    ticks, depth, folder = live_and_recorded
    with Recording.open(folder) as recording:
        found, beside = together(recording.ticks(depth=True))
    assert found.tobytes() == ticks.tobytes()
    deep = (ticks["flags"] & FLAG_DEPTH) > 0
    assert beside[deep].tobytes() == depth[deep].tobytes()
    assert ((ticks["flags"] & FLAG_SNAPSHOT) > 0).any()


def test_some_instruments_of_a_span(live_and_recorded):
    ticks, _, folder = live_and_recorded
    tokens, counts = np.unique(ticks["token"], return_counts=True)
    wanted = [int(token) for token in tokens[np.argsort(counts)[-3:]]]
    with Recording.open(folder) as recording:
        found = np.concatenate([batch.ticks for batch in recording.ticks(wanted, 1_500, 2_500)])
    chosen = np.isin(ticks["token"], wanted) & (ticks["ts_recv_ns"] >= 1_500) & (ticks["ts_recv_ns"] < 2_500)
    snapshots = ~np.uint16(FLAG_SNAPSHOT)
    found["flags"] &= snapshots  # what was subscribed before the span isn't known
    expected = ticks[chosen].copy()
    expected["flags"] &= snapshots
    assert found.tobytes() == expected.tobytes()


def test_the_largest_message_there_can_be(tmp_path):
    day = Day(tmp_path, settings=LARGE)
    day.stage.append(message(*[INFY_LTP] * 65_535), 1, 0)
    day.stage.append(message(*[INFY_LTP] * 65_535), 2, 0)
    day.step()
    with Recording.open(tmp_path) as recording:
        assert [batch.ticks.size for batch in recording.ticks()] == [65_535, 65_535]
        assert all(batch.depth is None for batch in recording.ticks())


def test_no_ticks_no_batches(tmp_path):
    day = Day(tmp_path)
    day.stage.append(b"h", 1, 0)
    day.step()
    with Recording.open(tmp_path) as recording:
        assert list(recording.ticks()) == []


def test_a_span_in_one_piece(live_and_recorded):
    ticks, depth, folder = live_and_recorded
    token = int(ticks["token"][0])
    with Recording.open(folder) as recording:
        whole = recording.array(depth=True)
        assert whole.ticks.tobytes() == ticks.tobytes()
        deep = (ticks["flags"] & FLAG_DEPTH) > 0
        assert whole.depth[deep].tobytes() == depth[deep].tobytes()
        some = recording.array([token], 2_000, 3_000)
        pieces = list(recording.ticks([token], 2_000, 3_000))
        none = recording.array([token], 1, 2)
    assert some.ticks.tobytes() == b"".join(batch.ticks.tobytes() for batch in pieces)
    assert some.depth is None
    assert (none.ticks.size, none.ticks.dtype) == (0, TICK_DTYPE)
    whole.ticks["last_price"] += 1  # it is the caller's


def test_as_an_arrow_table(live_and_recorded):
    pytest.importorskip("pyarrow", reason="needs kitecli[arrow]")
    with Recording.open(live_and_recorded[2]) as recording:
        whole = recording.array()
    table = whole.to_arrow()
    assert table.num_rows == whole.ticks.size
    assert tuple(table.column_names) == TICK_DTYPE.names
    for name in TICK_DTYPE.names:
        assert table[name].to_numpy().tolist() == whole.ticks[name].tolist()


def test_without_pyarrow_it_says_what_to_install(live_and_recorded, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with (
        Recording.open(live_and_recorded[2]) as recording,
        pytest.raises(EnvironmentProblem, match=r"kitecli\[arrow\]"),
    ):
        next(recording.ticks()).to_arrow()
