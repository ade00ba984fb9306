"""A websocket server on loopback that does what a test tells it: refuses, answers, cuts, fragments."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows import ws_create_server as create_server


class Client(WSListener):
    """One client as the server sees it."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.texts = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.server.clients.append(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            self.texts.append(frame.get_payload_as_utf8_text())
            self.server.heard.set()
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def send(self, payload, *, kind=WSMsgType.BINARY, fin=True):
        self.transport.send(kind, payload, fin=fin)


class TinyServer:
    """``refuse``: an HTTP status and body to answer upgrades with."""

    def __init__(self):
        self.clients = []
        self.requests = []
        self.refuse = None
        self.heard = asyncio.Event()
        self.url = ""

    def listener(self, request):
        self.requests.append(request)
        if self.refuse is not None:
            response = WSUpgradeResponse.create_error_response(*self.refuse)
            return WSUpgradeResponseWithListener(response, None)
        return Client(self)

    async def client(self, index=0):
        """The client number ``index`` to connect."""
        while len(self.clients) <= index:
            await asyncio.sleep(0.001)
        return self.clients[index]

    async def hear(self, client, count):
        """Wait until ``client`` has sent ``count`` texts."""
        while len(client.texts) < count:
            self.heard.clear()
            await asyncio.wait_for(self.heard.wait(), 5)
        return client.texts


@pytest.fixture
def tiny_server():
    """``async with tiny_server() as server``"""

    @asynccontextmanager
    async def serve(tls=None, port=0):
        tiny = TinyServer()
        server = await create_server(tiny.listener, "127.0.0.1", port, ssl=tls)
        tiny.port = server.sockets[0].getsockname()[1]
        tiny.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{tiny.port}"
        try:
            yield tiny
        finally:
            server.close()
            for client in tiny.clients:
                client.transport.disconnect(False)
            await server.wait_closed()

    return serve
