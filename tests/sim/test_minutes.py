"""Minute candles read off ticks, against the same done one tick at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kitecli.market.tick import FLAG_INDEX, MODE_FULL, MODE_LTP, TICK_DTYPE
from kitecli.sim.minutes import CANDLE_DTYPE, minutes_of, roll_up

NINE_S = 1_719_459_000  # 27 June 2024, 09:00 IST
DAY_S = 86_400


def ticks_of(rows: list[tuple[int, int, int]], *, mode: int = MODE_FULL, flags: int = 0) -> np.ndarray:
    """``rows``: seconds after nine, price, cumulative volume."""
    ticks = np.zeros(len(rows), TICK_DTYPE)
    ticks["mode"], ticks["flags"] = mode, flags
    for at, (second, price, volume) in enumerate(rows):
        ticks["ts_event_s"][at], ticks["last_price"][at], ticks["volume"][at] = NINE_S + second, price, volume
        ticks["oi"][at] = 1000 + at
    return ticks


def one_at_a_time(rows: list[tuple[int, int, int]]) -> list[tuple[int, ...]]:
    """start, open, high, low, close, volume of each minute, by time."""
    made: dict[int, list[int]] = {}
    highest: dict[int, int] = {}
    last_price: int | None = None
    for second, price, volume in rows:
        minute, day = (NINE_S + second) // 60 * 60, (NINE_S + second + 19_800) // DAY_S
        grown = max(0, volume - highest.get(day, volume))
        highest[day] = max(volume, highest.get(day, volume))
        if grown or price != last_price:
            candle = made.setdefault(minute, [price, price, price, price, 0])
            candle[1], candle[2], candle[3] = max(candle[1], price), min(candle[2], price), price
            candle[4] += grown
        last_price = price
    return [(minute, *made[minute]) for minute in sorted(made)]


def plain(candles: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(row)[:6] for row in candles.tolist()]


rows = st.lists(
    st.tuples(st.integers(0, 3 * DAY_S).map(lambda s: s // 20 * 20), st.integers(90, 95), st.integers(0, 50)),
    min_size=1,
    max_size=60,
)


@given(rows)
def test_candles_are_those_of_the_trades_whatever_the_order(rows: list[tuple[int, int, int]]):
    assert plain(minutes_of(ticks_of(rows))) == one_at_a_time(rows)


def test_a_minute_of_a_changed_book_alone_has_no_candle():
    found = minutes_of(ticks_of([(0, 100, 5), (30, 101, 7), (65, 101, 7), (125, 101, 9)]))
    assert plain(found) == [(NINE_S, 100, 101, 100, 101, 2), (NINE_S + 120, 101, 101, 101, 101, 2)]
    assert found["oi"].tolist() == [1001, 1003]


def test_of_indices_and_last_prices_every_tick_counts():
    still = [(0, 100, 0), (65, 100, 0)]
    assert len(minutes_of(ticks_of(still))) == 1
    assert len(minutes_of(ticks_of(still, flags=FLAG_INDEX))) == 2
    assert len(minutes_of(ticks_of(still, mode=MODE_LTP))) == 2


def test_a_late_tick_belongs_to_the_minute_of_its_stamp_and_its_old_volume_adds_nothing():
    found = minutes_of(ticks_of([(59, 100, 10), (61, 102, 14), (59, 90, 12), (62, 102, 15)]))
    assert plain(found) == [(NINE_S, 100, 100, 90, 90, 0), (NINE_S + 60, 102, 102, 102, 102, 5)]


def test_longer_candles_keep_first_last_highest_lowest_and_the_sum():
    candles = np.zeros(4, CANDLE_DTYPE)
    candles["start_s"] = [0, 60, 120, 180]
    candles["open"], candles["close"] = [5, 6, 7, 8], [6, 7, 8, 9]
    candles["high"], candles["low"] = [9, 20, 9, 12], [1, 2, 0, 3]
    candles["volume"], candles["oi"] = [1, 2, 3, 4], [10, 20, 30, 40]
    found = roll_up(candles, np.array([0, 0, 0, 180]))
    assert found.tolist() == [(0, 5, 20, 0, 8, 6, 30), (180, 8, 12, 3, 9, 4, 40)]
    assert roll_up(candles[:0], np.zeros(0, np.int64)).size == 0
