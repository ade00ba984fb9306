"""The broker's own Python client against a simulated exchange, in a process of its own: Twisted starts once a process.

Reads one JSON object from stdin (where the exchange is, and the scenario's name), prints one on stdout.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from datetime import date, datetime, timedelta, timezone

from kiteconnect import KiteConnect, KiteTicker
from kiteconnect.exceptions import InputException, NetworkException, TokenException

IST = timezone(timedelta(hours=5, minutes=30))


def plain(value: object) -> object:
    return value.timestamp() if isinstance(value, datetime) else value.isoformat() if isinstance(value, date) else value


def ticker(asked: dict, **credentials: str) -> KiteTicker:
    given = {"api_key": asked["api_key"], "access_token": asked["access_token"]} | credentials
    return KiteTicker(given["api_key"], given["access_token"], root=asked["ws_url"])


def ticks(asked: dict) -> object:
    """Subscribe, set modes, collect ``count`` ticks of a table."""
    found, done = [], threading.Event()
    client = ticker(asked)

    def on_connect(ws: KiteTicker, _response: object) -> None:
        ws.subscribe([token for tokens in asked["modes"].values() for token in tokens])
        for mode, tokens in asked["modes"].items():
            ws.set_mode(mode, tokens)

    def on_ticks(_ws: KiteTicker, some: list) -> None:
        found.extend(some)
        if len(found) >= asked["count"]:
            done.set()

    client.on_connect, client.on_ticks = on_connect, on_ticks
    client.connect(threaded=True)
    done.wait(20)
    return found


def refusals(asked: dict) -> object:
    """What the ticker reports of a bad token, of a fourth connection, and of too many instruments."""
    seen: dict[str, list[str]] = {"denied": [], "fourth": [], "crowded": []}

    def watch(client: KiteTicker, name: str) -> None:
        client.on_error = lambda _ws, _code, reason: seen[name].append(str(reason))

    denied = ticker(asked, access_token="wrong")
    watch(denied, "denied")
    denied.connect(threaded=True)
    wait_for(lambda: seen["denied"])
    denied.stop_retry()
    three = [ticker(asked) for _ in range(3)]
    watch(three[0], "crowded")
    for client in three:
        client.connect(threaded=True)
    wait_for(lambda: all(client.is_connected() for client in three))
    fourth = ticker(asked)
    watch(fourth, "fourth")
    fourth.connect(threaded=True)
    wait_for(lambda: seen["fourth"])
    fourth.stop_retry()
    three[0].subscribe(list(range(257, 257 + 256 * 3001, 256)))
    wait_for(lambda: seen["crowded"])
    return seen | {"connected": [client.is_connected() for client in three]}


def wait_for(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def rest(asked: dict) -> object:
    kite = KiteConnect(asked["api_key"], root=asked["api_url"])
    session = kite.generate_session(asked["request_token"], api_secret=asked["api_secret"])
    keys = ["NSE:INFY", "NSE:NIFTY 50", "NSE:M&M", "NSE:NOPE", "408065"]
    found = {"session": session, "profile": kite.profile(), "all": kite.instruments(), "nse": kite.instruments("NSE")}
    for name, call in (("quote", kite.quote), ("ohlc", kite.ohlc), ("ltp", kite.ltp)):
        found[name] = at_next_second(lambda call=call: call(keys))
    found["errors"] = [
        error_of(lambda: kite.generate_session(asked["request_token"], api_secret="x"), TokenException),
        error_of(
            lambda: at_next_second(lambda: kite.quote([f"NSE:X{number}" for number in range(501)])), InputException
        ),
        error_of(lambda: [kite.ltp(["NSE:INFY"]) for _ in range(5)], NetworkException),
    ]
    found["logout"] = kite.invalidate_access_token()
    found["errors"].append(error_of(kite.profile, TokenException))
    return found


def historical(asked: dict) -> object:
    """Candles as the client gives them, and what it makes of refusals."""
    kite = KiteConnect(asked["api_key"], asked["access_token"], root=asked["api_url"])
    token = asked["token"]
    span = datetime(2026, 11, 2, tzinfo=IST), datetime(2026, 11, 6, 23, 59, 59, tzinfo=IST)
    today = datetime.now(IST).date()
    return {
        "minute": kite.historical_data(token, *span, "minute"),
        "day": kite.historical_data(token, "2026-11-02 00:00:00", "2026-11-06 00:00:00", "day", oi=True),
        "today": kite.historical_data(token, f"{today} 00:00:00", f"{today} 23:59:59", "day"),
        "quote": at_next_second(lambda: kite.quote([token]))[str(token)],
        "errors": [
            error_of(lambda: kite.historical_data(1, *span, "minute"), InputException),
            error_of(lambda: kite.historical_data(token, "2026-01-01 00:00:00", span[1], "minute"), InputException),
            at_next_second(
                lambda: error_of(
                    lambda: [kite.historical_data(token, *span, "day") for _ in range(6)], NetworkException
                )
            ),
        ],
    }


def at_next_second(call):
    """The broker allows one quote a calendar second."""
    time.sleep(1.02 - time.time() % 1)
    return call()


def error_of(call, kind: type[Exception]) -> list:
    try:
        call()
    except kind as error:
        return [error.code, str(error)]
    return ["nothing was raised"]


if __name__ == "__main__":
    asked = json.loads(sys.stdin.read())
    result = {"ticks": ticks, "refusals": refusals, "rest": rest, "historical": historical}[asked["scenario"]](asked)
    print(json.dumps(result, default=plain), flush=True)
    os._exit(0)  # Twisted's reactor has a thread of its own
