"""A plan is checked before anything starts, and says which exchange it needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kitecli.errors import UsageError
from kitecli.loadtest.plan import checked, shares
from kitecli.settings.endpoints import load_feed_limits
from tests.loadtest.samples import PLAN

LIMITS = load_feed_limits()


def test_what_the_broker_allows_is_run():
    assert checked(PLAN, LIMITS) is PLAN
    most = replace(PLAN, instruments=9000, mode="full")
    assert checked(most, LIMITS) is most


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"instruments": 9001}, "fewer --instruments"),
        ({"instruments": 3001, "connections": 1}, "--connections 2"),
        ({"connections": 4}, "--connections 1"),
        ({"mode": "ltp"}, "quote or full"),
    ],
)
def test_what_cannot_be_run_is_refused_with_what_can(changes, hint):
    with pytest.raises(UsageError) as refused:
        checked(replace(PLAN, **changes), LIMITS)
    assert hint in refused.value.hint


def test_the_exchange_steps_so_that_messages_are_full_where_the_pace_allows():
    assert PLAN.exchange().step_ms == pytest.approx(15.0)  # 10 packets × 3 connections of 2,000 ticks a second
    assert replace(PLAN, rate=1000.0).exchange().step_ms == 1.0
    assert replace(PLAN, instruments=1, connections=1, rate=0.1).exchange().step_ms == 100.0
    assert PLAN.exchange().burst_s == 0.0


def test_bursts_are_part_of_the_pace_and_of_the_text():
    plan = replace(PLAN, burst=9000, burst_s=3.0, record=True, readers=2)
    assert plan.ticks_per_s == 2000 + 3000
    assert (plan.exchange().burst, plan.exchange().burst_s) == (9000, 3.0)
    assert plan.text() == (
        "1,000 instruments × 2/s in mode quote for 10 s, 3 connections, at most 10 packets a message, 2 readers, "
        "9,000 more at once every 3 s, recorded"
    )


def test_every_instrument_is_in_one_connections_share():
    parts = shares(list(range(10)), 3)
    assert sorted(token for part in parts for token in part) == list(range(10))
    assert [len(part) for part in parts] == [4, 3, 3]
