"""A ticker that says what it is told to, and what the service's tests share."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager

import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from kitecli.hot import COMPILED
from kitecli.protocol.messages import parse_client_text
from kitecli.settings import load
from kitecli.settings.live import LiveConfig

PROCESS = pytest.param("process", marks=pytest.mark.skipif(not COMPILED, reason="needs the compiled pass"))
both_kinds = pytest.mark.parametrize("kind", ["embedded", PROCESS])
"""Of tests to be run with the feed on a thread and in a process of its own."""
only_shared = pytest.mark.parametrize("kind", [PROCESS])
"""Of tests of a feed process that several readers share."""


def config_for(ws_url, api_url="http://127.0.0.1:1", *, kind="process", **more):
    """Settings of an exchange of ours; ``more`` as environment variables.

    Without the finest bars: where nothing is compiled they take most of a tick's time.
    """
    environ = {
        "KITE_ENVIRONMENT": "sim",
        "KITE_WS_ROOT": ws_url,
        "KITE_API_ROOT": api_url,
        "KITE_PERFORMANCE_RING_BUFFER_SIZE": "65536",
        "KITE_PERFORMANCE_USE_MMAP": str(kind == "process"),
        "KITE_PERFORMANCE_TICK_AGGREGATION_INTERVAL": "0",
        **more,
    }
    return LiveConfig(lambda: load(environ=environ))


def until(done, seconds=60.0):
    """Look until ``done()``; fails when it takes longer than ``seconds``."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


HEARTBEAT = b"\0"
HEARTBEAT_S = 0.2
"""Five times as often as the broker, so that a connection shows soon that it lives."""


class Ticker:
    """A ticker on loopback that says what it is told to; ``wanted``: token → mode as asked for by its last client."""

    def __init__(self, port=0):
        self.clients = []
        self.wanted = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(ws_create_server(lambda _: _Client(self), "127.0.0.1", port))
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        self._loop.call_soon_threadsafe(self._beat)

    def send(self, message):
        """To every client: text, or a binary message."""
        self._loop.call_soon_threadsafe(self._send, message)

    def cut(self):
        """Hang up on everybody."""
        self._loop.call_soon_threadsafe(lambda: [client.transport.disconnect() for client in tuple(self.clients)])

    def close(self):
        self.cut()
        self._loop.call_soon_threadsafe(self._server.close)
        self._do(asyncio.sleep(0.05))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _beat(self):
        self._send(HEARTBEAT)
        self._loop.call_later(HEARTBEAT_S, self._beat)

    def _do(self, work):
        async def await_it():
            return await work

        return asyncio.run_coroutine_threadsafe(await_it(), self._loop).result(10)

    def _send(self, message):
        kind = WSMsgType.TEXT if isinstance(message, str) else WSMsgType.BINARY
        for client in self.clients:
            client.transport.send(kind, message.encode() if isinstance(message, str) else message)


class _Client(WSListener):
    def __init__(self, ticker):
        self._ticker = ticker

    def on_ws_connected(self, transport: WSTransport):
        self.transport = transport
        self._ticker.wanted = {}
        self._ticker.clients.append(self)

    def on_ws_disconnected(self, transport: WSTransport):
        self._ticker.clients.remove(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame):
        request = parse_client_text(frame.get_payload_as_bytes()) if frame.msg_type == WSMsgType.TEXT else None
        if request is None:
            return
        for token in request.tokens:
            if request.action == "unsubscribe":
                self._ticker.wanted.pop(token, None)
            else:
                self._ticker.wanted[token] = request.mode or "quote"


@contextmanager
def streaming(service):
    """Run it, and wait for its first connection."""
    with service:
        until(lambda: service.get_statistics()["active_connections"])
        yield service
