"""Candles by REST: what is asked, what is made of the answer, and which failures pass."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

from kitecli.broker.historical import (
    CANDLE_DTYPE,
    INTERVALS_S,
    CandleRequest,
    fetch_candles,
    interval_named,
    parse_candles,
)
from kitecli.broker.rest import BrokerSession
from kitecli.clock import IST
from kitecli.errors import AuthError, BrokerError, BrokerUnavailable, NoMarketData, UsageError
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

DAY = datetime(2026, 11, 20, tzinfo=IST)
OPEN_S = DAY.timestamp() + 9 * 3600 + 15 * 60
LATER_S = DAY.timestamp() + 10 * 86_400


class Broker:
    """A real HTTP server that says what it is told."""

    def __init__(self) -> None:
        self.status, self.kind, self.body = 200, "application/json", b""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.session = BrokerSession("")

    def gives(self, rows: object) -> None:
        self.body = json.dumps({"status": "success", "data": {"candles": rows}}).encode()

    def fetch(self, interval: str = "minute", first: datetime = DAY, days: float = 1, now_s: float = LATER_S, **kind):
        last = first + timedelta(days=days, seconds=-1)
        return fetch_candles(self.session, CandleRequest(408065, interval, first, last, **kind), now_s)


@pytest.fixture
def broker() -> Iterator[Broker]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            fake.asked.append((url.path, dict(parse_qsl(url.query))))
            self.send_response(fake.status)
            self.send_header("Content-Type", fake.kind)
            self.send_header("Content-Length", str(len(fake.body)))
            self.end_headers()
            self.wfile.write(fake.body)

        def log_message(self, *_: object) -> None: ...

    fake = Broker()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        fake.session = BrokerSession(f"http://127.0.0.1:{server.server_port}", "key", Secret("token"))
        yield fake
        server.shutdown()


def row(minute: int, price: float = 100, *more: float) -> list[object]:
    at = datetime.fromtimestamp(OPEN_S + 60 * minute, IST)
    return [f"{at:%Y-%m-%dT%H:%M:%S%z}", price, price + 1, price - 1, price + 0.5, 10, *more]


def test_the_request_is_in_the_brokers_form_and_in_indian_time(broker: Broker):
    broker.gives([])
    first = datetime(2026, 11, 20, 3, 45, tzinfo=UTC)
    assert broker.fetch("day", first, continuous=True, oi=True).shape == (0,)
    query = {"from": "2026-11-20 09:15:00", "to": "2026-11-21 09:14:59", "continuous": "1", "oi": "1"}
    assert broker.asked == [("/instruments/historical/408065/day", query)]
    broker.fetch()
    assert broker.asked[1][1]["oi"] == broker.asked[1][1]["continuous"] == "0"


def test_the_answer_is_an_array_by_time(broker: Broker):
    broker.gives([row(0, 1704.5, 7), row(1, 1705, 8)])
    found = broker.fetch()
    assert found.dtype == CANDLE_DTYPE
    assert found.tolist() == [
        (OPEN_S, 1704.5, 1705.5, 1703.5, 1705.0, 10, 7, True),
        (OPEN_S + 60, 1705.0, 1706.0, 1704.0, 1705.5, 10, 8, True),
    ]


def test_the_brokers_own_samples_are_read(market_data: Path):
    for name, has_oi in (("historical_minute", False), ("historical_oi", True)):
        rows = json.loads((market_data / "mocks" / f"{name}.json").read_text())["data"]["candles"]
        found = parse_candles(rows, "minute", LATER_S)
        assert len(found) == len(rows)
        assert found["close"].tolist() == [one[4] for one in rows]
        assert found["volume"].tolist() == [one[5] for one in rows]
        assert (found["oi"] > 0).all() == has_oi
        assert (np.diff(found["start_s"]) >= 60).all()


@pytest.mark.parametrize(("seconds", "settled"), [(60, False), (74.9, False), (75, True), (90, True)])
def test_a_candle_settles_fifteen_seconds_after_its_end(broker: Broker, seconds: float, settled: bool):
    broker.gives([row(0), row(1)])
    found = broker.fetch(now_s=OPEN_S + 60 + seconds)
    assert found["settled"].tolist() == [True, settled]


def test_todays_day_candle_is_never_settled():
    rows = [[f"{DAY:%Y-%m-%dT%H:%M:%S%z}", 1, 1, 1, 1, 1]]
    assert not parse_candles(rows, "day", DAY.timestamp() + 86_400)["settled"][0]
    assert parse_candles(rows, "day", DAY.timestamp() + 86_415)["settled"][0]


def test_order_repeats_and_strangers_are_put_right(broker: Broker):
    stale = row(1, 90)
    broker.gives([row(2), stale, row(0), row(1), [f"{DAY - timedelta(days=1):%Y-%m-%dT%H:%M:%S%z}", 1, 1, 1, 1, 1]])
    found = broker.fetch()
    assert found["start_s"].tolist() == [OPEN_S, OPEN_S + 60, OPEN_S + 120]
    assert found["open"].tolist() == [100, 100, 100]  # of a repeated candle the later counts


def test_a_day_belongs_to_a_request_that_starts_within_it(broker: Broker):
    broker.gives([[f"{DAY:%Y-%m-%dT%H:%M:%S%z}", 1, 1, 1, 1, 1]])
    assert len(broker.fetch("day", DAY + timedelta(hours=9))) == 1


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (400, ("InputException", "interval exceeds max limit: 60 days"), BrokerError),
        (403, ("TokenException", "Incorrect `api_key` or `access_token`."), AuthError),
        (403, ("PermissionException", "Insufficient permission for that call."), NoMarketData),
        (429, ("NetworkException", "Too many requests"), BrokerUnavailable),
        (504, ("NetworkException", "Gateway timed out"), BrokerUnavailable),
    ],
)
def test_a_refusal_says_what_the_broker_said(broker: Broker, status: int, said: tuple[str, str], error: type):
    broker.status = status
    broker.body = json.dumps({"status": "error", "error_type": said[0], "message": said[1]}).encode()
    with pytest.raises((BrokerError, AuthError)) as raised:
        broker.fetch()
    assert type(raised.value) is error
    assert said[1] in raised.value.why


@pytest.mark.parametrize(
    ("status", "body", "passes"),
    [
        (502, b"<html><title>Bad Gateway</title></html>", True),
        (200, b"<html>one moment</html>", True),
        (200, b'{"status": "success", "data": {"candles": [["2026-1', True),
        (404, b"<html>nothing here</html>", False),
        (200, b'{"status": "success", "data": {}}', False),
        (200, b'{"status": "success", "data": {"candles": [["yesterday", 1, 2, 3, 4, 5]]}}', False),
        (200, b'{"status": "success", "data": {"candles": [["2026-11-20T09:15:00+0530", "x", 2, 3, 4, 5]]}}', False),
        (200, b'{"status": "success", "data": {"candles": [["2026-11-20T09:15:00+0530", 1], []]}}', False),
        (200, b'{"status": "success", "data": {"candles": 5}}', False),
    ],
)
def test_an_answer_of_another_form_passes_only_where_a_gateway_gave_it(
    broker: Broker, status: int, body: bytes, passes: bool
):
    broker.status, broker.body, broker.kind = status, body, "text/html" if body[:1] == b"<" else "application/json"
    with pytest.raises(BrokerError) as raised:
        broker.fetch()
    assert isinstance(raised.value, BrokerUnavailable) == passes
    assert raised.value.hint


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *[("minute", "minute"), ("1m", "minute"), ("5minute", "5minute"), ("5 min", "5minute"), ("15M", "15minute")],
        *[("1h", "60minute"), ("60m", "60minute"), ("day", "day"), ("1d", "day"), ("24h", "day")],
    ],
)
def test_intervals_may_be_spelt_as_elsewhere(text: str, name: str):
    assert interval_named(text) == name


@pytest.mark.parametrize("text", ["7minute", "2h", "", "week", "0m", "1s", "500t"])
def test_an_interval_the_broker_has_not_got_is_refused(text: str):
    with pytest.raises(UsageError, match="no candles") as raised:
        interval_named(text)
    assert "60minute" in raised.value.hint


def test_the_simulated_exchange_gives_every_interval():
    found = {}
    with launch(SimOptions(instruments=1, rate_limits=False)) as sim:
        session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
        for interval in INTERVALS_S:
            request = CandleRequest(738561, interval, DAY, DAY + timedelta(hours=23))
            found[interval] = fetch_candles(session, request, DAY.timestamp() + 100_000)
    assert [len(found[interval]) for interval in INTERVALS_S] == [375, 125, 75, 38, 25, 13, 7, 1]
    assert all(one["settled"].all() for one in found.values())
    assert {one["volume"].sum() for one in found.values()} == {found["day"]["volume"][0]}
