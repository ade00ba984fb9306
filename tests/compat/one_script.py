"""A script as users have them, over either client: ``python one_script.py kiteconnect`` or ``kitecli.compat``.

Reads a JSON object of tickers to make (name → root and arguments), connects them all, records every callback with its
arguments, and does what further lines ask: [name, method, arguments]. An empty line ends it, and prints what was seen.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

KiteTicker = importlib.import_module(sys.argv[1]).KiteTicker
CALLBACKS = (
    *("on_ticks", "on_open", "on_close", "on_error", "on_connect", "on_message", "on_reconnect", "on_noreconnect"),
    "on_order_update",
)
RESPONSE = ("peer", "headers", "version", "protocol", "extensions")


def plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if all(hasattr(value, name) for name in RESPONSE):
        return "a response"
    return value


def watch(ticker: object, asked: dict) -> list:
    """Records its callbacks; those of ``asked`` do something, too."""
    seen: list = []

    def record(name: str):
        def callback(ws: object, *arguments: object) -> None:
            place = threading.get_ident() == seen[0] if seen else not seen.append(threading.get_ident())
            seen.append([name, [plain(argument) for argument in arguments], ws.is_connected(), ws is ticker and place])
            if name == "on_connect":
                tokens = asked.get("tokens", [])
                seen.append(["returned", [ws.subscribe(tokens), ws.set_mode(ws.MODE_FULL, tokens[:1])], True, True])
                seen.append(["subscribed_tokens", [{str(k): v for k, v in ws.subscribed_tokens.items()}], True, True])
            if name == asked.get("raise_in"):
                raise KeyError("depth")

        return callback

    for name in CALLBACKS:
        if name not in asked.get("without", []):
            setattr(ticker, name, record(name))
    return seen


def main() -> None:
    logging.disable()
    plan = json.loads(sys.stdin.readline())
    tickers, seen = {}, {}
    for name, asked in plan.items():
        tickers[name] = KiteTicker("key", "token", root=asked["root"], **asked.get("given", {}))
        seen[name] = watch(tickers[name], asked)
    # Twisted is no thing to start from several threads; a feed process takes a second to start, and all may at once.
    with ThreadPoolExecutor(1 if sys.argv[1] == "kiteconnect" else len(plan)) as pool:
        list(pool.map(lambda ticker: ticker.connect(threaded=True), tickers.values()))
    for line in sys.stdin:
        if not line.strip():
            break
        name, method, arguments = json.loads(line)
        if method != "look":
            getattr(tickers[name], method)(*arguments)
        print(json.dumps(seen[name][1:], default=repr), flush=True)
    print(json.dumps({name: calls[1:] for name, calls in seen.items()}, default=repr), flush=True)
    os._exit(0)  # Twisted's reactor has a thread of its own


main()
