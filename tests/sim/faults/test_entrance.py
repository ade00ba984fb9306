"""A port that can be shut. As clients of a fault meet it: test_proxy.py."""

from __future__ import annotations

import asyncio
import socket

import pytest

from kitecli.sim.faults.entrance import Entrance

HOST = "127.0.0.1"


class Greeter(asyncio.Protocol):
    def connection_made(self, transport) -> None:
        transport.write(b"hello")
        transport.close()


async def greeting(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def test_shut_is_refused_and_reopened_is_the_same_port():
    async def scenario():
        entrance = Entrance(HOST, Greeter)
        await entrance.open(0)
        port = entrance.port
        for _ in range(3):
            assert await greeting(port) == b"hello"
            entrance.shut()
            entrance.shut()
            with pytest.raises(ConnectionRefusedError):
                await greeting(port)
            await entrance.reopen()
            await entrance.reopen()
        entrance.close()
        with pytest.raises(ConnectionRefusedError):
            await greeting(port)

    asyncio.run(scenario())


def test_a_shut_port_is_still_ours():
    async def scenario():
        entrance = Entrance(HOST, Greeter)
        await entrance.open(0)
        entrance.shut()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((HOST, entrance.port))
        entrance.close()

    asyncio.run(scenario())


def test_a_port_that_is_taken_is_an_error():
    async def scenario():
        with socket.create_server((HOST, 0)) as other, pytest.raises(OSError, match="in use"):
            await Entrance(HOST, Greeter).open(other.getsockname()[1])

    asyncio.run(scenario())
