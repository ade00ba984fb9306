"""Scripts in the shape of the official client's samples, run over both clients by test_samples.py.

``python sample.py CLIENT SHAPE`` with the key, the token and the root in the environment. Only the import differs.
"""

from __future__ import annotations

import importlib
import os
import sys
import time

KiteTicker = importlib.import_module(sys.argv[1]).KiteTicker
INFY, NIFTY = 408065, 256265

kws = KiteTicker(os.environ["SAMPLE_KEY"], os.environ["SAMPLE_TOKEN"], root=os.environ["SAMPLE_ROOT"])
seen: set[tuple] = set()


def show(*words: object) -> None:
    print(*words, flush=True)


def note(ticks: list) -> None:
    """Each kind of tick once: instrument, mode, keys, their order and types."""
    for tick in ticks:
        kinds = tuple(f"{name}:{type(value).__name__}" for name, value in tick.items())
        kind = (tick["instrument_token"], tick["mode"], kinds)
        if kind not in seen:
            seen.add(kind)
            show("tick", *kind)


def on_connect(ws, response):
    show("connected", ws is kws, ws.subscribe([INFY, NIFTY]), ws.set_mode(ws.MODE_FULL, [INFY]))
    show("wants", sorted(ws.subscribed_tokens.items()))


def blocking() -> None:
    """Everything in callbacks; connect() returns once one of them has called stop(), which Twisted bears only once."""
    enough = {(INFY, "full"), (NIFTY, "quote")}

    def on_ticks(ws, ticks):
        had_enough = enough <= {kind[:2] for kind in seen}
        note(ticks)
        if not had_enough and enough <= {kind[:2] for kind in seen}:
            ws.stop()

    kws.on_ticks, kws.on_connect = on_ticks, on_connect
    kws.connect()
    show("returned")


def threaded() -> None:
    """The main thread changes modes while ticks come on another."""
    kws.on_ticks, kws.on_connect = (lambda ws, ticks: note(ticks)), on_connect
    kws.connect(threaded=True)
    for mode in (kws.MODE_FULL, kws.MODE_LTP, kws.MODE_QUOTE):
        while not kws.is_connected():
            time.sleep(0.01)
        if mode != kws.MODE_FULL:
            show("set", mode, kws.set_mode(mode, [INFY]))
        deadline = time.monotonic() + 20
        while (INFY, mode) not in {kind[:2] for kind in seen} and time.monotonic() < deadline:
            time.sleep(0.01)
    show("unsubscribed", kws.unsubscribe([NIFTY]), sorted(kws.subscribed_tokens.items()))
    os._exit(0)


{"blocking": blocking, "threaded": threaded}[sys.argv[2]]()
