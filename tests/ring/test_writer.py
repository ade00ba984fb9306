from __future__ import annotations

from typing import Any

import pytest

from kitecli.market.tick import FLAG_DEPTH, FLAG_SNAPSHOT
from kitecli.protocol.decoder import decode_frame
from kitecli.ring.layout import COUNTERS, STATE_CLOSED, STATE_LIVE, RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.parts import RingParts
from kitecli.ring.writer import RingWriter
from tests.ring.implementations import BOTH, Implementation, full, index_full, index_quote, ltp, message, quote


class Written:
    """A ring of 64 ticks and 64 instruments, and its bytes as arrays."""

    def __init__(self) -> None:
        memory = RingMemory.private(RingLayout.of(64, 64))
        self.writer, self.parts = RingWriter(memory), RingParts.of(memory)

    def write(self, *packets: bytes) -> None:
        frame = decode_frame(message(packets))
        self.writer.write(frame.ticks, frame.depth)

    def counted(self) -> dict[str, int]:
        return {name: int(value) for name, value in zip(COUNTERS, self.parts.counters, strict=True) if value}


@pytest.fixture
def ring() -> Written:
    return Written()


def prices(ticks: Any) -> list[int]:
    return [int(price) for price in ticks["last_price"]]


def test_sequence_s_stands_at_s_modulo_the_capacity(ring: Written):
    for price in range(70):
        ring.write(quote(1, price))
    assert (int(ring.parts.cursor[0]), int(ring.parts.intent[0])) == (70, 70)
    assert prices(ring.parts.ticks) == [*range(64, 70), *range(6, 64)]


def test_a_message_larger_than_the_ring_leaves_its_end(ring: Written):
    ring.write(*(quote(1, price) for price in range(100)))
    assert int(ring.parts.cursor[0]) == int(ring.parts.intent[0]) == 100
    assert sorted(prices(ring.parts.ticks)) == list(range(36, 100))


def test_links_lead_to_the_instrument_s_previous_tick(ring: Written):
    ring.write(*(quote(token, 0) for token in (7, 8, 7, 9, 8, 7)))
    assert ring.parts.links[:6].tolist() == [0, 0, 2, 0, 3, 3]


def test_an_instrument_keeps_the_row_it_got_first(ring: Written):
    ring.write(quote(70, 1), quote(80, 2), quote(70, 3))
    assert int(ring.parts.board_rows[0]) == 2
    assert ring.parts.meta["token"][:3].tolist() == [70, 80, 0]
    assert ring.parts.meta["next_sequence"][:3].tolist() == [3, 2, 0]
    assert prices(ring.parts.board_ticks[:3]) == [3, 2, 0]
    assert ring.parts.meta["version"][:3].tolist() == [4, 2, 0], "even: nothing is being written"


def test_the_board_keeps_the_depth_that_a_quote_doesn_t_bring(ring: Written):
    ring.write(full(5, 100, quantity=7))
    ring.write(quote(5, 101))
    assert ring.parts.board_depth["buy"]["quantity"][0].tolist() == [7] * 5
    assert not ring.parts.board_ticks["flags"][0] & FLAG_DEPTH
    assert ring.parts.depth["buy"]["quantity"][:2, 0].tolist() == [7, 0]


def test_instruments_the_board_has_no_row_for_are_counted_and_still_in_the_ring(ring: Written):
    ring.write(*(quote(token, token) for token in range(70)))
    ring.write(quote(69, 500), quote(0, 501))
    assert int(ring.parts.board_rows[0]) == 64
    assert ring.counted() == {"off_board": 7}
    assert prices(ring.parts.ticks[6:8]) == [500, 501]
    assert ring.parts.links[6] == 0
    assert ring.parts.links[7] == 71


def test_counts_add_up_by_name(ring: Written):
    ring.writer.count(frames=1, truncated=2)
    ring.writer.count(frames=4, ticks=0)
    assert ring.counted() == {"frames": 5, "truncated": 2}


def test_beat_and_close_are_left_for_readers_to_see(ring: Written):
    assert int(ring.parts.state[0]) == STATE_LIVE
    ring.writer.beat(123_456_789)
    ring.writer.close()
    assert int(ring.parts.heartbeat_ns[0]) == 123_456_789
    assert int(ring.parts.state[0]) == STATE_CLOSED


def flagged(ring: Written, count: int) -> list[bool]:
    return [bool(flags & FLAG_SNAPSHOT) for flags in ring.parts.ticks["flags"][:count].tolist()]


def test_the_tick_after_a_subscription_is_a_snapshot_and_the_next_one_isn_t(ring: Written):
    ring.writer.expect_snapshots({5: "quote"})
    ring.write(quote(5, 1), quote(6, 1), quote(5, 2), quote(5, 3))
    assert flagged(ring, 4) == [True, False, False, False]
    assert not ring.parts.board_ticks["flags"][0] & FLAG_SNAPSHOT


def test_the_board_has_the_flag_while_the_snapshot_is_the_latest(ring: Written):
    ring.writer.expect_snapshots({5: "quote"})
    ring.write(quote(5, 1))
    assert ring.parts.board_ticks["flags"][0] & FLAG_SNAPSHOT


@pytest.mark.parametrize(
    ("wanted", "packets", "expected"),
    [
        ("quote", [quote, quote], [True, False]),
        ("quote", [full, quote], [True, False]),
        ("full", [full, full], [True, False]),
        ("full", [quote, full, full], [True, True, False]),
        ("full", [quote, quote, full], [True, True, False]),
        ("ltp", [ltp, ltp], [True, False]),
        ("ltp", [quote, ltp, ltp], [True, True, False]),
        ("full", [index_full, index_full], [True, False]),
        ("full", [index_quote, index_full, index_full], [True, True, False]),
        ("quote", [index_quote, index_quote], [True, False]),
    ],
)
def test_in_another_mode_than_quote_two_may_come(ring: Written, wanted: str, packets: list[Any], expected: list[bool]):
    ring.writer.expect_snapshots({5: wanted})
    for make in packets:
        ring.write(make(5, 1))
    assert flagged(ring, 3)[: len(expected)] == expected


def test_one_message_may_bring_both(ring: Written):
    ring.writer.expect_snapshots({5: "full", 6: "full"})
    ring.write(*(quote(token, 1) for token in (5, 5, 6, 5, 6)))
    assert flagged(ring, 5) == [True, True, True, False, True]


def test_subscribing_again_counts_afresh(ring: Written):
    ring.writer.expect_snapshots({5: "full"})
    ring.write(quote(5, 1))
    ring.writer.expect_snapshots({5: "quote"})
    ring.write(quote(5, 2), quote(5, 3))
    ring.writer.expect_snapshots({5: "ltp"})
    ring.write(quote(5, 4), quote(5, 5), quote(5, 6))
    assert flagged(ring, 6) == [True, True, False, True, True, False]


def test_expected_instruments_take_their_rows_in_the_order_given(ring: Written):
    ring.write(quote(9, 1))
    ring.writer.expect_snapshots({7: "full", 9: "full", 8: "quote"})
    assert int(ring.parts.board_rows[0]) == 3
    assert ring.parts.meta["token"][:3].tolist() == [9, 7, 8]
    assert ring.parts.meta["next_sequence"][:3].tolist() == [1, 0, 0]


def test_an_instrument_no_row_is_left_for_gets_no_flag(ring: Written):
    ring.writer.expect_snapshots(dict.fromkeys(range(65), "quote"))
    ring.write(quote(63, 1), quote(64, 1))
    assert flagged(ring, 2) == [True, False]
    assert ring.counted() == {"off_board": 1}


def test_a_tick_handed_in_is_left_as_it_was(ring: Written):
    frame = decode_frame(message([quote(5, 1)]))
    ring.writer.expect_snapshots({5: "quote"})
    ring.writer.write(frame.ticks, frame.depth)
    assert not frame.ticks["flags"][0] & FLAG_SNAPSHOT


@BOTH
@pytest.mark.parametrize(
    ("modes", "error"),
    [
        ({5: "quote", 6: "fool"}, ValueError),
        ({5: "quote", -1: "full"}, OverflowError),
        ({5: "full", 1 << 32: "full"}, OverflowError),
    ],
)
def test_what_can_t_be_expected_is_refused_and_changes_nothing(implementation: Implementation, modes: Any, error: Any):
    ring = implementation.ring()
    with pytest.raises(error):
        ring.writer.expect_snapshots(modes)
    assert ring.view.board_rows() == 0


def test_what_was_written_is_handed_back_with_its_row(ring: Written):
    frame = decode_frame(message([quote(70, 1), quote(80, 2), quote(70, 3)]))
    ring.writer.expect_snapshots({70: "quote"})
    written = ring.writer.write(frame.ticks, frame.depth)
    assert [row for row, _ in written] == [0, 1, 0]
    assert [int(tick["last_price"]) for _, tick in written] == [1, 2, 3]
    assert [bool(tick["flags"] & FLAG_SNAPSHOT) for _, tick in written] == [True, False, False]


def test_what_has_no_row_is_handed_back_without_one(ring: Written):
    frame = decode_frame(message([quote(token, 0) for token in range(65)]))
    assert [row for row, _ in ring.writer.write(frame.ticks, frame.depth)] == [*range(64), None]


def test_whoever_asks_is_told_of_each_instrument_that_takes_a_row():
    admitted: list[int] = []
    writer = RingWriter(RingMemory.private(RingLayout.of(64, 64)), admitted.append)
    frame = decode_frame(message([quote(token, 0) for token in (9, 8, 9)]))
    writer.expect_snapshots({7: "full"})
    writer.write(frame.ticks, frame.depth)
    assert (writer.take_row(6), writer.take_row(8)) == (3, 2)
    assert admitted == [7, 9, 8, 6]
    assert (writer.row_of(6), writer.row_of(5)) == (3, None)
