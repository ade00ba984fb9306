"""Our client of a load, in this process: it counts what the exchange sent it."""

from __future__ import annotations

import time

import pytest

from kitecli.gateway.spec import GatewaySpec
from kitecli.loadtest.client import Job
from kitecli.loadtest.reader import Reader
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import LOAD, SimOptions

WAIT_S = 30.0


@pytest.fixture(scope="module")
def sim():
    with launch(SimOptions(source=LOAD, instruments=3, rate=20.0, rate_limits=False)) as sim:
        yield sim


def test_it_counts_and_times_what_came_until_it_is_quiet(sim):
    tokens = [int(token) for token in sim_tokens(sim)]
    spec = GatewaySpec(sim.ws_url, sim.api_key, {}, 4096, None, access_token=Secret(sim.access_token))
    reader = Reader(Job(spec.to_line(), tokens, "quote", 100, "reader 1", 1))
    try:
        reader.go()
        reader.tally.begin(time.monotonic())
        read_until(reader, lambda: reader.tally.latency.count >= 30)
        reader.tally.end(time.monotonic())
        reader.quiet()
        read_until(reader, lambda: not any(sim.subscriptions().values()))
        ledger = {int(token): sum(both) for token, both in sim.ledger()["tokens"].items()}
        read_until(reader, lambda: reader.tally.ticks >= sum(ledger.values()))
        assert reader.tally.by_token() == ledger
        assert reader.figures()["gaps"] == 0
        assert reader.feed_pid is None  # it has no folder
    finally:
        reader.close()


def sim_tokens(sim) -> list[int]:
    from kitecli.broker.rest import BrokerSession, fetch_instruments
    from kitecli.market.instruments import parse_instruments

    session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
    return [row.instrument_token for row in parse_instruments(fetch_instruments(session))]


def read_until(reader: Reader, done) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline_s
        reader.read(0.05)
