"""The official KiteTicker against a server, in a process of its own: Twisted starts once a process.

Reads one JSON object from stdin (credentials and address), prints one: whether it connected.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from kiteconnect import KiteTicker

asked = json.loads(sys.stdin.read())
connected = threading.Event()
ticker = KiteTicker(asked["api_key"], asked["access_token"], root=asked["ws_url"])
ticker.on_connect = lambda *_: connected.set()
ticker.connect(threaded=True)
print(json.dumps({"connected": connected.wait(20)}), flush=True)
os._exit(0)  # Twisted's reactor has a thread of its own
