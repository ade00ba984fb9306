"""A simulated exchange, a scripted ticker, and services on them."""

from __future__ import annotations

import pytest

from kitecli.broker.rest import BrokerSession, fetch_instruments
from kitecli.market.instruments import parse_instruments
from kitecli.secret import Secret
from kitecli.service.data_feed import DataFeedService
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from tests.service.scripted import Ticker, config_for


@pytest.fixture(scope="module")
def exchange():
    """300 instruments, ten updates a second each."""
    with launch(SimOptions(instruments=300, rate=10, rate_limits=False)) as sim:
        yield sim


@pytest.fixture(scope="module")
def tokens(exchange):
    session = BrokerSession(exchange.api_url, exchange.api_key, Secret(exchange.access_token))
    return [row.instrument_token for row in parse_instruments(fetch_instruments(session))]


@pytest.fixture(autouse=True)
def _runtime_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture
def kind():
    """Where the feed runs: on a thread, which starts in no time; tests where it matters say so."""
    return "embedded"


@pytest.fixture
def make(kind, exchange):
    """``make(**arguments)``: a service on the exchange, or on ``ws_url``; stopped at the end of the test."""
    made = []

    def build(ws_url=None, **arguments):
        config = config_for(ws_url or exchange.ws_url, exchange.api_url, kind=kind)
        service = DataFeedService(exchange.api_key, exchange.access_token, config=config, **arguments)
        made.append(service)
        return service

    yield build
    for service in made:
        service.stop()


@pytest.fixture
def ticker():
    made = Ticker()
    yield made
    made.close()
