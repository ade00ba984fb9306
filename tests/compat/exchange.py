"""Tickers on loopback that do what a test tells them, on a thread of their own: scripts are processes and wait."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

PATIENCE_S = 30.0
HEARTBEAT = b"\x00"
HEARTBEAT_S = 0.25
"""More often than the broker's second, to lose no time with it: ours is connected once a message has come."""


def wait_for(condition: Callable[[], Any], what: str = "it") -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:.0f} s for {what}"
        time.sleep(0.005)
    return result


class Client(WSListener):
    """One connection as the ticker sees it."""

    def __init__(self, ticker: Ticker) -> None:
        super().__init__()
        self.ticker = ticker
        self.texts: list[str] = []
        self.open = True

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.ticker.clients.append(self)
        self._beat()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.open = False

    def _beat(self) -> None:
        if self.open:
            self.transport.send(WSMsgType.BINARY, HEARTBEAT)
            asyncio.get_running_loop().call_later(HEARTBEAT_S, self._beat)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            self.texts.append(frame.get_payload_as_utf8_text())
        elif frame.msg_type is WSMsgType.CLOSE:
            code = frame.get_close_code()
            transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)
            transport.disconnect()


class Ticker:
    """One of them. ``refuse``: an HTTP status to answer upgrades with. ``requests``: the paths asked for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.clients: list[Client] = []
        self.requests: list[str] = []
        self.refuse: int | None = None
        self._loop = loop
        self._server: asyncio.Server | None = None
        self.port = 0
        self.listen()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """Again on the same port, after :meth:`hide`."""

        async def start() -> asyncio.Server:
            return await ws_create_server(self._accept, "127.0.0.1", self.port)

        self._server = asyncio.run_coroutine_threadsafe(start(), self._loop).result(PATIENCE_S)
        self.port = self._server.sockets[0].getsockname()[1]

    def hide(self) -> None:
        """Nobody listens on its port any more; open connections stay."""
        if self._server is not None:
            self._on_loop(self._server.close)

    def client(self, number: int = 0) -> Client:
        """The connection that came as number ``number``, from 0."""
        return wait_for(lambda: self.clients[number : number + 1], f"connection {number}")[0]

    def asked(self, count: int, number: int = 0) -> list[str]:
        """The first ``count`` texts of a connection."""
        return wait_for(lambda: len(self.client(number).texts) >= count, f"{count} texts") and self.client(number).texts

    def send(self, payload: bytes | str) -> None:
        """To the latest connection."""
        kind = WSMsgType.TEXT if isinstance(payload, str) else WSMsgType.BINARY
        data = payload.encode() if isinstance(payload, str) else payload
        self._on_loop(lambda: self.clients[-1].transport.send(kind, data))

    def say_goodbye(self, code: int, reason: bytes) -> None:
        self._on_loop(lambda: self.clients[-1].transport.send_close(code, reason))

    def finish(self) -> None:
        """FIN, without a farewell."""
        self._on_loop(lambda: self.clients[-1].transport.disconnect(True))

    def cut(self) -> None:
        """RST."""

        def abort() -> None:
            transport = self.clients[-1].transport.underlying_transport
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

        self._on_loop(abort)

    def close(self) -> None:
        self.hide()
        for client in self.clients:
            self._on_loop(lambda client=client: client.transport.disconnect(False))

    def _accept(self, request: WSUpgradeRequest) -> Client | WSUpgradeResponseWithListener:
        self.requests.append(request.path.decode())
        if self.refuse is None:
            return Client(self)
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(self.refuse, b"no"), None)

    def _on_loop(self, work: Callable[[], object]) -> None:
        async def run() -> None:
            work()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE_S)


@contextmanager
def tickers() -> Iterator[Callable[[], Ticker]]:
    """``with tickers() as new: new().url``"""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made: list[Ticker] = []

    def new() -> Ticker:
        made.append(Ticker(loop))
        return made[-1]

    try:
        yield new
    finally:
        for ticker in made:
            ticker.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
