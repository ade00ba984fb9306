"""Two worlds to feed from: a websocket server on loopback, and a broker in virtual time."""

from __future__ import annotations

import asyncio
import json
import selectors
from contextlib import asynccontextmanager

import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows import ws_create_server as create_server

from kitecli.errors import ConnectionFailed
from kitecli.feed.transport import Closed

HEARTBEAT = b"\x00"
TICK = b"\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x01"


class Client(WSListener):
    """One client as the server sees it."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.texts = []
        self.gone = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.server.clients.append(self)
        self.server.most_open = max(self.server.most_open, sum(not c.gone.is_set() for c in self.server.clients))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            self.texts.append(frame.get_payload_as_utf8_text())
            self.server.heard.set()
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.gone.set()

    def send(self, payload, *, kind=WSMsgType.BINARY, fin=True):
        self.transport.send(kind, payload, fin=fin)


class TinyServer:
    """``refuse``: an HTTP status and body to answer upgrades with, or a function of the request that returns one."""

    def __init__(self):
        self.clients = []
        self.requests = []
        self.refuse = None
        self.most_open = 0
        self.heard = asyncio.Event()
        self.url = ""

    def listener(self, request):
        self.requests.append(request)
        refusal = self.refuse(request) if callable(self.refuse) else self.refuse
        if refusal is not None:
            response = WSUpgradeResponse.create_error_response(*refusal)
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


class _Leap(selectors.SelectSelector):
    """Instead of waiting for a timer, time goes there."""

    now_s = 1000.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready:
            self.now_s += timeout or 0.0
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self):
        return self._leap.now_s


class VirtualLink:
    """One socket to the virtual broker."""

    rtt_ns = None

    def __init__(self, broker, receiver):
        self.broker, self.receiver = broker, receiver
        self.texts, self.pings = [], 0
        self._ended = asyncio.get_running_loop().create_future()

    @property
    def open(self):
        return not self._ended.done()

    def send_text(self, text):
        if not self.open:
            return
        self.texts.append(text)
        if len(self.texts) == self.broker.cut_after_texts:
            self.cut()

    def ping(self):
        self.pings += 1

    def close(self):
        self.cut(Closed(1000, ""))

    def abort(self):
        self.cut()

    def cut(self, closed=Closed(1006, "the connection was cut")):  # noqa: B008 - a frozen value
        if self.open:
            self._ended.set_result(closed)

    async def wait_closed(self):
        return await asyncio.shield(self._ended)

    def say(self, payload=HEARTBEAT):
        if self.open:
            self.receiver.on_binary(payload)


class VirtualBroker:
    """A Transport and what is behind it: a server that can be up or down, and answers what ``answer`` says.

    ``answer(url)``: a KiteError to refuse with, or None. ``blocked``: indices of connections whose way is cut.
    ``attempts``: (when, address) of each handshake.
    """

    def __init__(self, rtt_s=0.03):
        self.rtt_s = rtt_s
        self.up, self.cut_after_texts, self.mute = True, None, False
        self.answer, self.blocked = lambda _url: None, set()
        self.attempts, self.links = [], []
        self.most_open = 0

    @property
    def open_links(self):
        return [link for link in self.links if link.open]

    async def open(self, url, receiver):
        loop = asyncio.get_running_loop()
        self.attempts.append((loop.time(), url))
        await asyncio.sleep(self.rtt_s)
        reached = self.up and receiver.index not in self.blocked
        refusal = self.answer(url) if reached else ConnectionFailed("The ticker can't be reached", why="refused")
        if refusal is not None:
            raise refusal
        link = VirtualLink(self, receiver)
        self.links.append(link)
        self.most_open = max(self.most_open, len(self.open_links))
        loop.call_later(self.rtt_s, self._beat, link)
        return link

    def down(self):
        self.up = False
        for link in self.open_links:
            link.cut()

    def _beat(self, link):
        if link.open:
            if not self.mute:
                link.say()
            asyncio.get_running_loop().call_later(1.0, self._beat, link)


@pytest.fixture
def broker():
    """A broker in virtual time; to be used with ``virtually``."""
    return VirtualBroker()


@pytest.fixture
def virtually():
    """``virtually(coroutine)``: run it in virtual time."""

    def run(work):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(work)

    return run


def told(texts):
    """Token → mode, as a server takes it from what a client said. A mode for what isn't subscribed is a mistake."""
    modes = {}
    for message in map(json.loads, texts):
        match message:
            case {"a": "subscribe", "v": tokens}:
                modes.update(dict.fromkeys(tokens, "quote"))
            case {"a": "mode", "v": [mode, tokens]}:
                assert set(tokens) <= set(modes)
                modes.update(dict.fromkeys(tokens, mode))
            case {"a": "unsubscribe", "v": tokens}:
                for token in tokens:
                    del modes[token]
    return modes


@pytest.fixture(name="told")
def told_fixture():
    return told
