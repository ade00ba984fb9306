from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kitecli.bars.arrival import Arrival
from kitecli.bars.layout import STATE_DTYPE, STATE_OI, STATE_SEEN, STATE_VOLUME
from kitecli.bars.running import add, differs, join, note_contents, traded
from kitecli.bars.timeline import EMPTY, Timeline, day_of_ms
from tests.bars.stage import ms, timelines

MORNING = "2026-08-04 10:00:00"
NSE = timelines().each[1]


def arrival(volume: int | None, wall: str = MORNING, price: int = 100, oi: int | None = None) -> Arrival:
    at_ms = ms(wall)
    return Arrival(at_ms, at_ms, stamped=False, price=price, volume=volume, oi=oi, snapshot=False)


def joined(volume: int | None, wall: str = MORNING, timeline: Timeline = NSE) -> Any:
    state = np.zeros(1, STATE_DTYPE)[0]
    join(state, timeline, arrival(volume, wall))
    state["last_ms"] = ms(wall)
    return state


def test_who_joins_begins_with_the_figures_as_they_are():
    state = joined(500)
    assert (state["joined_ms"], state["last_price"], state["volume"]) == (ms(MORNING), 100, 500)
    assert state["flags"] == STATE_SEEN | STATE_VOLUME
    assert state["ticks"] == state["turnover"] == 0


@pytest.mark.parametrize(
    ("wall", "timeline", "days_before"),
    [
        ("2026-08-04 08:59:59", NSE, 1),
        ("2026-08-04 09:00:00", NSE, 0),  # the pre-open session is the day's
        ("2026-08-04 15:45:00", NSE, 0),
        ("2026-08-02 12:00:00", NSE, 0),  # a Sunday: nothing comes that it could be mistaken for
        ("2026-08-04 08:59:59", EMPTY, 0),
    ],
)
def test_before_the_day_s_first_session_figures_are_of_the_day_before(wall: str, timeline: Timeline, days_before: int):
    assert joined(500, wall, timeline)["day"] == day_of_ms(ms(wall)) - days_before


@pytest.mark.parametrize(
    ("came", "wall", "expected"),
    [
        (540, "2026-08-04 10:00:01", (True, 40, 540, False)),
        (500, "2026-08-04 10:00:01", (True, 0, 500, False)),
        (499, "2026-08-04 10:00:01", (True, 0, 500, False)),  # an old packet
        (250, "2026-08-04 10:00:01", (True, 0, 500, False)),
        (249, "2026-08-04 10:00:01", (True, 0, 249, True)),  # it began anew
        (540, "2026-08-04 10:00:00", (True, 40, 540, False)),
        (499, "2026-08-04 10:00:00", (False, 0, 500, False)),  # at the same time, less was traded before
        (540, "2026-08-04 09:59:59", (False, 0, 500, False)),
        (500, "2026-08-05 09:01:00", (True, 0, 500, False)),  # yesterday's figures
        (30, "2026-08-05 09:08:00", (True, 30, 30, False)),
        (None, "2026-08-04 10:00:01", (True, 0, 500, False)),
    ],
)
def test_what_a_tick_says_was_traded(came: int | None, wall: str, expected: tuple[bool, int, int, bool]):
    told = traded(joined(500), arrival(came, wall))
    assert (told.newest, told.delta, told.volume, told.began_anew) == expected


def test_yesterday_s_figures_leave_the_day_as_it_was():
    state = joined(500)
    assert traded(state, arrival(500, "2026-08-05 09:01:00")).day == day_of_ms(ms(MORNING))
    assert traded(state, arrival(501, "2026-08-05 09:01:00")).day == day_of_ms(ms(MORNING)) + 1


def test_the_first_volume_after_none_is_where_counting_begins():
    told = traded(joined(None), arrival(9000, "2026-08-04 10:00:01"))
    assert (told.delta, told.volume) == (0, 9000)
    assert traded(joined(0), arrival(9000, "2026-08-04 10:00:01")).delta == 9000, "none traded yet is a volume"


def test_a_tick_adds_to_the_figures():
    state, tick = joined(500), arrival(540, "2026-08-04 10:00:01", price=-3, oi=8)
    add(state, tick, traded(state, tick))
    assert (state["ticks"], state["volume"], state["turnover"]) == (1, 540, -120)
    assert (state["last_price"], state["last_ms"], state["oi"]) == (-3, tick.event_ms, 8)


def test_an_older_tick_is_counted_and_changes_nothing_else():
    state, tick = joined(500), arrival(450, "2026-08-04 09:59:58", price=7, oi=8)
    add(state, tick, traded(state, tick))
    assert (state["ticks"], state["volume"], state["turnover"], state["oi"]) == (1, 500, 0, 0)
    assert (state["last_price"], state["last_ms"]) == (100, ms(MORNING))


def test_what_a_packet_carries_is_by_the_last_one():
    state = joined(None)
    note_contents(state, arrival(5, oi=6))
    assert state["flags"] == STATE_SEEN | STATE_VOLUME | STATE_OI
    note_contents(state, arrival(None))
    assert state["flags"] == STATE_SEEN


@pytest.mark.parametrize(
    ("volume", "price", "is_other"),
    [(500, 100, False), (500, 90, False), (501, 100, True), (None, 100, False), (None, 90, True)],
)
def test_a_snapshot_differs_by_its_volume_or_else_its_price(volume: int | None, price: int, is_other: bool):
    assert differs(joined(500), arrival(volume, price=price)) is is_other
