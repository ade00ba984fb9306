"""The outages a gateway remembers."""

from __future__ import annotations

import json
from dataclasses import replace

from kitecli.gateway.gaps import GapLog, gap_of
from kitecli.market.gap import Gap

OPEN = Gap(1, (7, 8), 1_000, None, "reset by peer", 40)


def all_of(log):
    found, after = [], 0
    while after is not None:
        page = json.loads(json.dumps(log.page(after)))
        found += page["gaps"]
        after = page["next"]
    return found


def test_a_gap_is_told_twice_and_kept_once():
    log = GapLog()
    assert log.add(OPEN) == 1
    assert [record["number"] for record in log.open()] == [1]
    ended = replace(OPEN, to_ns=2_000, sequence=44, tokens=(7, 8, 9))
    assert log.add(ended) == 1
    assert (log.total, log.open()) == (1, [])
    assert [gap_of(record) for record in all_of(log)] == [ended]


def test_gaps_of_several_connections_are_told_apart():
    log = GapLog()
    other = replace(OPEN, connection=2)
    log.add(OPEN)
    log.add(other)
    log.add(replace(other, to_ns=5))
    assert [(record["connection"], record["to_ns"]) for record in all_of(log)] == [(1, None), (2, 5)]


def test_a_gap_first_told_when_it_has_ended_is_a_gap():
    log = GapLog()
    log.add(replace(OPEN, to_ns=9))
    assert (log.total, len(all_of(log)), log.open()) == (1, 1, [])


def test_only_the_last_are_kept_and_all_are_counted():
    log = GapLog(kept=10)
    for at in range(25):
        log.add(replace(OPEN, from_ns=at))
        log.add(replace(OPEN, from_ns=at, to_ns=at + 1))
    assert (log.total, [gap.from_ns for gap in log.known()]) == (25, list(range(15, 25)))
    assert [record["number"] for record in all_of(log)] == list(range(16, 26))
    assert [shown["number"] for shown in log.newest(3)] == [23, 24, 25]
    assert log.newest(1)[0]["instruments"] == 2
    assert "tokens" not in log.newest(1)[0]


def test_a_gap_that_outlives_its_place_ends_without_harm():
    log = GapLog(kept=2)
    log.add(OPEN)
    for at in range(5):
        log.add(replace(OPEN, connection=2, from_ns=at, to_ns=at + 1))
    assert log.open() == []
    assert log.add(replace(OPEN, to_ns=3)) == 1
    assert log.total == 6


def test_answers_are_small_and_a_bad_day_fits_in_memory():
    """Outages of three thousand instruments each, every list a new object."""
    log = GapLog()
    for at in range(60):
        log.add(Gap(at % 3, tuple(range(at % 3 * 3000, at % 3 * 3000 + 3000)), at, at + 1, "cut"))
    assert len({id(gap.tokens) for gap in log.known()}) == 3
    assert len(json.dumps(log.page(0))) < 100_000
    assert len(all_of(log)) == 60
