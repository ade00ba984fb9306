"""A link between two streams: what it passes on, in which order, and what it counts. Its faults: test_proxy.py."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from rig import HOST, SWITCH, masked, packets, proxied, said, until, within

from kitecli.sim.faults.frames import BINARY, make_frame

TICKS = make_frame(BINARY, packets(44, 184))


def run(scenario, script: str = "version: 1"):
    async def work():
        async with proxied(script) as rig:
            return await scenario(rig)

    return asyncio.run(work())


def links(rig):
    return list(rig.proxy._links.values())


def test_it_knows_what_the_client_is_subscribed_to():
    async def scenario(rig):
        client, exchange = await rig.connect()
        whole = said("unsubscribe", [2])
        halves = masked(1, b'{"a":"mode","v":["ltp"', fin=False) + masked(0, b",[3]]}")
        client.say(
            said("mode", [1, 2, 3], "full") + said("subscribe", [3, 4]) + whole + halves + masked(1, b"nonsense")
        )
        for _ in range(6):
            await exchange.frame()
        [link] = links(rig)
        assert link.modes == {1: "full", 3: "ltp", 4: "quote"}
        assert link.texts == 5

    run(scenario)


@pytest.mark.parametrize("shape", ["{do: split, into: segments, pieces: 3}", "{do: slow, delay: 1ms}", "do: silence"])
def test_bytes_keep_their_order_whatever_comes_and_goes(shape):
    """Faults begin and end at random while frames of all sizes pass both ways: nothing is lost, nothing overtakes."""

    async def scenario(rig):
        dice = Random(3)
        client, exchange = await rig.connect()
        down = b"".join(make_frame(BINARY, dice.randbytes(dice.choice((0, 1, 200, 70_000)))) for _ in range(120))
        up = b"".join(masked(1, bytes(dice.choice((0, 5, 3000)))) for _ in range(120))

        async def say(wire, data):
            while data:
                size = dice.choice((1, 100, 50_000))
                wire.say(data[:size])
                data = data[size:]
                await asyncio.sleep(0)

        async def disturb():
            while True:
                rig.do(shape.replace("{", "{for: 5ms, ") if "{" in shape else f"{{for: 5ms, {shape}}}")
                await asyncio.sleep(0.008)

        disturbing = asyncio.ensure_future(disturb())
        got = await asyncio.gather(
            client.exactly(len(down)), exchange.exactly(len(up)), say(exchange, down), say(client, up)
        )
        disturbing.cancel()
        assert got[0] == down
        assert got[1] == up
        assert links(rig)[0].frames == 120

    run(scenario)


def test_what_comes_with_the_request_or_with_the_answer_is_not_lost():
    async def scenario(rig):
        client = await rig.dial()
        client.say(b"GET /?access_token=a HTTP/1.1\r\n\r\n" + masked(1, b"early"))
        assert await client.exactly(len(SWITCH)) == SWITCH
        assert (await rig.upstream[0].frame())[2] == b"early"

    run(scenario)


def test_a_request_may_come_in_pieces_and_may_not_be_endless():
    async def scenario(rig):
        client = await rig.dial()
        for byte in b"GET / HTTP/1.1\r\n\r\n":
            client.say(bytes([byte]))
            await asyncio.sleep(0)
        await client.head()
        client = await rig.dial()
        client.say(b"GET /" + bytes(200_000))
        assert await client.end() == "rst"

    run(scenario)


def test_a_refusal_of_the_exchange_is_passed_on():
    async def scenario(rig):
        async def refuse(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            writer.close()

        server = await asyncio.start_server(refuse, HOST, 0)
        rig.proxy._targets["ticker"] = server.sockets[0].getsockname()[1]
        client, status = await rig.ask()
        assert status == b"HTTP/1.1 403 Forbidden"
        assert await client.exactly(2) == b"no"
        assert await client.end() == "fin"
        server.close()
        await asyncio.sleep(0.01)
        client = await rig.dial()
        client.say(b"GET / HTTP/1.1\r\n\r\n")
        assert await client.end() == "rst", "nobody is behind it"
        await until(lambda: links(rig) == [])

    run(scenario)


def test_a_thin_line_is_emptied_after_the_exchange_left():
    async def scenario(rig):
        client, exchange = await rig.connect()
        rig.do("{do: slow, delay: 100ms}")
        exchange.say(TICKS)
        exchange.writer.close()
        assert await within(client.reader.read()) == TICKS

    run(scenario)


def test_a_client_that_floods_a_silent_connection_is_not_read_for_ever():
    async def scenario(rig):
        client, _ = await rig.connect()
        rig.do("do: silence")
        client.say(masked(1, bytes(3000)) * 10_000)  # 30 MB
        await asyncio.sleep(0.3)
        assert len(links(rig)[0]._held_up) < 4 << 20

    run(scenario)


def test_fin_waits_for_no_answer_and_both_ends_are_closed():
    async def scenario(rig):
        client, exchange = await rig.connect()
        exchange.say(TICKS)
        await client.frame()
        rig.do("do: fin")
        assert await client.end() == "fin"
        assert await exchange.end() == "fin"
        await until(lambda: links(rig) == [])

    run(scenario)
