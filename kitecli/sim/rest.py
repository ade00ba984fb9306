"""The REST a client needs to start, sans I/O: a request in, a response out.

Envelopes, error texts and HTTP codes as the fact sheet has them (REST conventions, auth errors, rate limits, market
data). ``/sim/…`` is ours: see :mod:`~kitecli.sim.control`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import parse_qs, unquote

from kitecli.clock import NS_PER_S, ist
from kitecli.errors import KiteError
from kitecli.market.instruments import format_instruments
from kitecli.sim.candles import Candles
from kitecli.sim.control import Handler, Routes
from kitecli.sim.quotes import Quotes
from kitecli.sim.sessions import NO_AUTHORIZATION, Refusal, Session, Sessions
from kitecli.sim.source import Source

JSON: Final = "application/json"
CSV: Final = "text/csv"
NO_ROUTE: Final = Refusal(404, "Route not found", "GeneralException")
BAD_METHOD: Final = Refusal(405, "Method not allowed", "GeneralException")
TOO_MANY_REQUESTS: Final = Refusal(429, "Too many requests", "NetworkException")

QUOTE_LIMITS: Final = {"/quote": 500, "/quote/ohlc": 1000, "/quote/ltp": 1000}
CALLS_A_SECOND: Final = {"quote": 1, "historical": 3, "other": 10}
HISTORICAL: Final = "/instruments/historical/"
USER_ID: Final = "SIM001"


@dataclass(frozen=True, slots=True)
class Request:
    """``target``: path and query as on the request line. ``headers``: names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Call:
    """A request taken apart. ``fields``: the query's and the form's values by name."""

    method: str
    path: str
    fields: Mapping[str, list[str]]
    authorization: str
    body: bytes
    now_ns: int

    def field(self, name: str) -> str:
        return self.fields.get(name, [""])[0]


_Routes = dict[tuple[str, str], Callable[[_Call], Response]]


class RestApi:
    """``control``: what /sim/… does. ``limited``: whether calls a second are limited, as the broker's are."""

    def __init__(
        self, source: Source, sessions: Sessions, control: Routes, candles: Candles, *, limited: bool = True
    ) -> None:
        self._source = source
        self._candles = candles
        self._sessions = sessions
        self._quotes = Quotes(source)
        self._limited = limited
        self._spent: dict[str, tuple[int, int]] = {}
        self._csv: dict[str, bytes] = {}
        self._public: _Routes = {
            ("POST", "/session/token"): self._login,
            ("DELETE", "/session/token"): self._logout,
            **{key: partial(_control, handler) for key, handler in control.items()},
        }
        self._private: _Routes = {
            ("GET", "/user/profile"): lambda _: _success(self._profile()),
            ("GET", "/quote"): lambda call: self._quote(call, self._quotes.full),
            ("GET", "/quote/ohlc"): lambda call: self._quote(call, self._quotes.ohlc),
            ("GET", "/quote/ltp"): lambda call: self._quote(call, self._quotes.ltp),
        }

    def handle(self, request: Request, now_ns: int) -> Response:
        """Never raises: what isn't known is answered with an error."""
        call = _taken_apart(request, now_ns)
        if call.path.startswith("/sim/"):
            return self._route(call)
        if self._exceeds(call):
            return _refuse(TOO_MANY_REQUESTS)
        if call.path.startswith(HISTORICAL):
            return self._historical(call)
        return self._instruments(call) if call.path.split("/")[1:2] == ["instruments"] else self._route(call)

    def _route(self, call: _Call) -> Response:
        key = (call.method, call.path)
        if key in self._public:
            return self._public[key](call)
        if key in self._private:
            refusal = self._check(call)
            return _refuse(refusal) if refusal else self._private[key](call)
        known = {path for _, path in (*self._public, *self._private)}
        return _refuse(BAD_METHOD if call.path in known else NO_ROUTE)

    def _check(self, call: _Call) -> Refusal | None:
        scheme, _, credentials = call.authorization.partition(" ")
        api_key, _, access_token = credentials.partition(":")
        if scheme.lower() != "token" or not api_key:
            return NO_AUTHORIZATION
        return self._sessions.check(api_key, access_token, call.now_ns)

    def _exceeds(self, call: _Call) -> bool:
        """A bucket for the three quote routes, one for candles and one for all else, by the calendar second."""
        historical = "historical" if call.path.startswith(HISTORICAL) else "other"
        bucket = "quote" if call.path in QUOTE_LIMITS else historical
        second, limit = call.now_ns // NS_PER_S, CALLS_A_SECOND[bucket]
        at, count = self._spent.get(bucket, (second, 0))
        count = count + 1 if at == second else 1
        self._spent[bucket] = (second, count)
        return self._limited and count > limit

    def _login(self, call: _Call) -> Response:
        given = (call.field("api_key"), call.field("request_token"), call.field("checksum"))
        session = self._sessions.exchange(*given, call.now_ns)
        return _refuse(session) if isinstance(session, Refusal) else _success(self._session(session))

    def _logout(self, call: _Call) -> Response:
        refusal = self._sessions.end(call.field("api_key"), call.field("access_token"), call.now_ns)
        return _refuse(refusal) if refusal else _success(data=True)

    def _profile(self) -> dict[str, object]:
        return {
            "user_id": USER_ID,
            "user_type": "individual",
            "email": "simulated@example.com",
            "user_name": "Simulated User",
            "user_shortname": "Simulated",
            "broker": "ZERODHA",
            "exchanges": sorted({instrument.exchange for instrument in self._source.instruments}),
            "products": ["CNC", "NRML", "MIS", "CO"],
            "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
            "avatar_url": None,
            "meta": {"demat_consent": "physical"},
        }

    def _session(self, session: Session) -> dict[str, object]:
        return self._profile() | {
            "api_key": self._sessions.api_key,
            "access_token": session.access_token,
            "public_token": session.public_token,
            "enctoken": "",
            "refresh_token": "",
            "silo": "",
            "login_time": f"{ist(session.started_ns // NS_PER_S):%Y-%m-%d %H:%M:%S}",
        }

    def _quote(self, call: _Call, words: Callable[[list[str]], Mapping[str, object]]) -> Response:
        keys, limit = list(dict.fromkeys(call.fields.get("i", []))), QUOTE_LIMITS[call.path]
        if len(keys) > limit:
            return _refuse(Refusal(400, f"At most {limit} instruments can be asked for at once.", "InputException"))
        return _success(words(keys))

    def _historical(self, call: _Call) -> Response:
        token, _, interval = call.path.removeprefix(HISTORICAL).partition("/")
        if not interval or "/" in interval:
            return _refuse(NO_ROUTE)
        if call.method != "GET":
            return _refuse(BAD_METHOD)
        fields = {name: call.field(name) for name in ("from", "to", "continuous", "oi")}
        data = self._check(call) or self._candles.answer(token, interval, fields)
        return _refuse(data) if isinstance(data, Refusal) else _success(data)

    def _instruments(self, call: _Call) -> Response:
        """Without a session, as the broker serves it. Written once an exchange: 9,000 rows take 30 ms."""
        _, _, exchange = call.path.removeprefix("/").partition("/")
        if "/" in exchange:
            return _refuse(NO_ROUTE)
        if call.method != "GET":
            return _refuse(BAD_METHOD)
        if exchange not in self._csv:
            rows = [row for row in self._source.instruments if exchange in ("", row.exchange)]
            if not rows:
                return _refuse(Refusal(400, f"Invalid exchange {exchange}.", "InputException"))
            self._csv[exchange] = format_instruments(rows).encode()
        return Response(200, CSV, self._csv[exchange])


def _taken_apart(request: Request, now_ns: int) -> _Call:
    raw_path, _, query = request.target.partition("?")  # urlsplit raises on some targets
    fields = parse_qs(query, keep_blank_values=True)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        fields |= parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    path = unquote(raw_path).rstrip("/") or "/"
    return _Call(request.method, path, fields, request.headers.get("authorization", ""), request.body, now_ns)


def _control(handler: Handler, call: _Call) -> Response:
    try:
        return _success(handler(call.body, call.now_ns))
    except KiteError as error:
        envelope = {"status": "error", "message": str(error), "data": error.as_dict(), "error_type": "InputException"}
        return Response(400, JSON, json.dumps(envelope).encode())


def _success(data: object) -> Response:
    return Response(200, JSON, json.dumps({"status": "success", "data": data}).encode())


def _refuse(refusal: Refusal) -> Response:
    return Response(refusal.status, JSON, refusal.body())
