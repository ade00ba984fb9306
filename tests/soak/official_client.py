"""The official KiteTicker as its documentation shows it, in a process of its own: Twisted starts once a process.

Reads lines of JSON from stdin: first credentials, address and the instruments by mode; then further set_mode calls.
Prints a line of JSON for each callback.
"""

from __future__ import annotations

import json
import os
import sys
import time

from kiteconnect import KiteTicker
from twisted.internet import reactor

asked = json.loads(sys.stdin.readline())
ticker = KiteTicker(asked["api_key"], asked["access_token"], root=asked["ws_url"])
told = False


def say(what: str, *more: object) -> None:
    print(json.dumps({"ns": time.time_ns(), "what": what, "more": [str(one)[:200] for one in more]}), flush=True)


def on_connect(ws, response):
    """What is wanted is said once: restoring it is the client's promise."""
    global told  # noqa: PLW0603 - a script
    say("on_connect")
    if not told:
        told = True
        for mode, tokens in asked["modes"].items():
            ws.subscribe(tokens)
            ws.set_mode(mode, tokens)


def change(modes):
    for mode, tokens in modes.items():
        try:
            ticker.set_mode(mode, tokens)
        except Exception as error:  # noqa: BLE001 - that is what is asked
            say("raised", type(error).__name__, error)


ticker.on_connect = on_connect
ticker.on_ticks = lambda ws, ticks: None
ticker.on_close = lambda ws, code, reason: say("on_close", code, reason)
ticker.on_error = lambda ws, code, reason: say("on_error", code, reason)
ticker.on_reconnect = lambda ws, attempts: say("on_reconnect", attempts)
ticker.on_noreconnect = lambda ws: say("on_noreconnect")
ticker.connect(threaded=True)
for line in sys.stdin:
    reactor.callFromThread(change, json.loads(line))
os._exit(0)  # Twisted's reactor has a thread of its own
