"""Both views: the reference beside its writer and the compiled one beside its."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.ring.layout import COUNTERS, NO_TICK, NOT_WHOLE
from kitecli.ring.parts import RingParts
from tests.ring.implementations import BOTH, Implementation, full, message, needs_compiled, quote

pytestmark = BOTH


def blank(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros(count, TICK_DTYPE), np.zeros(count, DEPTH_DTYPE), np.zeros(count, np.int64)


def test_a_new_ring_is_empty_and_open(implementation: Implementation):
    view = implementation.ring().view
    assert (view.cursor(), view.board_rows(), view.closed(), view.heartbeat_ns()) == (0, 0, False, 0)
    assert view.counters().tolist() == [0] * len(COUNTERS)
    assert view.layout.capacity == 64


def test_what_the_writer_says_is_seen(implementation: Implementation):
    ring = implementation.ring()
    ring.writer.ingest(b"\x00", 77, 2)
    assert ring.view.heartbeat_ns() == 77
    ring.writer.close()
    assert ring.view.closed()


def test_copy_wraps_and_says_what_is_still_whole(implementation: Implementation):
    ring = implementation.ring()
    for start in range(0, 100, 10):
        ring.write([1] * 10, first_price=start)
    ticks, depth, _ = blank(64)
    assert ring.view.copy(36, 64, ticks, depth) == 36
    assert ticks["last_price"].tolist() == list(range(36, 100))
    assert ring.view.copy(50, 3, ticks, None) == 36
    assert ticks["last_price"][:4].tolist() == [50, 51, 52, 39]


def test_copy_during_a_message_says_what_it_may_overwrite(implementation: Implementation):
    ring = implementation.ring()
    ring.write([1] * 64)
    RingParts.of(ring.memory).intent[0] = 74
    ticks, _, _ = blank(64)
    assert ring.view.copy(0, 64, ticks, None) == 10


def test_depth_has_a_ring_of_its_own(implementation: Implementation):
    ring = implementation.ring(1024, 64)
    assert ring.memory.layout.depth_capacity == 128
    for start in range(0, 300, 50):
        ring.writer.ingest(message([full(1, start + at, quantity=start + at) for at in range(50)]), 1)
    ticks, depth, _ = blank(300)
    assert ring.view.copy(0, 300, ticks, depth) == 300 - 1024
    assert ticks["last_price"].tolist() == list(range(300))
    assert depth["sell"]["quantity"][172:, 4].tolist() == list(range(172, 300))


def test_history_is_one_instrument_s_newest_first(implementation: Implementation):
    ring = implementation.ring()
    ring.write([1, 2, 1, 1, 3, 2, 1])
    ticks, _, sequences = blank(3)
    assert ring.view.history(0, 3, ticks, sequences) == 3
    assert sequences.tolist() == [6, 3, 2]
    assert ticks["last_price"].tolist() == [6, 3, 2]
    assert ring.view.history(1, 3, ticks, sequences) == 2
    assert sequences[:2].tolist() == [5, 1]


def test_history_ends_where_the_ring_has_forgotten(implementation: Implementation):
    ring = implementation.ring()
    ring.write([1, 2] * 40)
    ticks, _, sequences = blank(64)
    assert ring.view.history(0, 64, ticks, sequences) == 32
    assert sequences[:32].tolist() == list(range(78, 14, -2))
    ring.write([2] * 64)
    assert ring.view.history(0, 64, ticks, sequences) == 0


def test_history_leaves_out_what_a_message_may_be_overwriting(implementation: Implementation):
    ring = implementation.ring()
    ring.write([1] * 64)
    RingParts.of(ring.memory).intent[0] = 124
    ticks, _, sequences = blank(64)
    assert ring.view.history(0, 64, ticks, sequences) == 4
    assert sequences[:4].tolist() == [63, 62, 61, 60]


def test_a_snapshot_is_everybody_s_latest(implementation: Implementation):
    ring = implementation.ring()
    ring.write([5, 6, 5])
    ring.writer.ingest(message([full(6, 60, quantity=9), quote(7, 70)]), 1)
    ticks, depth, sequences = blank(64)
    assert ring.view.snapshot(ticks, depth, sequences) == 3
    assert ticks["token"][:3].tolist() == [5, 6, 7]
    assert ticks["last_price"][:3].tolist() == [2, 60, 70]
    assert sequences[:3].tolist() == [2, 3, 4]
    assert depth["buy"]["quantity"][:3, 0].tolist() == [0, 9, 0]
    assert ring.view.snapshot(ticks, None, sequences) == 3
    assert ring.view.tokens(0, 3).tolist() == [5, 6, 7]
    assert ring.view.tokens(1, 2).tolist() == [6]


def test_a_row_in_the_middle_of_being_written_is_left_out(implementation: Implementation):
    ring = implementation.ring()
    ring.write([5, 6, 7])
    RingParts.of(ring.memory).meta["version"][1] += 1  # as a writer killed there would leave it
    ticks, depth, sequences = blank(3)
    assert ring.view.snapshot(ticks, depth, sequences) == 3
    assert sequences.tolist() == [0, NOT_WHOLE, 2]


def test_an_instrument_only_expected_has_a_row_and_no_tick(implementation: Implementation):
    ring = implementation.ring()
    ring.write([5])
    ring.writer.expect_snapshots({7: "full", 5: "ltp", 6: "quote"})
    ticks, depth, sequences = blank(4)
    assert ring.view.snapshot(ticks, depth, sequences) == 3
    assert sequences.tolist() == [0, NO_TICK, NO_TICK, 0]
    assert ring.view.tokens(0, 3).tolist() == [5, 7, 6]
    assert ring.view.history(1, 1, ticks, sequences) == 0
    ring.write([7])
    assert ring.view.snapshot(ticks, depth, sequences) == 3
    assert sequences.tolist() == [0, 1, NO_TICK, 0]


def test_a_snapshot_into_less_room_takes_the_first_rows(implementation: Implementation):
    ring = implementation.ring()
    ring.write([5, 6, 7])
    ticks, depth, sequences = blank(2)
    assert ring.view.snapshot(ticks, depth, sequences) == 2
    assert ticks["token"].tolist() == [5, 6]


def test_counters_are_a_copy(implementation: Implementation):
    ring = implementation.ring()
    counters = ring.view.counters()
    counters[:] = 99
    assert ring.view.counters().tolist() == [0] * len(COUNTERS)


def test_spinning_ends_with_something_new_or_without(implementation: Implementation):
    ring = implementation.ring()
    assert not ring.view.spin(0, 100)
    ring.write([1])
    assert ring.view.spin(0, 100)


def test_whoever_has_something_to_read_is_not_put_to_sleep(implementation: Implementation):
    ring = implementation.ring()
    page = bytearray(128)
    assert ring.view.announce_sleep(page, 16, 0)
    ring.write([1])
    assert not ring.view.announce_sleep(page, 16, 0)
    assert ring.view.announce_sleep(page, 16, 1)


@needs_compiled
def test_the_compiled_view_refuses_what_would_leave_its_memory(implementation: Implementation):
    from kitecli.hot import _hot

    ring = implementation.ring()
    ring.write([1, 2])
    view = _hot.RingView(ring.memory)
    ticks, depth, sequences = blank(8)
    for start, count in ((0, 65), (0, 9), (-1, 1), (0, -1), (0, 1 << 58), (0, 1 << 62)):
        with pytest.raises(ValueError, match=r"fit|has no"):
            view.copy(start, count, ticks, None)
    with pytest.raises(ValueError, match="fit"):
        view.copy(0, 8, ticks, depth[:7])
    for row, count in ((2, 1), (-1, 1), (0, 9), (0, -1), (0, 1 << 58)):
        with pytest.raises(ValueError, match=r"fit|no row"):
            view.history(row, count, ticks, sequences)
    for start, stop in ((0, 3), (-1, 1), (2, 1)):
        with pytest.raises(ValueError, match="no rows"):
            view.tokens(start, stop)
    with pytest.raises(ValueError, match="fit"):
        view.snapshot(ticks, depth[:1], sequences)
    with pytest.raises(ValueError, match="fit"):
        view.snapshot(ticks, None, sequences[:1])
    for offset in (-1, 125, 1 << 60):
        with pytest.raises(ValueError, match="fit"):
            view.announce_sleep(bytearray(128), offset, 0)
    for read_only in (bytes(128), memoryview(bytes(128))):
        with pytest.raises((BufferError, ValueError, TypeError)):
            view.announce_sleep(read_only, 0, 0)
