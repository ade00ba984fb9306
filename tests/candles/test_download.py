"""A download against real sockets and a broker that fails at random; time is virtual, so that years take seconds."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from made import INFY, joined, minutes

from kitecli.broker.historical import CANDLE_DTYPE, CandleRequest, fetch_candles
from kitecli.broker.pace import SharedPace
from kitecli.broker.rest import BrokerSession
from kitecli.candles.download import BACKOFF_S, Downloader, Series, requests_for
from kitecli.candles.holes import look
from kitecli.candles.parts import Parts
from kitecli.candles.plan import Days
from kitecli.clock import IST, NS_PER_S, ManualClock
from kitecli.errors import AuthError, BrokerUnavailable
from kitecli.market.calendar import midnight_s
from kitecli.secret import Secret
from kitecli.settings.calendars import load_calendar
from kitecli.settings.endpoints import load_historical_limits, load_rest_limits
from kitecli.sim.calls import Request
from kitecli.sim.candles import Candles, load_spans
from kitecli.sim.history import MarketHistory
from kitecli.sim.login import LoginDesk
from kitecli.sim.market import SyntheticMarket
from kitecli.sim.rest import RestApi
from kitecli.sim.sessions import Sessions
from kitecli.sim.shipped import shipped_calendar
from kitecli.sim.universe import build_universe

START = datetime(2026, 11, 20, 11, 0, 30, tzinfo=IST)
SPANS = load_historical_limits().days_per_request
FAULTS = {
    429: b'{"status": "error", "message": "Too many requests", "error_type": "NetworkException"}',
    502: b"<html><title>502 Bad Gateway</title></html>",
    504: b'{"status": "error", "message": "Gateway timed out", "error_type": "NetworkException"}',
    200: b"<html>one moment, please</html>",
}


class FlakyExchange:
    """The simulated exchange's REST behind a real socket, failing one call in four; ``clock`` is everybody's."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        universe = build_universe(START.date(), 2)
        market = SyntheticMarket(universe, seed=5, rate=1.0, start_ns=clock.now_ns())
        self.history = MarketHistory(market, 5, shipped_calendar)
        tokens = iter(f"{number:032x}" for number in range(100))
        self.sessions = Sessions(lambda: next(tokens), clock.now_ns())
        candles = Candles(market.instruments, self.history, load_spans(), shipped_calendar)
        login = LoginDesk(self.sessions, lambda: next(tokens))
        self.api = RestApi(market, self.sessions, {}, candles, login, limited=True)
        self.slot = [row.tradingsymbol for row in market.instruments].index("INFY")
        self.arrivals: list[int] = []
        self.answers: list[int] = []
        self.chance = random.Random(4)

    def answer(self, target: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
        self.arrivals.append(self.clock.now_ns())
        response = self.api.handle(Request("GET", target, headers), self.clock.now_ns())
        assert response.status != 429, "the pace let too many through"
        if self.chance.random() < 0.25:
            status, body = self.chance.choice(list(FAULTS.items()))
            self.answers.append(status if status != 200 else 0)
            return status, "text/html" if body[:1] == b"<" else "application/json", body
        self.answers.append(response.status)
        self.clock.advance(0.05)
        return response.status, response.content_type, response.body


@pytest.fixture
def exchange() -> Iterator[tuple[FlakyExchange, BrokerSession]]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = flaky.answer(self.path, {name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    flaky = FlakyExchange(ManualClock(round(START.timestamp() * NS_PER_S)))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        token = flaky.sessions.current.access_token
        root = f"http://127.0.0.1:{server.server_port}"
        yield flaky, BrokerSession(root, flaky.sessions.api_key, Secret(token))
        server.shutdown()
        flaky.history.close()


def test_three_years_of_minutes_through_a_broker_that_fails(exchange, tmp_path: Path):
    flaky, session = exchange
    clock, limit = flaky.clock, load_rest_limits().historical_requests_per_s
    pace = SharedPace(tmp_path / "pace", limit, now_ns=clock.now_ns, wait=clock.advance)
    downloader = Downloader(partial(fetch_candles, session), pace.turn, SPANS, clock, clock.advance)
    days = Days(date(2024, 1, 1), START.date())
    series = Series(INFY, "minute", Parts(tmp_path / "parts"))
    assert len(requests_for(series, days, SPANS)) == 18

    found = downloader.bring(series, days)

    there = flaky.history.minutes(flaky.slot, 0, 2**40)
    assert len(there) > 260_000
    assert found["start_s"].tolist() == there["start_s"].tolist()  # so no repeat and none left out
    for name in ("open", "high", "low", "close"):
        assert (np.rint(found[name] * 100) == there[name]).all()
    assert (found["volume"] == there["volume"]).all()
    assert found["settled"][:-1].all()
    assert not found["settled"][-1]  # the minute of now
    checked = look(found, downloader.settled(days), load_calendar(), "NSE")
    assert (checked.holes, checked.before, checked.last) == ((), 0, START.date())
    assert sum(status in (429, 502, 504, 0) for status in flaky.answers) >= 4
    assert flaky.answers.count(200) == 18
    arrivals = flaky.arrivals
    assert all(later - earlier >= NS_PER_S for earlier, later in zip(arrivals, arrivals[limit:], strict=False))
    # All but the day that isn't over is there for good.
    assert requests_for(series, days, SPANS) == [Days(START.date(), START.date())]


class Scripted:
    """Gives ``minutes`` of every day, or raises what stands in ``script`` first; notes what it was asked."""

    def __init__(self, now: datetime) -> None:
        self.clock = ManualClock(round(now.timestamp() * NS_PER_S))
        self.script: list[Exception] = []
        self.asked: list[CandleRequest] = []
        self.waited: list[float] = []
        self.told: list[float | None] = []
        self.turns = 0

    def __call__(self, request: CandleRequest, now_s: float):
        self.asked.append(request)
        if self.script:
            raise self.script.pop(0)
        days = [request.first.date() + timedelta(days=n) for n in range((request.last - request.first).days + 1)]
        made = joined(np.zeros(0, CANDLE_DTYPE), *map(minutes, days))
        made["settled"] = made["start_s"] + 75 <= now_s
        return made[made["start_s"] <= now_s]

    def turn(self) -> None:
        self.turns += 1

    def downloader(self) -> Downloader:
        return Downloader(self, self.turn, SPANS, self.clock, self.waited.append, self.told.append)

    @property
    def spans(self) -> list[tuple[str, str]]:
        return [(f"{one.first:%m-%d %H:%M:%S}", f"{one.last:%m-%d %H:%M:%S}") for one in self.asked]


def series_in(folder: Path, interval: str = "minute") -> Series:
    return Series(INFY, interval, Parts(folder / interval), oi=True)


NOON = datetime(2026, 11, 20, 12, tzinfo=IST)
BUSY = BrokerUnavailable("The broker refused it", why="Too many requests", hint="wait")


def test_whole_days_are_asked_for_and_only_those_that_are_missing(tmp_path: Path):
    broker, series = Scripted(NOON), series_in(tmp_path)
    broker.downloader().bring(series, Days(date(2026, 11, 10), date(2026, 11, 12)))
    assert broker.spans == [("11-10 00:00:00", "11-12 23:59:59")]
    assert (broker.asked[0].token, broker.asked[0].interval, broker.asked[0].oi) == (408065, "minute", True)
    found = broker.downloader().bring(series, Days(date(2026, 11, 9), date(2026, 11, 13)))
    assert broker.spans[1:] == [("11-09 00:00:00", "11-09 23:59:59"), ("11-13 00:00:00", "11-13 23:59:59")]
    assert len(found) == 15
    broker.downloader().bring(series, Days(date(2026, 11, 9), date(2026, 11, 13)))
    assert len(broker.asked) == broker.turns == 3
    assert broker.told == [None] * 3


def test_today_is_asked_for_again_each_time(tmp_path: Path):
    broker, series = Scripted(NOON.replace(hour=9, minute=16, second=30)), series_in(tmp_path)
    days = Days(date(2026, 11, 19), date(2026, 11, 20))
    first = broker.downloader().bring(series, days)
    assert first["settled"].tolist() == [True] * 4 + [False]
    broker.clock.advance(120)
    second = broker.downloader().bring(series, days)
    assert broker.spans[1:] == [("11-20 00:00:00", "11-20 23:59:59")]
    assert second["settled"].tolist() == [True] * 6
    broker.clock.advance(86_400)
    broker.downloader().bring(series, days)
    assert broker.downloader().bring(series, days).tobytes() == second.tobytes()
    assert len(broker.asked) == 3


@pytest.mark.parametrize(("seconds", "again"), [(14, True), (15, False)])
def test_a_day_that_just_ended_is_asked_for_again(tmp_path: Path, seconds: int, again: bool):
    broker, series = Scripted(NOON.replace(day=21, hour=0, second=seconds)), series_in(tmp_path)
    days = Days(date(2026, 11, 20), date(2026, 11, 20))
    broker.downloader().bring(series, days)
    broker.downloader().bring(series, days)
    assert len(broker.asked) == 1 + again


def test_spans_are_those_of_the_interval(tmp_path: Path):
    days = Days(date(2021, 1, 1), date(2026, 11, 19))
    counts = {name: len(requests_for(series_in(tmp_path, name), days, SPANS)) for name in SPANS}
    assert counts == {
        "minute": 36,
        "3minute": 22,
        "5minute": 22,
        "10minute": 22,
        "15minute": 11,
        "30minute": 11,
        "60minute": 6,
        "day": 2,
    }


def test_what_passes_is_tried_again_ever_more_slowly(tmp_path: Path):
    broker = Scripted(NOON)
    broker.script = [BUSY] * 3
    broker.downloader().bring(series_in(tmp_path), Days(date(2026, 11, 10), date(2026, 11, 10)))
    assert broker.waited == [1, 2, 4]
    assert broker.told == [1, 2, 4, None]
    assert broker.turns == 4  # what is tried again counts too


def test_what_does_not_pass_ends_it_and_what_came_stays(tmp_path: Path):
    broker, series = Scripted(NOON), series_in(tmp_path)
    days = Days(date(2026, 6, 1), date(2026, 11, 19))
    broker.script = []
    broker.downloader().bring(series, Days(date(2026, 6, 1), date(2026, 7, 30)))
    broker.script = [BUSY] * (len(BACKOFF_S) + 1)
    with pytest.raises(BrokerUnavailable) as raised:
        broker.downloader().bring(series, days)
    assert "tried 8 times" in raised.value.why
    assert "goes on where it was" in raised.value.hint
    assert sum(broker.waited) > 60
    broker.asked.clear()
    assert len(broker.downloader().bring(series, days)) == 172 * 3
    assert broker.spans[0][0] == "07-31 00:00:00"


def test_a_session_that_has_ended_is_not_tried_again(tmp_path: Path):
    broker = Scripted(NOON)
    broker.script = [AuthError("ended")]
    with pytest.raises(AuthError):
        broker.downloader().bring(series_in(tmp_path), Days(date(2026, 11, 10), date(2026, 11, 10)))
    assert len(broker.asked) == 1


def test_settled_days_end_yesterday(tmp_path: Path):
    downloader = Scripted(NOON).downloader()
    assert downloader.settled(Days(date(2026, 11, 1), date(2026, 11, 20))).last == date(2026, 11, 19)
    assert downloader.settled(Days(date(2026, 11, 1), date(2026, 11, 5))).last == date(2026, 11, 5)
    assert midnight_s(date(2026, 11, 20)) < downloader._now_s()
