"""A client's counts: every tick by instrument, latencies of the measured time alone."""

from __future__ import annotations

import numpy as np

from kitecli.loadtest.tally import ClientTally, missing, stamps_ns
from kitecli.market.tick import FLAG_INDEX, TICK_DTYPE


def tokens(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint32)


def test_ticks_are_counted_by_instrument_and_strangers_apart():
    tally = ClientTally([300, 100, 200])
    tally.count(tokens(100, 100, 300))
    tally.count(tokens(999, 1))
    assert tally.by_token() == {100: 2, 300: 1}
    assert (tally.ticks, tally.strange) == (5, 2)


def test_only_the_measured_time_is_timed_and_its_points_add_up():
    tally = ClientTally([1])
    tally.time(np.array([9_000_000]), 1, now_s=0.5)
    tally.begin(1.0)
    tally.time(np.array([100, 200]), 2, now_s=1.5)
    tally.time(np.array([5_000]), 1, now_s=2.25)
    tally.time(np.array([300]), 1, now_s=2.5)
    tally.end(3.0)
    tally.time(np.array([9_000_000]), 1, now_s=3.5)
    assert (tally.latency.count, tally.latency.max_ns, tally.seconds) == (4, 5_000, 2.0)
    first, second = tally.points
    assert first[0] == 1.25
    assert (first[1], first[4]) == (3 / 1.25, 5_000)
    assert (second[0], second[1], second[4]) == (2.0, 1 / 0.75, 300)


def test_a_stamp_is_put_together_from_both_quantities_and_an_index_has_none():
    ticks = np.zeros(2, TICK_DTYPE)
    stamp = 1_795_000_000_123_456_789
    ticks["buy_quantity"], ticks["sell_quantity"] = stamp >> 32, stamp & 0xFFFF_FFFF
    ticks["flags"][1] = FLAG_INDEX
    assert stamps_ns(ticks).tolist() == [stamp]


def test_a_tick_too_few_of_one_and_too_many_of_another_are_two():
    assert missing({1: 5, 2: 5}, {1: 5, 2: 5}) == 0
    assert missing({1: 5, 2: 5}, {1: 4, 2: 6}) == 2
    assert missing({1: 5}, {}) == 5
    assert missing({}, {7: 1}) == 1
