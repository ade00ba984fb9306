"""The routes under ``/sim/``, which no broker has: what was sent, who is subscribed to what, tokens, faults. Sans I/O.

They need no session: the exchange listens on loopback, and what it holds opens nothing but itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from kitecli.errors import UsageError
from kitecli.sim.faults.kinds import Rule
from kitecli.sim.faults.script import parse_fault

if TYPE_CHECKING:
    from kitecli.sim.faults.kinds import Fault
    from kitecli.sim.faults.truth import Deed
    from kitecli.sim.ledger import Ledger

Handler = Callable[[bytes, int], object]
"""Takes a request's body and now_ns, returns the answer's data; KiteErrors are answered with 400."""
Routes = Mapping[tuple[str, str], Handler]


class Exchange(Protocol):
    """What the routes ask of an exchange."""

    ledger: Ledger

    def status(self) -> Mapping[str, object]: ...
    def subscriptions(self) -> Mapping[int, Mapping[int, str]]: ...
    def new_request_token(self, now_ns: int) -> str: ...
    def renew_token(self, now_ns: int) -> str: ...
    def change_app(self, changes: Mapping[str, object]) -> dict[str, object]: ...
    @property
    def proxy(self) -> Faults | None: ...


class Faults(Protocol):
    """What the routes ask of a fault proxy."""

    def do(self, fault: Fault) -> list[Deed]: ...
    def expect(self, rule: Rule) -> None: ...
    def report(self) -> dict[str, object]: ...


def control_routes(exchange: Exchange) -> Routes:
    return {
        ("GET", "/sim/ledger"): lambda *_: exchange.ledger.as_dict(),
        ("GET", "/sim/status"): lambda *_: exchange.status(),
        ("GET", "/sim/subscriptions"): lambda *_: exchange.subscriptions(),
        ("POST", "/sim/request_token"): lambda _, now_ns: {"request_token": exchange.new_request_token(now_ns)},
        ("POST", "/sim/access_token"): lambda _, now_ns: {"access_token": exchange.renew_token(now_ns)},
        ("POST", "/sim/app"): lambda body, _: exchange.change_app(_object(body)),
        ("GET", "/sim/faults"): lambda *_: _proxy(exchange).report(),
        ("POST", "/sim/faults"): lambda body, _: _do(exchange, body),
    }


def _do(exchange: Exchange, body: bytes) -> list[dict[str, object]]:
    asked = parse_fault(body.decode("utf-8", "replace"))
    if isinstance(asked, Rule):
        _proxy(exchange).expect(asked)
        return []
    return [deed.line() for deed in _proxy(exchange).do(asked)]


def _object(body: bytes) -> dict[str, object]:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise UsageError("The body is no JSON object", hint='as {"market_data": false}')
    return said


def _proxy(exchange: Exchange) -> Faults:
    if exchange.proxy is None:
        raise UsageError(
            "This exchange has no fault proxy",
            why="it was started without a script",
            hint='Start it with SimOptions(faults="version: 1"), or kite sim --faults SCRIPT',
        )
    return exchange.proxy
