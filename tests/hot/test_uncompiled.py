"""The pass where no compiler was; that it leaves what the compiled one leaves is shown in tests/fuzz."""

from __future__ import annotations

import numpy as np

from kitecli.hot.uncompiled import FramePass
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.ring.layout import COUNTERS, RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.view import RingView
from tests.conformance.vectors import INFY_FULL, INFY_LTP, INFY_QUOTE, message


def ring() -> tuple[FramePass, RingView]:
    memory = RingMemory.private(RingLayout.of(64, 64))
    return FramePass(memory), RingView(memory)


def counted(view: RingView) -> dict[str, int]:
    return {name: count for name, count in zip(COUNTERS, view.counters().tolist(), strict=True) if count}


def test_a_frame_in_is_ticks_in_the_ring():
    writer, view = ring()
    assert writer.ingest(message(INFY_QUOTE, INFY_FULL), 123, 2) == 2
    ticks, depth = np.zeros(2, TICK_DTYPE), np.zeros(2, DEPTH_DTYPE)
    view.copy(0, 2, ticks, depth)
    assert ticks["last_price"].tolist() == [157315, 157370]
    assert ticks["ts_recv_ns"].tolist() == [123, 123]
    assert ticks["connection"].tolist() == [2, 2]
    assert depth["buy"]["price"][1, 0] == 157340
    assert (view.cursor(), view.board_rows(), view.heartbeat_ns()) == (2, 1, 123)


def test_frames_bytes_heartbeats_and_damage_are_counted():
    writer, view = ring()
    frames = [message(INFY_LTP), b"\x00", b"", message(INFY_LTP, b"?")[:-1], message(INFY_LTP, b"?"), b"\x00\x00\x00"]
    assert [writer.ingest(frame, 1) for frame in frames] == [1, 0, 0, 1, 1, 0]
    assert counted(view) == {
        "frames": 6,
        "bytes": sum(map(len, frames)),
        "ticks": 3,
        "heartbeats": 1,
        "empty": 1,
        "truncated": 1,
        "unknown_length": 1,
        "trailing": 1,
    }


def test_a_view_of_the_bytes_is_taken_as_well():
    writer, view = ring()
    writer.ingest(memoryview(bytearray(message(INFY_QUOTE))), 1)
    assert view.cursor() == 1


def test_closing_is_seen():
    writer, view = ring()
    writer.close()
    assert view.closed()


def test_without_a_memory_for_bars_there_are_none_to_close():
    writer, view = ring()
    writer.place({5: 0})
    writer.mark_gap([5, 6])
    assert not writer.close_bars(1 << 60, 100)
    assert view.board_rows() == 1
