from __future__ import annotations

from typing import Any

import pytest

from kitecli.market.tick import FLAG_DEPTH
from kitecli.protocol.decoder import decode_frame
from kitecli.ring.layout import COUNTERS, STATE_CLOSED, STATE_LIVE, RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.parts import RingParts
from kitecli.ring.writer import RingWriter
from tests.ring.implementations import full, message, quote


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
