"""Both views over what the reference writer left: the one in Python and the compiled one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kitecli.bars.layout import COUNTERS
from kitecli.bars.record import BAR_DTYPE, FLAG_OI, FLAG_OPEN, FLAG_REVISED, FLAG_UNSCHEDULED, FLAG_VOLUME
from kitecli.bars.view import BarsView
from kitecli.hot import COMPILED, WHY_NOT, uncompiled
from tests.bars.stage import FUTURE, INDEX, STOCK, Sent, Stage, ms

CAPACITY = 64


def _compiled() -> Any:
    if not COMPILED:
        return None
    from kitecli.hot import _hot

    return _hot.BarsView


VIEWS = pytest.mark.parametrize(
    "view_of",
    [
        pytest.param(BarsView, id="reference"),
        pytest.param(
            _compiled(), id="compiled", marks=pytest.mark.skipif(not COMPILED, reason=WHY_NOT or "it was built")
        ),
    ],
)
START_MS = ms("2026-08-04 10:00:00")


def stage(intervals: str = "1s 1m") -> Stage:
    return Stage(uncompiled.FramePass, intervals, capacity=CAPACITY)


def seconds(one: Stage, *numbers: int, token: int = STOCK) -> None:
    """A tick a second, with its number as price and ten times that as volume, stamped when it came."""
    for number in numbers:
        now_ms = START_MS + number * 1000
        one.send(Sent(token, now_ms, number, 10 * number, stamp_s=now_ms // 1000))


def history(view: Any, row: int, series: int = 0, count: int = CAPACITY) -> list[int]:
    """Closes, newest first."""
    records = np.zeros(count, BAR_DTYPE)
    found = view.history(row, series, count, records)
    return records[:found]["close"].tolist()


@VIEWS
def test_a_fresh_memory_has_nothing(view_of: Any):
    one = stage()
    view, records = view_of(one.memory), np.ones(64, BAR_DTYPE)
    assert (view.cursor(0), view.cursor(1)) == (0, 0)
    assert view.history(0, 0, 64, records) == view.forming(0, 64, 1, records) == 0
    assert records.tobytes() == np.zeros(64, BAR_DTYPE).tobytes()
    assert view.counters().tolist() == [0] * len(COUNTERS)
    assert (view.layout, view.intervals) == (one.memory.layout, one.memory.intervals)


@VIEWS
def test_history_is_newest_first_and_of_one_instrument(view_of: Any):
    one = stage()
    for number in range(1, 6):
        seconds(one, number)
        seconds(one, number + 100, token=FUTURE)
    view = view_of(one.memory)
    assert history(view, 0) == [4, 3, 2, 1]
    assert history(view, 1) == [104, 103, 102, 101]
    assert history(view, 0, count=2) == [4, 3]
    assert history(view, 0, series=1) == []
    assert history(view, 2) == []
    assert (view.cursor(0), view.cursor(1)) == (8, 0)


@VIEWS
def test_history_ends_where_the_ring_overwrote_it(view_of: Any):
    one = stage()
    seconds(one, *range(1, 3 * CAPACITY))
    assert history(view_of(one.memory), 0) == [*range(3 * CAPACITY - 2, 2 * CAPACITY - 2, -1)]
    seconds(one, *range(10_000, 10_000 + CAPACITY), token=FUTURE)
    assert history(view_of(one.memory), 0) == [3 * CAPACITY - 2], "one bar of it is left"
    seconds(one, 20_000, token=FUTURE)
    assert history(view_of(one.memory), 0) == []


@VIEWS
def test_a_revision_stands_before_the_bar_that_it_revises(view_of: Any):
    one = stage()
    seconds(one, 1, 2, 3)
    one.send(Sent(STOCK, START_MS + 3500, 50, 15, stamp_s=START_MS // 1000 + 1))
    view, records = view_of(one.memory), np.zeros(4, BAR_DTYPE)
    assert view.history(0, 0, 4, records) == 4
    assert [(int(record["start_ms"]) - START_MS) // 1000 for record in records] == [2, 1, 2, 1]
    assert records["revision"].tolist() == [1, 1, 0, 0]
    assert (records["flags"] & FLAG_REVISED != 0).tolist() == [True, True, False, False]
    assert view.counters().tolist() == one.parts.counters.tolist()


@VIEWS
def test_records_are_copied_as_they_were_published(view_of: Any):
    one = stage()
    seconds(one, *range(1, CAPACITY + 12))
    view, records = view_of(one.memory), np.zeros(CAPACITY, BAR_DTYPE)
    assert view.cursor(0) == CAPACITY + 10
    assert view.copy(0, 10, CAPACITY, records) == 10, "older ones are overwritten"
    assert records["close"].tolist() == [*range(11, CAPACITY + 11)]
    assert view.copy(0, CAPACITY + 7, 3, records) == 10
    assert records["close"][:3].tolist() == [CAPACITY + 8, CAPACITY + 9, CAPACITY + 10]
    assert view.copy(0, 5, 0, records) == 10


@VIEWS
def test_a_forming_bar_is_assembled_as_if_it_closed_now(view_of: Any):
    one = stage()
    now_s = START_MS // 1000
    one.send(Sent(FUTURE, START_MS - 60_000, 900, 1000, stamp_s=now_s - 60, oi=5))
    for second, price, volume in ((1, 905, 1010), (2, 890, 1030), (3, 899, 1030)):
        one.send(Sent(FUTURE, START_MS + second * 1000, price, volume, stamp_s=now_s + second, oi=price))
    records = np.zeros(1, BAR_DTYPE)
    assert view_of(one.memory).forming(0, 1, 1, records) == 1
    bar = {name: int(records[name][0]) for name in BAR_DTYPE.names or ()}
    assert bar == {
        "start_ms": START_MS,
        "length_ms": 60_000,
        "open": 905,
        "high": 905,
        "low": 890,
        "close": 899,
        "volume": 30,
        "turnover": 10 * 905 + 20 * 890,
        "oi": 899,
        "ticks": 3,
        "token": 0,
        "closed_after_ms": 0,
        "first_key": 1010,
        "last_key": 1030,
        "flags": FLAG_OPEN | FLAG_VOLUME | FLAG_OI | FLAG_UNSCHEDULED,
        "series": 1,
        "revision": 0,
        "pad": 0,
    }


@VIEWS
def test_what_has_no_volume_says_so_while_it_forms(view_of: Any):
    one = stage()
    for second, price in ((1, 100), (4, 90)):
        one.send(Sent(INDEX, START_MS + second * 1000, price, stamp_s=START_MS // 1000 + second))
    records = np.zeros(1, BAR_DTYPE)
    view_of(one.memory).forming(0, 1, 1, records)
    assert (records["volume"][0], records["turnover"][0], records["last_key"][0]) == (0, 0, 4000)
    assert not records["flags"][0] & (FLAG_VOLUME | FLAG_OI)


@VIEWS
def test_rows_without_a_forming_bar_are_zeros(view_of: Any):
    one = stage()
    seconds(one, 1)
    seconds(one, 1, token=FUTURE)
    seconds(one, 2, 3, token=INDEX)
    one.sweep(START_MS + 4000)  # a second and the grace after the first two, not after the third
    view, records = view_of(one.memory), np.ones(64, BAR_DTYPE)
    assert view.forming(0, 64, 0, records) == 1
    assert (records["flags"] != 0).tolist() == [False, False, True] + [False] * 61
    assert records[:2].tobytes() == bytes(2 * BAR_DTYPE.itemsize)
    assert view.forming(1, 3, 1, records) == 2
    assert view.forming(3, 3, 1, records) == 0


def test_a_row_in_the_middle_of_its_tick_counts_as_not_forming():
    """The compiled view waits for its writer first, tens of milliseconds, and says the same if that has died."""
    one = stage()
    seconds(one, 1)
    one.parts.states["version"][0] += 1
    for view in filter(None, (BarsView, _compiled())):
        records = np.ones(1, BAR_DTYPE)
        assert view(one.memory).forming(0, 1, 0, records) == 0
        assert records.tobytes() == bytes(BAR_DTYPE.itemsize)


@VIEWS
@pytest.mark.parametrize("series", [-1, 2, 8])
def test_a_series_that_isn_t_there_is_refused(view_of: Any, series: int):
    view, records = view_of(stage().memory), np.zeros(8, BAR_DTYPE)
    calls = (
        lambda: view.cursor(series),
        lambda: view.copy(series, 0, 1, records),
        lambda: view.history(0, series, 1, records),
        lambda: view.forming(0, 1, series, records),
    )
    for call in calls:
        with pytest.raises(ValueError, match="series"):
            call()


@VIEWS
@pytest.mark.parametrize("row", [-1, 64, 1 << 40])
def test_a_row_that_isn_t_there_is_refused(view_of: Any, row: int):
    view, records = view_of(stage().memory), np.zeros(8, BAR_DTYPE)
    with pytest.raises(ValueError, match="row"):
        view.history(row, 0, 1, records)
    with pytest.raises(ValueError, match="row"):
        view.forming(row, row + 1, 0, records)


@VIEWS
def test_what_doesn_t_fit_is_refused(view_of: Any):
    view, records = view_of(stage().memory), np.zeros(8, BAR_DTYPE)
    for start, stop in ((0, 9), (5, 4), (60, 65)):
        with pytest.raises(ValueError, match="rows"):
            view.forming(start, stop, 0, records)
    for start, count in ((0, 9), (0, -1), (-1, 1), (0, CAPACITY + 1)):
        with pytest.raises(ValueError, match="fit"):
            view.copy(0, start, count, records)
    assert view.history(0, 0, 1 << 60, records) == 0
