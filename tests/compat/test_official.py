"""The official client and ours, the same script over the same scripted ticker: the same callbacks in the same order.

Each row of the table is a ticker of its own; all rows of a client run at once in one process, because Twisted starts
once a process. What differs on purpose stands in the table, and in docs/compat.md.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from tests.compat.exchange import Ticker, tickers, wait_for
from tests.conformance.vectors import INFY_FULL, INFY_LTP, NIFTY_INDEX, message

SCRIPT = Path(__file__).with_name("one_script.py")
CLIENTS = ("kiteconnect", "kitecli.compat")
INFY, NIFTY = 408065, 256265
TOKENS = [INFY, NIFTY]
BEAT = ["on_message", ["00", True]]

pytestmark = pytest.mark.skipif(importlib.util.find_spec("kiteconnect") is None, reason="kiteconnect isn't installed")

Calls = list[list[Any]]


class Script:
    """The script as a process, over one of the clients."""

    def __init__(self, client: str, plan: dict[str, Any], runtime: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SCRIPT), client],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TZ": "Asia/Kolkata", "KITE_RUNTIME_DIR": str(runtime)},
        )
        self._lock = threading.Lock()
        self._write(plan)

    def do(self, name: str, method: str = "look", *arguments: object) -> Calls:
        """Call a method of a ticker, or only look; returns the calls it has had."""
        with self._lock:
            self._write([name, method, arguments])
            return json.loads(self._process.stdout.readline())

    def wait_for(self, name: str, callback: str, count: int = 1) -> Calls:
        def enough() -> Calls | None:
            calls = self.do(name)
            return calls if sum(call[0] == callback for call in calls) >= count else None

        return wait_for(enough, f"{callback} of {name}")

    def end(self) -> dict[str, Calls]:
        said, _ = self._process.communicate("\n", timeout=60)
        return json.loads(said)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _write(self, value: object) -> None:
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()


@dataclass
class Case:
    """``steps`` act on the ticker and the script's row; ``ours``: what the calls are where they differ on purpose."""

    steps: Callable[[Ticker, Script, str], None]
    asked: dict[str, Any] = field(default_factory=dict)
    refuse: int | None = None
    only: int | None = None
    """Compare that many of the first calls: the clients wait for different times between attempts."""
    ours: Callable[[Calls], Calls] | None = None


def streaming(ticker: Ticker, script: Script, name: str) -> None:
    script.wait_for(name, "on_open")
    ticker.asked(2)


def messages(ticker: Ticker, script: Script, name: str) -> None:
    streaming(ticker, script, name)
    ticker.send(message(INFY_FULL, NIFTY_INDEX))
    ticker.send(message(INFY_LTP))
    script.wait_for(name, "on_ticks", 2)
    for text in (
        '{"type":"order","data":{"order_id":"1","status":"COMPLETE"}}',
        '{"type":"error","data":"boom"}',
        '{"type":"message","data":"hello"}',
        '{"type":"instruments_meta","data":{"count":1}}',
        "no json",
    ):
        ticker.send(text)
    wait_for(lambda: any(call[1] == [b"no json".hex(), False] for call in script.do(name)), "the last text")


def lost(how: Callable[[Ticker], None]) -> Callable[[Ticker, Script, str], None]:
    def steps(ticker: Ticker, script: Script, name: str) -> None:
        streaming(ticker, script, name)
        how(ticker)
        script.wait_for(name, "on_open", 2)

    return steps


def refused(ticker: Ticker, script: Script, name: str) -> None:
    script.wait_for(name, "on_close")


def gone(ticker: Ticker, script: Script, name: str) -> None:
    streaming(ticker, script, name)
    ticker.hide()
    ticker.cut()
    script.wait_for(name, "on_reconnect")


def never_there(ticker: Ticker, script: Script, name: str) -> None:
    script.wait_for(name, "on_reconnect")


def given_up(ticker: Ticker, script: Script, name: str) -> None:
    script.wait_for(name, "on_noreconnect")


def closed(ticker: Ticker, script: Script, name: str) -> None:
    streaming(ticker, script, name)
    script.do(name, "close")
    script.wait_for(name, "on_close")


def closed_with_a_code(ticker: Ticker, script: Script, name: str) -> None:
    streaming(ticker, script, name)
    script.do(name, "close", 3001)
    script.wait_for(name, "on_close")


def retries_stopped(ticker: Ticker, script: Script, name: str) -> None:
    streaming(ticker, script, name)
    script.do(name, "stop_retry")
    ticker.cut()
    script.wait_for(name, "on_close")


def closed_while_down(ticker: Ticker, script: Script, name: str) -> None:
    gone(ticker, script, name)
    script.do(name, "close")


CASES = {
    "messages of all kinds": Case(messages, {"tokens": TOKENS}),
    "cut": Case(lost(Ticker.cut), {"tokens": TOKENS}),
    "ended without a farewell": Case(lost(Ticker.finish), {"tokens": TOKENS}),
    "farewell 1000": Case(lost(lambda ticker: ticker.say_goodbye(1000, b"done")), {"tokens": TOKENS}),
    "farewell 4000, no reason": Case(lost(lambda ticker: ticker.say_goodbye(4000, b"")), {"tokens": TOKENS}),
    "403": Case(refused, refuse=403, only=2),
    "400": Case(refused, refuse=400, only=2),
    "429": Case(refused, refuse=429, only=2),
    "502": Case(refused, refuse=502, only=2),
    "gone after a cut": Case(gone, {"tokens": TOKENS}, only=7),
    "never there": Case(never_there, {"root": "ws://127.0.0.1:1"}, only=1),
    "given up": Case(given_up, {"root": "ws://127.0.0.1:1", "given": {"reconnect_max_tries": 1}}),
    "closed": Case(closed, {"tokens": TOKENS}),
    "closed with a code": Case(closed_with_a_code, {"tokens": TOKENS}),
    "retries stopped": Case(retries_stopped, {"tokens": TOKENS}),
    "closed while down": Case(closed_while_down, {"tokens": TOKENS}, only=7),
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Calls]]:
    """Client → case → its calls. Both clients at once."""
    with tickers() as new, ThreadPoolExecutor(2) as pool:
        runs = {client: pool.submit(play, client, new, tmp_path_factory.mktemp("run")) for client in CLIENTS}
        return {client: run.result() for client, run in runs.items()}


def play(client: str, new: Callable[[], Ticker], runtime: Path) -> dict[str, Calls]:
    there = {name: new() for name in CASES}
    for name, case in CASES.items():
        there[name].refuse = case.refuse
    plan = {name: {"root": there[name].url, **case.asked} for name, case in CASES.items()}
    with Script(client, plan, runtime) as script, ThreadPoolExecutor(len(CASES)) as pool:
        steps = [pool.submit(case.steps, there[name], script, name) for name, case in CASES.items()]
        for step in steps:
            step.result()
        return script.end()


@pytest.mark.parametrize("name", CASES)
def test_the_callbacks_are_the_official_ones(seen: dict[str, dict[str, Calls]], name: str):
    official, ours = (without_heartbeats(seen[client][name])[: CASES[name].only] for client in CLIENTS)
    assert ours == official
    assert ours


def test_heartbeats_reach_on_message_of_both(seen: dict[str, dict[str, Calls]]):
    for client in CLIENTS:
        assert BEAT in [call[:2] for call in seen[client]["messages of all kinds"]]


def without_heartbeats(calls: Calls) -> Calls:
    """They come when they come."""
    return [call for call in calls if call[:2] != BEAT]
