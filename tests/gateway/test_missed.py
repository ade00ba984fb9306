"""Volume traded during an outage, from a ring's history; no socket."""

import numpy as np
import pytest

from kitecli.gateway.missed import MISSED_DTYPE, UNKNOWN, missed_volume, newest
from kitecli.hot import FramePass, RingView
from kitecli.market.gap import Gap
from kitecli.market.tick import DEPTH_DTYPE, MODE_LTP, MODE_QUOTE, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory

INFY, TCS, NIFTY = 408065, 2953217, 256265
S = 1_000_000_000


class Ring:
    """A ring of 256 ticks; ``take(second, token=volume)`` writes a tick each."""

    def __init__(self):
        memory = RingMemory.private(RingLayout.of(256, 64))
        self.writer, self.view = FramePass(memory), RingView(memory)

    def take(self, second, mode=MODE_QUOTE, **volumes):
        for name, volume in volumes.items():
            row = np.zeros(1, TICK_DTYPE)
            row["token"], row["mode"], row["volume"] = globals()[name], mode, volume
            for frame in encode_frames(row, np.zeros(1, DEPTH_DTYPE), 1):
                self.writer.ingest(frame, second * S)

    def missed(self, gap):
        rows = {int(token): row for row, token in enumerate(self.view.tokens(0, self.view.board_rows()))}
        found = missed_volume(self.view, rows, gap)
        assert found.dtype == MISSED_DTYPE
        return {int(row["token"]): tuple(row.tolist()[1:]) for row in found}


@pytest.fixture
def ring():
    return Ring()


def test_the_jump_lies_between_the_last_tick_before_and_the_first_after(ring):
    ring.take(1, INFY=100, TCS=50)
    ring.take(2, INFY=110)
    sequence = ring.view.cursor()
    ring.take(9, INFY=175, TCS=50)
    ring.take(10, INFY=180)
    gap = Gap(0, (INFY, TCS), 2 * S, 9 * S, "cut", sequence)
    assert ring.missed(gap) == {INFY: (110, 175, 65), TCS: (50, 50, 0)}


def test_ticks_of_other_connections_meanwhile_are_neither(ring):
    ring.take(1, INFY=100)
    ring.take(5, TCS=7)
    sequence = ring.view.cursor()
    ring.take(8, INFY=130)
    assert ring.missed(Gap(0, (INFY,), 1 * S, 8 * S, "cut", sequence)) == {INFY: (100, 130, 30)}


def test_what_came_during_the_outage_is_no_last_tick_before_it(ring):
    ring.take(1, INFY=100)
    ring.take(5, INFY=120)  # by another connection, which carried the instrument meanwhile
    sequence = ring.view.cursor()
    ring.take(8, INFY=130)
    assert ring.missed(Gap(0, (INFY,), 1 * S, 8 * S, "cut", sequence)) == {INFY: (100, 130, 30)}


def test_what_cant_be_known_is_said(ring):
    ring.take(1, INFY=100, NIFTY=0)
    ring.take(1, MODE_LTP, TCS=0)
    lasting = Gap(0, (INFY, 1), 1 * S, None, "cut")
    assert ring.missed(lasting) == {INFY: (100, UNKNOWN, UNKNOWN), 1: (UNKNOWN,) * 3}
    sequence = ring.view.cursor()
    ring.take(9, INFY=20, NIFTY=0)
    ring.take(9, MODE_LTP, TCS=0)
    ended = Gap(0, (INFY, NIFTY, TCS), 1 * S, 9 * S, "cut", sequence)
    unknown = (UNKNOWN,) * 3
    assert ring.missed(ended) == {INFY: (100, 20, UNKNOWN), NIFTY: unknown, TCS: unknown}, "a new day, an index, ltp"


def test_a_long_history_is_looked_through_and_a_forgotten_one_is_unknown(ring):
    ring.take(1, INFY=100, TCS=5)
    sequence = ring.view.cursor()
    for second in range(2, 152):
        ring.take(second, INFY=100 + second)
    gap = Gap(0, (INFY, TCS), 1 * S, 2 * S, "cut", sequence)
    assert ring.missed(gap)[INFY] == (100, 102, 2)
    for second in range(152, 452):
        ring.take(second, INFY=100 + second)
    assert ring.missed(gap) == {INFY: (UNKNOWN,) * 3, TCS: (UNKNOWN,) * 3}


def test_newest_gives_no_more_than_there_is(ring):
    ring.take(1, INFY=100)
    ticks, sequences = newest(ring.view, 0, 1_000_000)
    assert (ticks["volume"].tolist(), sequences.tolist()) == ([100], [0])
