"""One end of a connection: several reasons not to read, and three ways to end."""

from __future__ import annotations

import asyncio
from typing import Self

import pytest

from kitecli.sim.faults.side import Side

HOST = "127.0.0.1"


class End:
    """A side on a real socket, and the stream at its other end."""

    def __init__(self) -> None:
        self.heard = b""
        self.left: list[Exception | None] = []
        self.met = asyncio.Event()
        self.side = Side(self._hear, self.left.append, self.met.set)
        self.side.peer = Side(lambda _: None, lambda _: None)

    def _hear(self, data: bytes) -> None:
        self.heard += data

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: self.side, HOST, 0)
        port = self.server.sockets[0].getsockname()[1]
        self.reader, self.writer = await asyncio.open_connection(HOST, port)
        await asyncio.wait_for(self.met.wait(), 5)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        self.side.transport.abort()
        self.writer.transport.abort()
        await asyncio.sleep(0.01)

    async def hears(self, data: bytes) -> bool:
        for _ in range(20):
            if self.heard == data:
                return True
            await asyncio.sleep(0.005)
        return False


def test_every_hold_must_be_released():
    async def scenario():
        async with End() as end:
            end.side.hold("one")
            end.side.hold("two")
            end.writer.write(b"x")
            end.side.release("one")
            end.side.release("three")
            assert not await end.hears(b"x")
            end.side.release("two")
            assert await end.hears(b"x")

    asyncio.run(scenario())


def test_a_hold_before_there_is_a_connection_counts():
    async def scenario():
        end = End()
        end.side.hold("early")
        async with end:
            end.writer.write(b"x")
            assert not await end.hears(b"x")
            end.side.release("early")
            assert await end.hears(b"x")

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["finish", "reset"])
def test_an_end_is_a_fin_or_a_reset(how: str):
    async def scenario():
        async with End() as end:
            end.side.write(b"last words")
            await asyncio.sleep(0.02)
            getattr(end.side, how)()
            end.side.write(b"too late")
            if how == "finish":
                assert await asyncio.wait_for(end.reader.read(), 5) == b"last words"
            else:
                with pytest.raises(ConnectionResetError):
                    await asyncio.wait_for(end.reader.read(), 5)
            assert end.left == [None]

    asyncio.run(scenario())


def test_without_a_connection_nothing_happens():
    side = Side(lambda _: None, lambda _: None)
    side.write(b"x")
    side.finish()
    side.reset()
    side.release("never held")


def test_a_client_that_does_not_read_holds_its_peer():
    async def scenario():
        async with End() as end:
            end.writer.transport.pause_reading()
            end.side.write(bytes(30 << 20))
            assert end.side.peer._holds == {"unsent"}
            end.writer.transport.resume_reading()
            await asyncio.wait_for(end.reader.readexactly(30 << 20), 10)
            assert end.side.peer._holds == set()

    asyncio.run(scenario())
