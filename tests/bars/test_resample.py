"""Longer bars out of shorter ones, and buckets without ticks."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.bars.intervals import Interval
from kitecli.bars.record import (
    BAR_DTYPE,
    FLAG_CLOSING,
    FLAG_ESTIMATED,
    FLAG_GAP,
    FLAG_OI,
    FLAG_PREOPEN,
    FLAG_SYNTHETIC,
    FLAG_UNSCHEDULED,
    FLAG_VOLUME,
)
from kitecli.bars.resample import filled, resampled, series_for
from kitecli.bars.timeline import EMPTY, Phase, Timeline
from kitecli.errors import UsageError

MINUTE_MS = 60_000
OPEN_MS = 1_719_459_900_000  # 2024-06-27 09:15 IST
CLOSE_MS = OPEN_MS + 375 * MINUTE_MS
NEXT_OPEN_MS = OPEN_MS + 86_400_000
TWO_DAYS = Timeline(
    np.array([OPEN_MS - 15 * MINUTE_MS, OPEN_MS, CLOSE_MS, NEXT_OPEN_MS, NEXT_OPEN_MS + 375 * MINUTE_MS, 2**60]),
    np.array([Phase.PREOPEN, Phase.CONTINUOUS, Phase.OUTSIDE, Phase.CONTINUOUS, Phase.OUTSIDE, 5], np.uint8),
)


def of(text):
    return Interval.parse(text)


def bar(start_ms, length_ms=MINUTE_MS, **fields):
    made = np.zeros(1, BAR_DTYPE)
    usual = {"open": 100, "high": 120, "low": 90, "close": 110, "volume": 5, "turnover": 500, "ticks": 2}
    for name, value in {**usual, "flags": FLAG_VOLUME, "token": 408065, **fields}.items():
        made[name] = value
    made["start_ms"], made["length_ms"] = start_ms, length_ms
    return made


def minutes(*numbers, since_ms=OPEN_MS, **fields):
    """Bars of a minute, by their number after ``since_ms``."""
    return np.concatenate([bar(since_ms + number * MINUTE_MS, **fields) for number in numbers])


def starts(bars, since_ms=OPEN_MS):
    return ((bars["start_ms"] - since_ms) // MINUTE_MS).tolist()


@pytest.mark.parametrize(
    ("built", "wanted", "serves"),
    [
        ("100ms 1m 15m day", "15m", "15m"),
        ("100ms 1m 15m day", "45m", "15m"),
        ("100ms 1m 15m day", "5m", "1m"),
        ("100ms 1m 15m day", "day", "day"),
        ("100ms 1m", "day", "1m"),
        ("100ms 1m", "5s", "100ms"),
        ("100ms 500ms 1m", "1500ms", "500ms"),
        ("50ms 1s", "1m", "1s"),
        ("10t 1m", "10t", "10t"),
    ],
)
def test_a_built_interval_serves_itself_and_its_multiples(built, wanted, serves):
    built = [of(word) for word in built.split()]
    assert built[series_for(built, of(wanted))] == of(serves)


@pytest.mark.parametrize(
    ("built", "wanted"), [("1m", "30s"), ("1m", "90s"), ("10t", "20t"), ("1m", "100t"), ("", "1m")]
)
def test_what_can_t_be_put_together_is_refused_with_what_there_is(built, wanted):
    with pytest.raises(UsageError, match=r"datafeed\.bars"):
        series_for([of(word) for word in built.split()], of(wanted))


def test_open_high_low_close_and_sums_are_exact():
    parts = np.concatenate(
        [
            bar(OPEN_MS, open=100, high=130, low=95, close=101, volume=4_000_000_000, turnover=7, ticks=1, oi=5),
            bar(OPEN_MS + MINUTE_MS, open=102, high=110, low=80, close=103, volume=3, turnover=-9, ticks=4, oi=6),
            bar(OPEN_MS + 4 * MINUTE_MS, open=104, high=105, low=99, close=104, volume=1, turnover=2, ticks=1, oi=7),
            bar(OPEN_MS + 5 * MINUTE_MS, open=7, high=8, low=6, close=7, volume=2, turnover=3, ticks=9, oi=8),
        ]
    )
    first, second = resampled(parts, of("5m"), of("1m"), TWO_DAYS)
    names = ("open", "high", "low", "close", "volume", "turnover", "ticks", "oi")
    assert [first[name] for name in names] == [100, 130, 80, 104, 4_000_000_004, 0, 6, 7]
    assert [second[name] for name in names] == [7, 8, 6, 7, 2, 3, 9, 8]
    assert (first["start_ms"], first["length_ms"]) == (OPEN_MS, 5 * MINUTE_MS)


def test_they_begin_with_the_session_and_end_with_it():
    bars = resampled(minutes(44, 45, 59, 60, 374), of("1h"), of("1m"), TWO_DAYS)
    assert starts(bars) == [0, 60, 360], "09:15, 10:15, 15:15"
    assert bars["length_ms"].tolist() == [60 * MINUTE_MS, 60 * MINUTE_MS, 15 * MINUTE_MS]


def test_no_bar_reaches_from_one_session_into_the_next():
    both = np.concatenate([minutes(374), minutes(0, 1, since_ms=NEXT_OPEN_MS)])
    bars = resampled(both, of("day"), of("1m"), TWO_DAYS)
    assert bars["start_ms"].tolist() == [OPEN_MS, NEXT_OPEN_MS]
    assert bars["length_ms"].tolist() == [375 * MINUTE_MS] * 2
    assert bars["volume"].tolist() == [5, 10]


def test_where_no_hours_are_known_they_begin_at_midnight():
    midnight_ms = OPEN_MS - 555 * MINUTE_MS
    bars = resampled(minutes(61, 62, since_ms=midnight_ms), of("1h"), of("1m"), EMPTY)
    assert starts(bars, midnight_ms) == [60]


def test_flags_are_joined_and_revisions_added_up():
    parts = minutes(0, 1, 2)
    parts["flags"] = [FLAG_VOLUME, FLAG_GAP, FLAG_VOLUME | FLAG_OI]
    parts["revision"] = [200, 1, 100]
    (made,) = resampled(parts, of("5m"), of("1m"), TWO_DAYS)
    assert made["flags"] == FLAG_VOLUME | FLAG_GAP | FLAG_OI
    assert made["revision"] == 255


def test_auctions_pass_as_they_are():
    auction = bar(OPEN_MS - 15 * MINUTE_MS, 15 * MINUTE_MS, flags=FLAG_PREOPEN)
    bars = resampled(np.concatenate([auction, minutes(0, 1)]), of("5m"), of("1m"), TWO_DAYS)
    assert starts(bars) == [-15, 0]
    assert bars["length_ms"].tolist() == [15 * MINUTE_MS, 5 * MINUTE_MS]


def test_whole_seconds_of_receive_times_are_estimates():
    parts = np.concatenate([bar(OPEN_MS + at * 100, 100) for at in range(20)])
    assert (resampled(parts, of("1s"), of("100ms"), TWO_DAYS)["flags"] & FLAG_ESTIMATED).all()
    assert not (resampled(parts, of("500ms"), of("100ms"), TWO_DAYS)["flags"] & FLAG_ESTIMATED).any()


def test_nothing_becomes_nothing():
    none = np.zeros(0, BAR_DTYPE)
    assert resampled(none, of("5m"), of("1m"), TWO_DAYS).size == 0
    assert filled(none, of("5m"), TWO_DAYS, OPEN_MS, 10).size == 0


def test_holes_are_filled_with_the_close_before_them():
    bars = filled(minutes(0, 3, oi=9, flags=FLAG_VOLUME | FLAG_OI), of("1m"), TWO_DAYS, OPEN_MS + 4 * MINUTE_MS, 100)
    assert starts(bars) == [0, 1, 2, 3]
    hole = bars[1]
    assert [hole[name] for name in ("open", "high", "low", "close")] == [110] * 4
    assert [hole[name] for name in ("volume", "turnover", "ticks", "oi", "token")] == [0, 0, 0, 9, 408065]
    assert hole["flags"] == FLAG_SYNTHETIC | FLAG_VOLUME | FLAG_OI


def test_only_sessions_are_filled_the_whole_of_each():
    both = np.concatenate([minutes(372), minutes(2, since_ms=NEXT_OPEN_MS)])
    bars = filled(both, of("1m"), TWO_DAYS, int(both["start_ms"][-1]) + MINUTE_MS, 100)
    assert starts(bars) == [372, 373, 374, 1440, 1441, 1442]


def test_the_last_bar_of_a_session_may_be_a_short_one():
    bars = filled(minutes(360), of("1h"), TWO_DAYS, NEXT_OPEN_MS + 61 * MINUTE_MS, 100)
    assert starts(bars) == [360, 1440], "15:15 is there; then 09:15; 10:15 isn't over"
    bars = filled(bar(OPEN_MS, 60 * MINUTE_MS), of("1h"), TWO_DAYS, CLOSE_MS, 100)
    assert bars["length_ms"].tolist() == [60 * MINUTE_MS] * 6 + [15 * MINUTE_MS]


def test_behind_the_last_bar_only_whole_buckets_are_filled():
    bars = filled(minutes(0), of("1m"), TWO_DAYS, OPEN_MS + 3 * MINUTE_MS + 59_999, 100)
    assert starts(bars) == [0, 1, 2]


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5])
def test_of_many_only_the_newest_are_made(most):
    bars = filled(minutes(0, 3), of("1m"), TWO_DAYS, OPEN_MS + 5 * MINUTE_MS, most)
    assert starts(bars) == [0, 1, 2, 3, 4][-most:]


def test_a_day_of_milliseconds_is_not_made_to_give_three():
    bars = filled(bar(OPEN_MS, 1), of("1ms"), EMPTY, OPEN_MS + 50_000_000, 3)
    assert (bars["start_ms"] - OPEN_MS).tolist() == [49_999_997, 49_999_998, 49_999_999]
    assert (bars["flags"] & FLAG_UNSCHEDULED).all()


def test_an_auction_is_no_hole():
    bars = np.concatenate([bar(OPEN_MS - 15 * MINUTE_MS, 15 * MINUTE_MS, flags=FLAG_PREOPEN), minutes(1)])
    full = filled(bars, of("1m"), TWO_DAYS, OPEN_MS + 2 * MINUTE_MS, 100)
    assert starts(full) == [-15, 0, 1]
    assert not full["flags"][1] & (FLAG_PREOPEN | FLAG_CLOSING)


def test_bars_of_ticks_have_no_holes():
    bars = minutes(0, 5)
    assert np.array_equal(filled(bars, of("10t"), TWO_DAYS, CLOSE_MS, 100), bars)
    assert filled(bars, of("10t"), TWO_DAYS, CLOSE_MS, 1).size == 1
