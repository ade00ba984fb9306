"""Delays of 50 and 200 ms put into each part of a tick's way: they show in its stage, within a millisecond."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kitecli import DataFeedService
from kitecli.broker.rest import BrokerSession
from kitecli.catalogue import todays_book
from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.spec import GatewaySpec
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

pytestmark = pytest.mark.soak

NS_PER_MS = 1_000_000
DELAYS_MS = (0, 50, 200)
PATIENCE_S = 60.0
TRIES = 25


def until(done):
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def within_a_millisecond(name, taken, delays=DELAYS_MS):
    """``taken``: nanoseconds without a delay, and with each."""
    added = [(taken[delay] - taken[0]) / NS_PER_MS for delay in delays[1:]]
    print(f"\n{name}: {taken[0] / 1e6:.2f} ms without, added " + ", ".join(f"{one:.2f} ms" for one in added))
    for delay, found in zip(delays[1:], added, strict=True):
        assert found == pytest.approx(delay, abs=1.0)


def feed_of(sim, modes):
    """On a thread of this process: a hundred of them are begun."""
    spec = GatewaySpec(sim.ws_url, sim.api_key, modes, 1 << 12, None, Secret(sim.access_token))
    handle = open_gateway(spec)
    return Feed(handle, attach(handle.memory, batch=4096, depth=False))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))


def test_a_long_line_shows_in_the_round_trip():
    """The delay is towards the client alone. The best of several pings: one is sent as soon as a socket is open."""
    taken, others = {}, {}
    for delay in DELAYS_MS:
        script = f"{{version: 1, rules: [{{at: 0, do: slow, delay: {delay}ms}}]}}" if delay else "version: 1"
        with launch(SimOptions(instruments=10, rate=10, rate_limits=False, faults=script)) as sim:
            found = []
            for _ in range(TRIES):
                with feed_of(sim, {408065: "quote"}) as feed:
                    until(lambda feed=feed: feed.stages()["round_trip"].count and feed.poll() is not None)
                    stages = feed.stages()
                    found.append(stages["round_trip"].max_ns)
                    others.setdefault(delay, []).append(stages["publish"].percentile_ns(50))
            taken[delay] = min(found)
    within_a_millisecond(f"round_trip, best of {TRIES} connections", taken)
    assert max(min(found) for found in others.values()) < 5 * NS_PER_MS, "no other stage has it"


def test_a_reader_that_comes_late_shows_in_read():
    """What of the reading takes longest is how late it was asked: the first tick after an empty ring."""
    taken = {}
    with launch(SimOptions(instruments=10, rate=5, rate_limits=False)) as sim:
        session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
        token = next(iter(todays_book(session))).instrument_token
        with feed_of(sim, {token: "quote"}) as feed:
            for delay in DELAYS_MS:
                found = []
                for _ in range(TRIES):
                    while feed.poll() is not None:
                        pass
                    cursor, before = feed.reader.view.cursor(), feed.stages()["read"]
                    while feed.reader.view.cursor() == cursor:
                        time.sleep(0.0001)
                    time.sleep(delay / 1e3)
                    feed.poll()
                    found.append(feed.stages()["read"].since(before).sum_ns)
                taken[delay] = min(found)
    within_a_millisecond(f"read, best of {TRIES}", taken)


def test_a_slow_callback_shows_in_callback():
    """Against the callback's own clock: a busy machine lets nobody sleep for exactly as long as he wants."""
    for delay in DELAYS_MS:
        took = []
        with DataFeedService(simulated=SimOptions(instruments=10, rate=10)) as service:

            @service.add_tick_callback
            def slow(tick, delay=delay, took=took):
                began_ns = time.perf_counter_ns()
                time.sleep(delay / 1e3)
                took.append(time.perf_counter_ns() - began_ns)

            service.subscribe("NSE:INFY")
            until(lambda took=took: len(took) > TRIES)
        stages = service.get_statistics()["stages_ns"]
        told, own = stages["callback"]["mean"] / NS_PER_MS, sum(took) / len(took) / NS_PER_MS
        print(f"\ncallback, mean of {len(took)} calls of {delay} ms: {told:.2f} ms, by their own clock {own:.2f} ms")
        assert stages["callback"]["count"] == len(took)
        assert told == pytest.approx(own, abs=1.0)
        assert own >= delay
        assert stages["publish"]["p50"] < 5 * NS_PER_MS, "no other stage has it"
