"""The REST a client needs to start, sans I/O: a request in, a response out.

Envelopes, error texts and HTTP codes as the fact sheet has them (REST conventions, auth errors, rate limits, market
data). ``/sim/…`` is ours: see :mod:`~kitecli.sim.control`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from kitecli.clock import NS_PER_S, ist
from kitecli.errors import KiteError
from kitecli.market.instruments import format_instruments
from kitecli.sim.calls import JSON, TEXT, Call, Request, Response, refuse, success, taken_apart
from kitecli.sim.candles import Candles
from kitecli.sim.control import Handler, Routes
from kitecli.sim.login import USER_ID, LoginDesk
from kitecli.sim.quotes import Quotes
from kitecli.sim.sessions import NO_AUTHORIZATION, NOT_IN_PLAN, Refusal, Session, Sessions
from kitecli.sim.source import Source

CSV: Final = "text/csv"
NO_ROUTE: Final = Refusal(404, "Route not found", "GeneralException")
BAD_METHOD: Final = Refusal(405, "Method not allowed", "GeneralException")
TOO_MANY_REQUESTS: Final = Refusal(429, "Too many requests", "NetworkException")

QUOTE_LIMITS: Final = {"/quote": 500, "/quote/ohlc": 1000, "/quote/ltp": 1000}
CALLS_A_SECOND: Final = {"quote": 1, "historical": 3, "other": 10}
HISTORICAL: Final = "/instruments/historical/"
UNLIMITED: Final = ("/sim/", "/connect/", "/api/")
"""Not of the interface whose calls are limited: ours, and what browsers ask."""


_Routes = dict[tuple[str, str], Callable[[Call], Response]]


class RestApi:
    """``control``: what /sim/… does. ``limited``: whether calls a second are limited, as the broker's are."""

    def __init__(
        self,
        source: Source,
        sessions: Sessions,
        control: Routes,
        candles: Candles,
        login: LoginDesk,
        *,
        limited: bool = True,
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
            ("GET", "/sim/ip"): lambda _: Response(200, TEXT, b"127.0.0.1\n"),  # it listens on loopback alone
            **login.routes,
            **{key: partial(_control, handler) for key, handler in control.items()},
        }
        self._private: _Routes = {
            ("GET", "/user/profile"): lambda _: success(self._profile()),
            ("GET", "/quote"): lambda call: self._quote(call, self._quotes.full),
            ("GET", "/quote/ohlc"): lambda call: self._quote(call, self._quotes.ohlc),
            ("GET", "/quote/ltp"): lambda call: self._quote(call, self._quotes.ltp),
        }

    def handle(self, request: Request, now_ns: int) -> Response:
        """Never raises: what isn't known is answered with an error."""
        call = taken_apart(request, now_ns)
        if call.path.startswith(UNLIMITED):
            return self._route(call)
        if self._exceeds(call):
            return refuse(TOO_MANY_REQUESTS)
        if call.path.startswith(HISTORICAL):
            return self._historical(call)
        return self._instruments(call) if call.path.split("/")[1:2] == ["instruments"] else self._route(call)

    def _route(self, call: Call) -> Response:
        key = (call.method, call.path)
        if key in self._public:
            return self._public[key](call)
        if key in self._private:
            refusal = self._check(call)
            return refuse(refusal) if refusal else self._private[key](call)
        known = {path for _, path in (*self._public, *self._private)}
        return refuse(BAD_METHOD if call.path in known else NO_ROUTE)

    def _check(self, call: Call) -> Refusal | None:
        scheme, _, credentials = call.authorization.partition(" ")
        api_key, _, access_token = credentials.partition(":")
        if scheme.lower() != "token" or not api_key:
            return NO_AUTHORIZATION
        refusal = self._sessions.check(api_key, access_token, call.now_ns)
        sold_apart = call.path in QUOTE_LIMITS or call.path.startswith(HISTORICAL)
        return NOT_IN_PLAN if not refusal and sold_apart and not self._sessions.app.market_data else refusal

    def _exceeds(self, call: Call) -> bool:
        """A bucket for the three quote routes, one for candles and one for all else, by the calendar second."""
        historical = "historical" if call.path.startswith(HISTORICAL) else "other"
        bucket = "quote" if call.path in QUOTE_LIMITS else historical
        second, limit = call.now_ns // NS_PER_S, CALLS_A_SECOND[bucket]
        at, count = self._spent.get(bucket, (second, 0))
        count = count + 1 if at == second else 1
        self._spent[bucket] = (second, count)
        return self._limited and count > limit

    def _login(self, call: Call) -> Response:
        given = (call.field("api_key"), call.field("request_token"), call.field("checksum"))
        session = self._sessions.exchange(*given, call.now_ns)
        return refuse(session) if isinstance(session, Refusal) else success(self._session(session))

    def _logout(self, call: Call) -> Response:
        refusal = self._sessions.end(call.field("api_key"), call.field("access_token"), call.now_ns)
        return refuse(refusal) if refusal else success(data=True)

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

    def _quote(self, call: Call, words: Callable[[list[str]], Mapping[str, object]]) -> Response:
        keys, limit = list(dict.fromkeys(call.fields.get("i", []))), QUOTE_LIMITS[call.path]
        if len(keys) > limit:
            return refuse(Refusal(400, f"At most {limit} instruments can be asked for at once.", "InputException"))
        return success(words(keys))

    def _historical(self, call: Call) -> Response:
        token, _, interval = call.path.removeprefix(HISTORICAL).partition("/")
        if not interval or "/" in interval:
            return refuse(NO_ROUTE)
        if call.method != "GET":
            return refuse(BAD_METHOD)
        fields = {name: call.field(name) for name in ("from", "to", "continuous", "oi")}
        data = self._check(call) or self._candles.answer(token, interval, fields)
        return refuse(data) if isinstance(data, Refusal) else success(data)

    def _instruments(self, call: Call) -> Response:
        """Without a session, as the broker serves it. Written once an exchange: 9,000 rows take 30 ms."""
        _, _, exchange = call.path.removeprefix("/").partition("/")
        if "/" in exchange:
            return refuse(NO_ROUTE)
        if call.method != "GET":
            return refuse(BAD_METHOD)
        if exchange not in self._csv:
            rows = [row for row in self._source.instruments if exchange in ("", row.exchange)]
            if not rows:
                return refuse(Refusal(400, f"Invalid exchange {exchange}.", "InputException"))
            self._csv[exchange] = format_instruments(rows).encode()
        return Response(200, CSV, self._csv[exchange])


def _control(handler: Handler, call: Call) -> Response:
    try:
        return success(handler(call.body, call.now_ns))
    except KiteError as error:
        envelope = {"status": "error", "message": str(error), "data": error.as_dict(), "error_type": "InputException"}
        return Response(400, JSON, json.dumps(envelope).encode())
