"""The routes under /sim/, with and without a fault proxy. Over sockets: test_launcher.py."""

from __future__ import annotations

import pytest
from fakes import SLOT_OF

from kitecli.errors import ConfigError, UsageError
from kitecli.sim.control import control_routes
from kitecli.sim.faults.kinds import Choice, Fault, OnMessage, Rst, Rule
from kitecli.sim.faults.truth import Deed
from kitecli.sim.ledger import Ledger


class Proxy:
    def __init__(self) -> None:
        self.asked: list[Fault] = []

    def do(self, fault: Fault) -> list[Deed]:
        self.asked.append(fault)
        return [Deed(1, "rst", "", "ticker", 4, 0, 100)]

    def expect(self, rule: Rule) -> None:
        self.expected = rule

    def report(self) -> dict[str, object]:
        return {"faults": []}


class Exchange:
    def __init__(self, proxy: Proxy | None = None) -> None:
        self.ledger = Ledger(list(SLOT_OF))
        self.proxy = proxy

    def status(self) -> dict[str, object]:
        return {"state": "running"}

    def subscriptions(self) -> dict[int, dict[int, str]]:
        return {1: {408065: "full"}}

    def new_request_token(self, now_ns: int) -> str:
        return f"request at {now_ns}"

    def renew_token(self, now_ns: int) -> str:
        return f"access at {now_ns}"

    def change_app(self, changes: dict[str, object]) -> dict[str, object]:
        return {"linked": True} | changes


def ask(method: str, path: str, body: bytes = b"", proxy: Proxy | None = None):
    return control_routes(Exchange(proxy))[method, path](body, 5)


def test_what_is_told_and_made():
    assert ask("GET", "/sim/status") == {"state": "running"}
    assert ask("GET", "/sim/ledger")["tokens"] == {}
    assert ask("GET", "/sim/subscriptions") == {1: {408065: "full"}}
    assert ask("POST", "/sim/request_token") == {"request_token": "request at 5"}
    assert ask("POST", "/sim/access_token") == {"access_token": "access at 5"}


def test_the_app_is_changed_as_in_the_developer_console():
    assert ask("POST", "/sim/app", b'{"market_data": false}') == {"linked": True, "market_data": False}
    for body in (b"", b"[]", b"{"):
        with pytest.raises(UsageError, match="JSON"):
            ask("POST", "/sim/app", body)


def test_a_fault_is_done_and_told():
    proxy = Proxy()
    [line] = ask("POST", "/sim/faults", b'{"do": "rst", "connections": [0]}', proxy)
    assert proxy.asked == [Fault(Rst(), Choice((0,)))]
    assert (line["record"], line["connection"], line["from_ns"]) == ("fault", 4, 100)
    assert ask("GET", "/sim/faults", proxy=proxy) == {"faults": []}
    with pytest.raises(ConfigError, match="the request:1: do can't be 'explode'"):
        ask("POST", "/sim/faults", b'{"do": "explode"}', proxy)


def test_a_fault_for_later_is_kept():
    proxy = Proxy()
    assert ask("POST", "/sim/faults", b'{"do": "rst", "on_message": 3}', proxy) == []
    assert proxy.expected == Rule(OnMessage(3), Fault(Rst()), 1, 1)
    assert not proxy.asked


def test_without_a_proxy_there_are_no_faults():
    for method, body in (("GET", b""), ("POST", b"do: rst")):
        with pytest.raises(UsageError, match="no fault proxy"):
            ask(method, "/sim/faults", body)
