"""The search doubles, then halves, and ends close to what breaks."""

from __future__ import annotations

import pytest

from kitecli.loadtest.limit import CLOSE, find_limit


def breaking_at(threshold: float):
    return lambda rate: "feed" if rate >= threshold else ""


@pytest.mark.parametrize("threshold", [2.5, 3.0, 100.0, 777.0])
def test_the_limit_lies_between_what_held_and_what_broke(threshold):
    limit = find_limit(2.0, 10_000.0, breaking_at(threshold))
    assert limit.held < threshold <= limit.broke_at
    assert limit.broke_at / limit.held <= CLOSE
    assert limit.broke == "feed"


def test_a_first_rate_that_breaks_is_halved_until_one_holds():
    limit = find_limit(2.0, 10_000.0, breaking_at(0.3))
    assert limit.held < 0.3 <= limit.broke_at
    assert limit.steps[0].broke == "feed"


def test_where_nothing_holds_the_search_ends():
    limit = find_limit(2.0, 10_000.0, lambda _: "latency")
    assert (limit.held, limit.broke) == (0.0, "latency")
    assert len(limit.steps) < 10


def test_where_nothing_breaks_the_highest_rate_is_the_last():
    limit = find_limit(2.0, 100.0, lambda _: "")
    assert (limit.held, limit.broke_at, limit.broke) == (100.0, None, "")
    assert [step.rate for step in limit.steps] == [2, 4, 8, 16, 32, 64, 100]
