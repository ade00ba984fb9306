"""Liquid instruments that stop while the others go on."""

import numpy as np
import pytest

from kitecli.feed.ages import LIQUID_WINDOWS, WINDOW_S, Ages, InstrumentAges


class Board:
    """Instruments by token, on two connections: odd tokens on the first."""

    def __init__(self, count=6):
        self.stamps = dict.fromkeys(range(1, count + 1), 0)
        self.ages, self.now_s, self.ticks = InstrumentAges(), 100.0, 0
        self.wanted = set(self.stamps)

    def look(self, *ticking, after_s=WINDOW_S, shuffled=False):
        for token in ticking:
            self.ticks += 1
            self.stamps[token] = self.ticks
        self.now_s += after_s
        order = list(reversed(self.stamps)) if shuffled else list(self.stamps)
        tokens = np.array(order, np.uint32)
        stamps = np.array([self.stamps[token] for token in order], np.int64)
        return self.ages.look(tokens, stamps, (tokens % 2).astype(np.uint8), self.now_s, self.wanted)

    def warm(self, *ticking, windows=LIQUID_WINDOWS):
        for _ in range(windows):
            assert self.look(*ticking) == Ages()


def looks(board, count, *ticking):
    """What each of so many looks finds."""
    return [board.look(*ticking) for _ in range(count)]


def test_a_liquid_instrument_that_stops_is_named_once_and_so_is_its_return():
    board = Board()
    board.warm(1, 3, 5)
    found = looks(board, 20, 1, 3)
    assert [index for index, ages in enumerate(found, 1) if ages != Ages()] == [7], "after more than 30 s, once"
    assert found[6] == Ages(silent=(5,))
    assert board.look(1, 3, 5) == Ages(back=(5,))
    assert looks(board, 20, 1, 3) == [Ages()] * 20, "one tick doesn't make it liquid again"


def test_instruments_that_trade_now_and_then_raise_no_alarm():
    """500 tokens that trade once in ten minutes, beside one that always does."""
    board = Board(501)
    for window in range(240):
        assert board.look(501, *range(window % 120 + 1, 501, 120)) == Ages()


def test_five_windows_in_a_row_are_not_liquid_yet():
    board = Board()
    board.look(1)  # so that 3 isn't new at the first of its five
    board.warm(1, 3, windows=5)
    board.look(1)
    assert looks(board, 20, 1) == [Ages()] * 20


def test_when_nothing_of_the_connection_ticks_it_is_no_instruments_silence():
    """An outage, or a market that has closed: told by the connection's state."""
    board = Board()
    board.warm(1, 2, 3, 4)
    assert looks(board, 100, 2, 4) == [Ages()] * 100
    assert looks(board, 100) == [Ages()] * 100
    assert looks(board, 7, 1, 2, 4)[-1] == Ages(silent=(3,)), "its silence counts from when the others were back"


def test_time_we_slept_through_is_no_evidence():
    board = Board()
    board.warm(1, 3)
    assert board.look(1, after_s=3600) == Ages()
    assert looks(board, 6, 1) == [Ages()] * 6
    assert board.look(1) == Ages(silent=(3,))


def test_what_nobody_wants_any_more_is_passed_over():
    board = Board()
    board.warm(1, 3)
    board.wanted.discard(3)
    assert looks(board, 20, 1) == [Ages()] * 20
    board.wanted.add(3)
    assert board.look(1, 3) == Ages(), "it was never said to be silent"


def test_the_boards_order_does_not_matter_and_it_may_grow():
    board = Board(3)
    board.look(1, 3)
    board.stamps = {9: 0, **board.stamps}
    board.wanted.add(9)
    for window in range(LIQUID_WINDOWS):
        assert board.look(1, 3, 9, shuffled=bool(window % 2)) == Ages()
    found = [board.look(1, shuffled=bool(window % 2)) for window in range(7)]
    assert sorted(found[-1].silent) == [3, 9]


@pytest.mark.parametrize("hour_ns", [3_600_000_000_000, -3_600_000_000_000])
def test_a_wall_clock_that_jumps_is_no_silence(hour_ns):
    board = Board()
    board.warm(1, 3)
    board.ticks += hour_ns
    board.warm(1, 3, windows=20)
