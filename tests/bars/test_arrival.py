from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kitecli.bars.arrival import Arrival, MarketClock
from kitecli.market.tick import FLAG_INDEX, FLAG_SNAPSHOT, MODE_FULL, MODE_LTP, MODE_QUOTE, TICK_DTYPE

NOW_S = 1_780_000_000
STAMPED = Arrival(NOW_S * 1000, NOW_S * 1000, stamped=True, price=1, volume=None, oi=None, snapshot=False)


def arrival(token: int = 1, mode: int = MODE_FULL, **fields: Any) -> Arrival:
    tick = np.zeros(1, TICK_DTYPE)[0]
    tick["ts_recv_ns"], tick["token"], tick["mode"] = NOW_S * 1_000_000_000 + 1_999_999, token, mode
    tick["volume"], tick["oi"], tick["last_price"] = 7, 8, -9
    for name, value in fields.items():
        tick[name] = value
    return Arrival.of(tick)


def test_our_time_is_cut_to_milliseconds_and_the_price_may_be_below_zero():
    assert (arrival().recv_ms, arrival().price) == (NOW_S * 1000 + 1, -9)


@pytest.mark.parametrize(
    ("stamp_s", "event_ms"),
    [
        (0, NOW_S * 1000 + 1),
        (NOW_S - 1, NOW_S * 1000 - 1000),
        (NOW_S + 60, NOW_S * 1000 + 60_000),
        (NOW_S + 61, NOW_S * 1000 + 1),
    ],
)
def test_the_stamp_counts_unless_there_is_none_or_it_is_of_the_future(stamp_s: int, event_ms: int):
    found = arrival(ts_event_s=stamp_s)
    assert found.event_ms == event_ms
    assert found.stamped is (event_ms != NOW_S * 1000 + 1)


@pytest.mark.parametrize(
    ("mode", "flags", "volume"),
    [(MODE_LTP, 0, None), (MODE_QUOTE, 0, 7), (MODE_FULL, 0, 7), (MODE_FULL, FLAG_INDEX, None)],
)
def test_volume_comes_with_quotes_and_never_of_an_index(mode: int, flags: int, volume: int | None):
    assert arrival(mode=mode, flags=flags).volume == volume


@pytest.mark.parametrize(
    ("segment", "mode", "oi"),
    [
        (2, MODE_FULL, 8),
        (7, MODE_FULL, 8),
        (12, MODE_FULL, 8),
        (2, MODE_QUOTE, None),
        (1, MODE_FULL, None),
        (4, MODE_FULL, None),
    ],
)
def test_open_interest_comes_with_full_packets_of_derivatives(segment: int, mode: int, oi: int | None):
    assert arrival(token=256 + segment, mode=mode).oi == oi


def test_a_snapshot_is_told_by_its_flag():
    assert arrival(flags=FLAG_SNAPSHOT).snapshot
    assert not arrival(flags=FLAG_INDEX).snapshot


@pytest.mark.parametrize(("behind_ms", "is_played"), [(0, False), (600_000, False), (600_001, True)])
def test_what_is_stamped_long_ago_is_of_that_time(behind_ms: int, is_played: bool):
    one = replace(STAMPED, event_ms=STAMPED.recv_ms - behind_ms)
    assert one.market_ms == (one.event_ms if is_played else one.recv_ms)
    clock = MarketClock()
    clock.note(one)
    assert clock.at(one.recv_ms + 5000) == one.recv_ms + 5000 - behind_ms * is_played


def test_the_market_s_clock_goes_by_the_newest_stamp_and_by_ours_before_there_is_any():
    clock = MarketClock()
    assert clock.at(123) == 123
    day_ms = STAMPED.recv_ms - 86_400_000
    for event_ms, recv_ms in ((day_ms, 0), (day_ms + 2000, 100), (day_ms + 1000, 200), (day_ms + 2000, 300)):
        clock.note(replace(STAMPED, event_ms=event_ms, recv_ms=STAMPED.recv_ms + recv_ms))
    clock.note(replace(STAMPED, event_ms=STAMPED.recv_ms, stamped=False))
    assert clock.at(STAMPED.recv_ms + 350) == day_ms + 2000 + 250
