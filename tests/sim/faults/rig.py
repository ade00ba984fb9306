"""A fault proxy between plain asyncio streams: nothing here knows websockets but for the few lines that read frames."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kitecli.clock import SystemClock
from kitecli.sim.faults.proxy import FaultProxy
from kitecli.sim.faults.script import parse_fault, parse_script

HOST = "127.0.0.1"
DEADLINE_S = 10.0
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
OKAY = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"said": "yes"}'


async def within(work, seconds: float = DEADLINE_S):
    return await asyncio.wait_for(work, seconds)


async def until(condition, seconds: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.005)


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A frame as a client sends it."""
    key, size = os.urandom(4), len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    body = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
    return bytes([(0x80 if fin else 0) | opcode]) + length + key + body


def said(action: str, tokens: list[int], mode: str = "") -> bytes:
    """A client's request in its frame."""
    return masked(1, json.dumps({"a": action, "v": [mode, tokens] if mode else tokens}).encode())


def packets(*lengths: int) -> bytes:
    """A message with packets of these lengths, their bytes all different from zero."""
    body = b"".join(size.to_bytes(2, "big") + bytes(1 + at % 250 for at in range(size)) for size in lengths)
    return len(lengths).to_bytes(2, "big") + body


class Wire:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        return await within(self.reader.readuntil(b"\r\n\r\n"))

    async def exactly(self, count: int) -> bytes:
        """What came before a reset counts as come; a stream would only tell of the reset."""
        try:
            return await within(self.reader.readexactly(count))
        except ConnectionResetError:
            held = self.reader._buffer
            if len(held) < count:
                raise
            found = bytes(held[:count])
            del held[:count]
            return found

    async def frame(self) -> tuple[int, bool, bytes]:
        """(opcode, fin, payload), unmasked."""
        first, second = await self.exactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self.exactly(2 if size == 126 else 8), "big")
        key = await self.exactly(4) if second & 0x80 else b"\0\0\0\0"
        body = await self.exactly(size)
        return first & 0x0F, bool(first & 0x80), bytes(byte ^ key[at % 4] for at, byte in enumerate(body))

    async def is_quiet(self, seconds: float = 0.15) -> bool:
        """Whether nothing comes, not even an end."""
        try:
            await within(self.reader.read(1), seconds)
        except TimeoutError:
            return True
        return False

    async def end(self) -> str:
        """How it ends: fin or rst; what came before is dropped."""
        try:
            await within(self.reader.read())
        except ConnectionResetError:
            return "rst"
        return "fin"

    async def close(self) -> None:
        self.writer.transport.abort()


class Rig:
    """``ticker``, ``rest``: ports to connect to. ``upstream``: the exchange's ends of ticker connections, in order."""

    def __init__(self) -> None:
        self.upstream: list[Wire] = []
        self.heads: list[bytes] = []
        self.requests: list[bytes] = []
        self.lines: list[dict[str, object]] = []
        self.counts: Counter[str] = Counter()
        self.wires: list[Wire] = []
        self.proxy: FaultProxy
        self.ticker = self.rest = 0

    def do(self, text: str):
        return self.proxy.do(parse_fault(text))

    async def dial(self, where: str = "ticker", tls: ssl.SSLContext | None = None) -> Wire:
        """A connection without a word said."""
        port = self.ticker if where == "ticker" else self.rest
        name = HOST if tls else None
        wire = Wire(*await within(asyncio.open_connection(HOST, port, ssl=tls, server_hostname=name)))
        self.wires.append(wire)
        return wire

    async def ask(self, token: str = "old", tls: ssl.SSLContext | None = None) -> tuple[Wire, bytes]:
        """A handshake; returns its status line."""
        wire = await self.dial(tls=tls)
        wire.say(f"GET /?api_key=k&access_token={token} HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".encode())
        return wire, (await wire.head()).partition(b"\r\n")[0]

    async def connect(self, token: str = "old") -> tuple[Wire, Wire]:
        """An open websocket: the client's end and the exchange's."""
        before = len(self.upstream)
        wire, status = await self.ask(token)
        assert b" 101 " in status
        await until(lambda: len(self.upstream) > before)
        return wire, self.upstream[-1]

    async def call(self, token: str = "old", tls: ssl.SSLContext | None = None) -> tuple[Wire, bytes]:
        """A REST call; returns the response's head."""
        wire = await self.dial("rest", tls)
        wire.say(f"GET /user/profile HTTP/1.1\r\nAuthorization: token k:{token}\r\n\r\n".encode())
        return wire, await wire.head()

    async def serve_ticker(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        self.wires.append(wire)
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(SWITCH)
        self.upstream.append(wire)

    async def serve_rest(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.wires.append(Wire(reader, writer))
        while head := await reader.read(1 << 16):
            self.requests.append(head)
            writer.write(OKAY)


@asynccontextmanager
async def proxied(script: str = "version: 1") -> AsyncIterator[Rig]:
    rig = Rig()
    servers = [await asyncio.start_server(serve, HOST, 0) for serve in (rig.serve_ticker, rig.serve_rest)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    rig.proxy = FaultProxy(
        parse_script(script, "the script"),
        host=HOST,
        targets={"ticker": ports[0], "rest": ports[1]},
        clock=SystemClock(),
        counts=rig.counts,
        write=rig.lines.append,
    )
    rig.ticker, rig.rest = await rig.proxy.open("ticker", 0), await rig.proxy.open("rest", 0)
    rig.proxy.begin()
    running = asyncio.ensure_future(rig.proxy.run())
    try:
        yield rig
    finally:
        running.cancel()
        rig.proxy.close()
        for wire in rig.wires:
            wire.writer.transport.abort()
        for server in servers:
            server.close()
        await asyncio.sleep(0.01)  # closed sockets are let go of in the loop's next rounds
