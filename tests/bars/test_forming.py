"""What a forming bar and its record are; with ticks through a whole pass, see test_writer.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kitecli.bars.arrival import Arrival
from kitecli.bars.forming import begin, extend, record_of
from kitecli.bars.layout import COLD_DTYPE, HOT_DTYPE, STATE_DTYPE, STATE_GAP, STATE_OI, STATE_PARTIAL, STATE_VOLUME
from kitecli.bars.record import FLAG_GAP, FLAG_OI, FLAG_PARTIAL, FLAG_PREOPEN, FLAG_VOLUME
from kitecli.bars.timeline import Bucket

START_MS = 1_780_000_020_000
BUCKET = Bucket(START_MS, START_MS + 60_000, START_MS + 61_500, FLAG_PREOPEN)


class Forming:
    """A bar that began with a tick at 100 of cumulative volume 50, of an instrument that had 40 before."""

    def __init__(self, state_flags: int = STATE_VOLUME, joined_ms: int = 0) -> None:
        self.state, self.hot, self.cold = (np.zeros(1, kind)[0] for kind in (STATE_DTYPE, HOT_DTYPE, COLD_DTYPE))
        self.state["flags"], self.state["joined_ms"] = state_flags, joined_ms
        self.state["volume"], self.state["ticks"], self.state["turnover"] = 40, 7, 4000
        begin(self.state, self.hot, self.cold, BUCKET, self.arrival(100, 50), START_MS + 5)
        self.state["volume"], self.state["ticks"], self.state["turnover"] = 50, 8, 5000
        self.state["last_price"], self.state["last_ms"] = 100, START_MS + 5

    def arrival(self, price: int, volume: int | None) -> Arrival:
        carries = bool(self.state["flags"] & STATE_VOLUME)
        return Arrival(0, 0, stamped=True, price=price, volume=volume if carries else None, oi=None, snapshot=False)

    def record(self, end_ms: int = BUCKET.end_ms, now_ms: int = BUCKET.end_ms + 1500) -> Any:
        return record_of(self.state, self.hot, self.cold, end_ms, now_ms)


def test_a_bar_begins_with_a_tick_and_ends_as_the_differences_since():
    one = Forming()
    record = one.record()
    assert one.hot["until_ms"] == one.cold["until_ms"] == BUCKET.until_ms
    assert (record["start_ms"], record["length_ms"], record["closed_after_ms"]) == (START_MS, 60_000, 1500)
    assert (record["volume"], record["ticks"], record["turnover"]) == (10, 1, 1000)
    assert (record["first_key"], record["last_key"], record["flags"]) == (50, 50, FLAG_PREOPEN | FLAG_VOLUME)


def test_without_volume_there_is_none_and_keys_are_times():
    record = Forming(state_flags=STATE_OI).record()
    assert (record["volume"], record["turnover"], record["first_key"], record["last_key"]) == (0, 0, 5, 5)
    assert record["flags"] == FLAG_PREOPEN | FLAG_OI


@pytest.mark.parametrize(
    ("state_flags", "joined_ms", "flags"),
    [
        (0, START_MS, 0),
        (0, START_MS + 1, FLAG_PARTIAL),
        (STATE_PARTIAL, 0, FLAG_PARTIAL),
        (STATE_GAP, 0, FLAG_GAP),
    ],
)
def test_what_went_before_marks_a_bar(state_flags: int, joined_ms: int, flags: int):
    assert Forming(state_flags, joined_ms).record()["flags"] == FLAG_PREOPEN | flags


@pytest.mark.parametrize(
    ("newest", "volume", "opens"), [(True, 49, 100), (False, 49, 90), (False, 50, 100), (False, 51, 100)]
)
def test_only_an_older_tick_of_less_volume_was_the_first(newest: bool, volume: int, opens: int):
    one = Forming()
    extend(one.hot, one.cold, one.arrival(90, volume), START_MS + 9, newest=newest)
    record = one.record()
    assert (record["open"], record["high"], record["low"]) == (opens, 100, 90)
    assert record["first_key"] == (volume if opens == 90 else 50)


@pytest.mark.parametrize(("last_price", "close"), [(95, 95), (101, 100), (80, 90)])
def test_a_close_lies_within_the_bar(last_price: int, close: int):
    one = Forming()
    extend(one.hot, one.cold, one.arrival(90, 60), START_MS + 9, newest=True)
    one.state["last_price"] = last_price
    assert one.record()["close"] == close


def test_figures_that_wrapped_around_still_have_their_difference():
    one = Forming()
    one.cold["base_volume"], one.cold["base_ticks"] = (1 << 32) - 3, (1 << 32) - 2
    assert (one.record()["volume"], one.record()["ticks"]) == (53, 10)


@pytest.mark.parametrize(
    ("end_ms", "now_ms", "length_ms", "after_ms"),
    [
        (START_MS - 5, START_MS, 0, 5),
        (START_MS, START_MS + (1 << 40), 0, (1 << 31) - 1),
        (START_MS + (1 << 40), 0, (1 << 32) - 1, -(1 << 31)),
    ],
)
def test_times_that_don_t_fit_are_the_nearest_that_do(end_ms: int, now_ms: int, length_ms: int, after_ms: int):
    record = Forming().record(end_ms, now_ms)
    assert (record["length_ms"], record["closed_after_ms"]) == (length_ms, after_ms)
