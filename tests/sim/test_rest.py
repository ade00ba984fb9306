"""REST as a client meets it: routes, envelopes, error texts and codes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from urllib.parse import urlencode

import pytest
from fakes import INSTRUMENTS, FixedHistory, FixedSource

from kitecli.clock import NS_PER_S
from kitecli.errors import ConfigError
from kitecli.sim.calls import Request, Response
from kitecli.sim.candles import Candles
from kitecli.sim.login import LoginDesk
from kitecli.sim.rest import RestApi
from kitecli.sim.sessions import Sessions
from kitecli.sim.shipped import shipped_calendar

NOW_NS = 1_795_322_700 * NS_PER_S
HISTORICAL = "/instruments/historical/408065"
SPAN = "?from=2024-06-27+09:15:00&to=2024-06-27+09:16:00"
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Desk:
    def __init__(self, *, limited: bool = False) -> None:
        tokens = iter(f"{number:032x}" for number in range(1000))
        self.sessions = Sessions(lambda: next(tokens), NOW_NS)
        control = {
            ("GET", "/sim/status"): lambda *_: {"state": "running"},
            ("POST", "/sim/faults"): self.do,
        }
        candles = Candles(INSTRUMENTS, FixedHistory(), {"minute": 60, "day": 2000}, shipped_calendar)
        login = LoginDesk(self.sessions, lambda: next(tokens))
        self.api = RestApi(FixedSource(), self.sessions, control, candles, login, limited=limited)

    def do(self, body: bytes, now_ns: int) -> object:
        if not body:
            raise ConfigError("nothing to do", why="no body", hint="say what")
        return [body.decode(), now_ns]

    @property
    def authorization(self) -> str:
        return f"token {self.sessions.api_key}:{self.sessions.current.access_token}"

    def get(self, target: str, now_ns: int = NOW_NS, **headers: str) -> Response:
        return self.api.handle(Request("GET", target, {"authorization": self.authorization} | headers), now_ns)

    def post(self, target: str, now_ns: int = NOW_NS, **form: str) -> Response:
        return self.api.handle(Request("POST", target, FORM, urlencode(form).encode()), now_ns)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def data_of(response: Response):
    assert response.status == 200, response.body
    assert response.content_type == "application/json"
    envelope = json.loads(response.body)
    assert envelope["status"] == "success"
    return envelope["data"]


def error_of(response: Response) -> tuple[int, str, str]:
    envelope = json.loads(response.body)
    assert envelope["status"] == "error"
    return response.status, envelope["error_type"], envelope["message"]


def test_a_login_gives_what_the_official_client_reads(desk: Desk):
    token = desk.sessions.new_request_token(NOW_NS)
    text = desk.sessions.api_key + token + desk.sessions.api_secret
    checksum = hashlib.sha256(text.encode()).hexdigest()
    form = {"api_key": desk.sessions.api_key, "request_token": token, "checksum": checksum}
    session = data_of(desk.post("/session/token", **form))
    assert session["access_token"] == desk.sessions.current.access_token
    assert len(session["login_time"]) == 19
    assert {"user_id", "public_token", "refresh_token", "api_key", "exchanges"} <= set(session)
    assert error_of(desk.post("/session/token", **form))[:2] == (403, "TokenException")


def test_a_sessions_fields_are_those_of_the_brokers_sample(desk: Desk, market_data):
    token = desk.sessions.new_request_token(NOW_NS)
    checksum = hashlib.sha256((desk.sessions.api_key + token + desk.sessions.api_secret).encode()).hexdigest()
    form = {"api_key": desk.sessions.api_key, "request_token": token, "checksum": checksum}
    for file, found in (
        ("generate_session", desk.post("/session/token", **form)),
        ("profile", desk.get("/user/profile")),
    ):
        sample = json.loads((market_data / "mocks" / f"{file}.json").read_text())["data"]
        assert set(data_of(found)) == set(sample), file


def test_a_logout_is_true_and_final(desk: Desk):
    query = urlencode({"api_key": desk.sessions.api_key, "access_token": desk.sessions.current.access_token})
    authorization = desk.authorization
    assert data_of(desk.api.handle(Request("DELETE", f"/session/token?{query}"), NOW_NS)) is True
    after = desk.api.handle(Request("GET", "/user/profile", {"authorization": authorization}), NOW_NS)
    assert error_of(after) == (403, "TokenException", "Incorrect `api_key` or `access_token`.")


@pytest.mark.parametrize(
    ("authorization", "wanted"),
    [
        ("", (400, "InputException", "Invalid `api_key` or `access_token`.")),
        ("Bearer x", (400, "InputException", "Invalid `api_key` or `access_token`.")),
        ("token a:b", (403, "TokenException", "Incorrect `api_key` or `access_token`.")),
    ],
)
def test_without_a_session_there_is_no_data(desk: Desk, authorization: str, wanted: tuple[int, str, str]):
    for target in ("/user/profile", "/quote?i=NSE:INFY", "/quote/ltp", "/quote/ohlc", f"{HISTORICAL}/minute{SPAN}"):
        assert error_of(desk.get(target, authorization=authorization)) == wanted


def test_quotes_by_repeated_keys(desk: Desk):
    assert set(data_of(desk.get("/quote?i=NSE%3AINFY&i=NSE:NIFTY+50&i=NSE:NOPE"))) == {"NSE:INFY", "NSE:NIFTY 50"}
    assert data_of(desk.get("/quote/ltp?i=408065"))["408065"]["last_price"] == 1573.15
    assert set(data_of(desk.get("/quote/ohlc?i=408065"))["408065"]) == {"instrument_token", "last_price", "ohlc"}
    assert data_of(desk.get("/quote")) == {}


@pytest.mark.parametrize(("path", "limit"), [("/quote", 500), ("/quote/ohlc", 1000), ("/quote/ltp", 1000)])
def test_too_many_instruments_at_once(desk: Desk, path: str, limit: int):
    keys = [("i", f"NSE:X{number}") for number in range(limit + 1)]
    assert data_of(desk.get(f"{path}?{urlencode(keys[:limit])}")) == {}
    status, kind, message = error_of(desk.get(f"{path}?{urlencode(keys)}"))
    assert (status, kind) == (400, "InputException")
    assert str(limit) in message


def test_instruments_are_a_csv_and_need_no_session(desk: Desk):
    response = desk.api.handle(Request("GET", "/instruments"), NOW_NS)
    assert (response.status, response.content_type) == (200, "text/csv")
    rows = list(csv.DictReader(io.StringIO(response.body.decode())))
    assert [row["tradingsymbol"] for row in rows] == ["INFY", "ACC", "NIFTY 50", "USDINR26DECFUT"]
    cds = list(csv.DictReader(io.StringIO(desk.get("/instruments/CDS").body.decode())))
    assert [row["instrument_token"] for row in cds] == ["579587"]
    assert error_of(desk.get("/instruments/XYZ"))[:2] == (400, "InputException")


def test_candles_by_token_interval_and_query(desk: Desk):
    candles = data_of(desk.get(f"{HISTORICAL}/minute{SPAN}&interval=minute&continuous=0&oi=1"))["candles"]
    assert candles[0] == ["2024-06-27T09:15:00+0530", 1573.0, 1574.0, 1572.0, 1573.5, 10, 7]
    assert error_of(desk.get(f"{HISTORICAL}/week{SPAN}")) == (400, "InputException", "invalid interval")


@pytest.mark.parametrize(
    "target", ["/", "/nowhere", "/oms/user/profile", "/instruments/NSE/5", HISTORICAL, "/sim/nothing", "//", "//["]
)
def test_an_unknown_path_is_a_404(desk: Desk, target: str):
    assert error_of(desk.get(target)) == (404, "GeneralException", "Route not found")


@pytest.mark.parametrize("target", ["/quote", "/user/profile", "/instruments", f"{HISTORICAL}/day"])
def test_the_wrong_method_is_a_405(desk: Desk, target: str):
    assert error_of(desk.post(target))[0] == 405


def test_calls_a_second_are_limited_as_the_brokers():
    desk = Desk(limited=True)
    late = NOW_NS + NS_PER_S - 1
    assert [desk.get("/quote/ltp", NOW_NS).status for _ in range(2)] == [200, 429]
    assert error_of(desk.get("/quote", late)) == (429, "NetworkException", "Too many requests")
    assert [desk.get("/user/profile", NOW_NS).status for _ in range(11)] == [200] * 10 + [429]
    assert [desk.get(f"{HISTORICAL}/minute{SPAN}", NOW_NS).status for _ in range(4)] == [200] * 3 + [429]
    assert {desk.get("/sim/status", NOW_NS).status for _ in range(50)} == {200}
    assert desk.get("/quote", late + 1).status == 200


def test_control_needs_no_session_and_its_errors_come_whole(desk: Desk):
    assert data_of(desk.api.handle(Request("GET", "/sim/status"), NOW_NS)) == {"state": "running"}
    assert data_of(desk.api.handle(Request("POST", "/sim/faults", {}, b"do: rst"), NOW_NS)) == ["do: rst", NOW_NS]
    refused = desk.api.handle(Request("POST", "/sim/faults"), NOW_NS)
    assert error_of(refused) == (400, "InputException", "nothing to do. no body. say what")
    assert json.loads(refused.body)["data"]["error"] == "config"
    assert error_of(desk.get("/sim/faults"))[0] == 405


@pytest.mark.parametrize("target", ["/quote/ltp?i=NSE:INFY", HISTORICAL + "/minute" + SPAN])
def test_a_plan_without_market_data_refuses_it_and_nothing_else(desk: Desk, target: str):
    desk.sessions.app.market_data = False
    assert error_of(desk.get(target)) == (403, "PermissionException", "Insufficient permission for that call.")
    assert data_of(desk.get("/user/profile"))["user_id"] == "SIM001"
    token = desk.sessions.current.access_token
    assert desk.sessions.admit(desk.sessions.api_key, token, 0, NOW_NS).status == 403


def test_a_user_who_is_not_linked_gets_no_session(desk: Desk):
    before, token = desk.sessions.current, desk.sessions.new_request_token(NOW_NS)
    desk.sessions.app.linked = False
    text = desk.sessions.api_key + token + desk.sessions.api_secret
    checksum = hashlib.sha256(text.encode()).hexdigest()
    form = {"api_key": desk.sessions.api_key, "request_token": token, "checksum": checksum}
    refused = error_of(desk.post("/session/token", **form))
    assert refused == (403, "PermissionException", "The user is not enabled for the app.")
    assert desk.sessions.current is before


def test_whoever_asks_comes_from_this_machine(desk: Desk):
    assert desk.get("/sim/ip").body.strip() == b"127.0.0.1"
