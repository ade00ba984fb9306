"""The official client under the same load: as many ``KiteTicker`` as connections, on its one reactor.

Its handler does what ours does: it takes the time on its first line, and counts.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any, Final

import numpy as np

from kitecli.errors import FeedError
from kitecli.gateway.spec import GatewaySpec
from kitecli.loadtest.client import Job
from kitecli.loadtest.plan import shares
from kitecli.loadtest.tally import ClientTally

CONNECT_S: Final = 20.0


class OfficialClient:
    """Connects at once; see :class:`~kitecli.loadtest.client.Client`. Raises :class:`FeedError` if it can't."""

    feed_pid = None

    def __init__(self, job: Job) -> None:
        from kiteconnect import KiteTicker

        spec = GatewaySpec.from_line(job.spec)
        self.tally = ClientTally(job.tokens)
        self._mode = job.mode
        self._shares = shares(job.tokens, job.connections)
        self._came: deque[tuple[int, list[dict[str, Any]]]] = deque()  # Any: as the official client has it
        self._connected: SimpleQueue[object] = SimpleQueue()
        token = spec.access_token.reveal() if spec.access_token else ""
        self._tickers = [KiteTicker(spec.api_key, token, root=spec.ws_root, reconnect=False) for _ in self._shares]
        for ticker in self._tickers:
            ticker.on_ticks = self._on_ticks
            ticker.on_connect = lambda _ws, _response: self._connected.put(None)
            self._connect(ticker)
            self._await_connection()

    def go(self) -> None:
        for ticker, share in zip(self._tickers, self._shares, strict=True):
            self._on_reactor(ticker.subscribe, share)
            self._on_reactor(ticker.set_mode, self._mode, share)

    def quiet(self) -> None:
        for ticker, share in zip(self._tickers, self._shares, strict=True):
            self._on_reactor(ticker.unsubscribe, share)

    def read(self, timeout_s: float) -> None:
        """Count what the handler was called with: a look later, so that counting hardly delays its next call."""
        time.sleep(timeout_s)
        calls = [self._came.popleft() for _ in range(len(self._came))]
        if not calls:
            return
        latencies_ns = [
            now_ns - (tick["total_buy_quantity"] << 32 | tick["total_sell_quantity"])
            for now_ns, ticks in calls
            for tick in ticks
        ]
        self.tally.time(np.array(latencies_ns, np.int64), len(latencies_ns), time.monotonic())
        tokens = [tick["instrument_token"] for _, ticks in calls for tick in ticks]
        self.tally.count(np.array(tokens, np.uint32))

    def figures(self) -> dict[str, object]:
        return {}

    def close(self) -> None:
        from twisted.internet import reactor

        self._on_reactor(reactor.stop)  # type: ignore[misc]  # Twisted installs its methods on the module

    def _on_ticks(self, _ws: object, ticks: Sequence[dict[str, Any]]) -> None:
        self._came.append((time.time_ns(), list(ticks)))

    def _connect(self, ticker: Any) -> None:
        from twisted.internet import reactor

        if reactor.running:
            self._on_reactor(ticker.connect)
        else:
            ticker.connect(threaded=True)

    def _on_reactor(self, call: Any, *arguments: object) -> None:
        """Twisted's transports may be written to on its own thread only."""
        from twisted.internet import reactor

        reactor.callFromThread(call, *arguments)

    def _await_connection(self) -> None:
        try:
            self._connected.get(timeout=CONNECT_S)
        except Empty:
            raise FeedError("The official client didn't connect", why=f"nothing for {CONNECT_S:g} s") from None
