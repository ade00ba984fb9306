"""A short load through real processes and sockets: ours, and the official client's; nothing of it stays."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kitecli.gateway.lock import FeedCard
from kitecli.hot import COMPILED
from kitecli.loadtest.figures import Run
from kitecli.loadtest.run import run_load
from kitecli.ring.location import runtime_dir
from kitecli.settings import load
from tests.loadtest.samples import PLAN

SMALL = replace(
    PLAN, instruments=40, duration_s=0.5, rate=10.0, mode="full", connections=2, readers=2, record=True, warm_up_s=0.1
)
FULL = replace(SMALL, burst=40, burst_s=0.2)


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def ours(told: list[str]) -> Run:
    settings = load(flags={"performance.ring_buffer_size": "4096"})
    return run_load(FULL, settings, "kite", lambda what, _: told.append(what))


def test_nothing_is_lost_against_the_exchanges_ledger(ours: Run):
    assert ours.lost == 0
    assert ours.ledger >= ours.sent > 0
    assert [client.ticks for client in ours.clients] == [ours.ledger] * len(ours.clients)
    assert ours.damaged == {}


def test_every_tick_of_the_measured_time_has_a_latency(ours: Run):
    for client in ours.clients:
        assert client.latency.count > 0
        assert 0 < client.latency.percentile_ns(50) < 10**10
        assert client.points
    if COMPILED:
        assert ours.stages["read"].count > 0
        assert ours.stages["publish"].count > 0


@pytest.mark.skipif(sys.platform != "linux" or not COMPILED, reason="reads /proc of a feed process")
def test_processes_are_told_apart(ours: Run):
    assert [one.name for one in ours.processes] == ["exchange", "feed", "reader 1", "reader 2"]
    assert all(one.private_bytes > 1_000_000 for one in ours.processes)
    assert ours.feed.shared_bytes > 0
    assert ours.exchange.shared_bytes == 0
    assert ours.samples[-1].private_bytes.keys() == {one.name for one in ours.processes}


def test_it_is_recorded_and_nothing_stays(ours: Run, told: list[str]):
    assert ours.recorded_bytes > 10_000
    assert list(runtime_dir().glob("loadtest-*")) == []
    assert [FeedCard.read(path) for path in Path(runtime_dir()).glob("*.json")] == []
    assert list(dict.fromkeys(told)) == ["starting", "warming up", "measuring", "counting"]
