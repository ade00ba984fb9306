"""Dated facts: servers and limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitecli.broker.historical import INTERVALS_S
from kitecli.errors import ConfigError
from kitecli.settings import endpoints, load
from kitecli.settings.endpoints import load_endpoints, load_feed_limits, load_historical_limits, load_rest_limits


def of(environment: str, **environ: str):
    return load_endpoints(load(environ={"KITE_ENVIRONMENT": environment, **environ}).kite)


def test_prod_is_the_broker_over_tls():
    prod = of("prod")
    assert (prod.api_root, prod.ws_root) == ("https://api.kite.trade", "wss://ws.kite.trade")
    assert prod.login_url == "https://kite.zerodha.com/connect/login"
    assert prod.route("/orders") == "/orders"


def test_the_sandbox_has_its_four_quirks():
    sandbox = of("sandbox")
    assert (sandbox.route("/orders"), sandbox.route("/instruments/NSE")) == ("/oms/orders", "/instruments/NSE")
    assert sandbox.route("/instruments") == "/instruments"
    assert sandbox.route("/instrumentsfoo") == "/oms/instrumentsfoo"
    assert sandbox.ws_needs_user_id
    assert sandbox.order_types == ("LIMIT",)
    assert sandbox.shared_api_key == "sandboxdemo"


def test_sim_is_this_machine():
    sim = of("sim")
    assert sim.api_root.startswith("http://127.0.0.1:")
    assert sim.ws_root.startswith("ws://127.0.0.1:")


def test_the_settings_may_name_other_roots():
    changed = of("sim", KITE_WS_ROOT="ws://127.0.0.1:9", KITE_API_ROOT="http://127.0.0.1:8")
    assert (changed.ws_root, changed.api_root) == ("ws://127.0.0.1:9", "http://127.0.0.1:8")


def test_limits_are_the_brokers():
    feed, rest = load_feed_limits(), load_rest_limits()
    assert (feed.connections, feed.instruments_per_connection) == (3, 3000)
    assert (rest.quote_requests_per_s, rest.historical_requests_per_s, rest.order_requests_per_s) == (1, 3, 10)
    assert (rest.orders_per_minute, rest.orders_per_day, rest.modifications_per_order) == (400, 5000, 25)
    assert (rest.instruments_per_quote, rest.instruments_per_ltp) == (500, 1000)


def test_one_request_for_candles_reaches_as_far_as_the_broker_allows():
    days = load_historical_limits().days_per_request
    assert [days[name] for name in ("minute", "5minute", "30minute", "60minute", "day")] == [60, 100, 200, 400, 2000]
    assert set(days) == set(INTERVALS_S)


@pytest.mark.parametrize("name", ["endpoints.yaml", "limits.yaml"])
def test_the_files_are_dated_and_name_their_source(name: str):
    text = (endpoints.defaults_dir() / name).read_text()
    assert "as_of: 20" in text
    assert "https://kite.trade/docs/" in text


def test_damaged_data_is_an_error_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "limits.yaml").write_text("feed:\n  connections: 3\n")
    monkeypatch.setattr(endpoints, "defaults_dir", lambda: tmp_path)
    with pytest.raises(ConfigError, match="instruments_per_connection"):
        load_feed_limits()
