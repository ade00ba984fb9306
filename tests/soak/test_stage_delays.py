"""Delays of 50 and 200 ms put into each part of a tick's way: they show in its stage, within a millisecond."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kitecli.broker.rest import BrokerSession
from kitecli.catalogue import todays_book
from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not COMPILED, reason="needs a feed process")]

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


def feed_of(sim, folder, modes):
    spec = GatewaySpec(sim.ws_url, sim.api_key, modes, 1 << 16, str(folder), Secret(sim.access_token))
    handle = open_gateway(spec)
    return Feed(handle, attach(handle.memory, batch=4096, depth=False))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path / "data"))
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    return run


def test_a_long_line_shows_in_the_round_trip(folder):
    """The delay is towards the client alone. The best of several pings: one is sent as soon as a socket is open."""
    taken, others = {}, {}
    for delay in DELAYS_MS:
        script = f"{{version: 1, rules: [{{at: 0, do: slow, delay: {delay}ms}}]}}" if delay else "version: 1"
        with launch(SimOptions(instruments=10, rate=10, rate_limits=False, faults=script)) as sim:
            found = []
            for _ in range(TRIES):
                with feed_of(sim, folder, {408065: "quote"}) as feed:
                    until(lambda feed=feed: feed.stages()["round_trip"].count and feed.poll() is not None)
                    stages = feed.stages()
                    found.append(stages["round_trip"].max_ns)
                    others.setdefault(delay, []).append(stages["publish"].percentile_ns(50))
            taken[delay] = min(found)
    within_a_millisecond(f"round_trip, best of {TRIES} connections", taken)
    assert max(min(found) for found in others.values()) < 5 * NS_PER_MS, "no other stage has it"


def test_a_reader_that_comes_late_shows_in_read(folder):
    """What of the reading takes longest is how late it was asked: the first tick after an empty ring."""
    taken = {}
    with launch(SimOptions(instruments=10, rate=5, rate_limits=False)) as sim:
        session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
        token = next(iter(todays_book(session))).instrument_token
        with feed_of(sim, folder, {token: "quote"}) as feed:
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


def test_a_slow_callback_shows_in_callback(folder):
    from kitecli import DataFeedService

    taken = {}
    for delay in DELAYS_MS:
        with DataFeedService(simulated=SimOptions(instruments=10, rate=10)) as service:
            calls = []

            @service.add_tick_callback
            def slow(tick, delay=delay, calls=calls):
                time.sleep(delay / 1e3)
                calls.append(tick)

            service.subscribe("NSE:INFY")
            until(lambda calls=calls: len(calls) > TRIES)
            stages = service.get_statistics()["stages_ns"]
        taken[delay] = stages["callback"]["mean"]
        assert stages["publish"]["p50"] < 5 * NS_PER_MS, "no other stage has it"
    within_a_millisecond(f"callback, mean of {TRIES}", taken)
