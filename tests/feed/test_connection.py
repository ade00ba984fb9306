"""One socket's life against a real server: told what is wanted, cut, and told again."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from kitecli.errors import HandshakeForbidden, TooManyInstruments
from kitecli.feed.connection import FeedConnection, State
from kitecli.feed.policy import ReconnectPolicy
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import PicowsTransport
from kitecli.secret import Secret


@asynccontextmanager
async def connected(server, table):
    """A connection running against ``server``; yields it, the frames it took in and the events it told."""
    frames, events = [], []
    connection = FeedConnection(
        0,
        url=Secret(f"{server.url}?api_key=k&access_token=t"),
        transport=PicowsTransport(),
        subscriptions=table,
        ingest=lambda payload, ts, index: frames.append((bytes(payload), ts, index)) or 0,
        policy=ReconnectPolicy(lambda: 0.0),
        notify=events.append,
    )
    task = asyncio.create_task(connection.run())
    try:
        yield connection, frames, events, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def actions(texts):
    return [(message["a"], message["v"]) for message in map(json.loads, texts)]


def wanting(modes):
    table = Subscriptions(3, 3000)
    table.want(modes)
    return table


def test_frames_are_stamped_and_handed_on(tiny_server):
    async def scenario():
        async with tiny_server() as server, connected(server, wanting({1: "full"})) as (_, frames, events, _task):
            client = await server.client()
            assert actions(await server.hear(client, 2)) == [("subscribe", [1]), ("mode", ["full", [1]])]
            client.send(b"\x00")
            client.send(b"\x00\x01\x00")
            while len(frames) < 2:
                await asyncio.sleep(0.001)
            assert [payload for payload, _, _ in frames] == [b"\x00", b"\x00\x01\x00"]
            assert frames[0][1] <= frames[1][1]
            assert [event.state for event in events] == [State.CONNECTING, State.OPEN]

    asyncio.run(scenario())


def test_after_a_cut_the_new_socket_is_told_the_same_modes(tiny_server):
    """The official client would come back with quote for both."""

    async def scenario():
        table = wanting({1: "full", 2: "ltp"})
        async with tiny_server() as server, connected(server, table) as (_, _, events, _task):
            first = await server.client()
            told = actions(await server.hear(first, 3))
            first.transport.disconnect(False)
            second = await server.client(1)
            assert actions(await server.hear(second, 3)) == told
            assert [event.state for event in events].count(State.WAITING) == 1

    asyncio.run(scenario())


def test_wishes_made_while_the_link_is_down_are_kept(tiny_server):
    async def scenario():
        table = wanting({1: "quote"})
        async with tiny_server() as server, connected(server, table) as (connection, _, _, _task):
            first = await server.client()
            await server.hear(first, 2)
            first.transport.disconnect(False)
            table.want({2: "full"})
            connection.flush()
            second = await server.client(1)
            assert ("mode", ["full", [2]]) in actions(await server.hear(second, 3))

    asyncio.run(scenario())


def test_a_dead_token_ends_it(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            server.refuse = (403, b"")
            async with connected(server, wanting({1: "ltp"})) as (connection, _, _, task):
                with pytest.raises(HandshakeForbidden):
                    await asyncio.wait_for(task, 5)
                assert connection.state is State.STOPPED
                assert len(server.requests) == 1, "it asked again with a token that is dead"

    asyncio.run(scenario())


def test_the_brokers_words_are_told(tiny_server):
    async def scenario():
        async with tiny_server() as server, connected(server, wanting({1: "ltp"})) as (_, _, events, _task):
            client = await server.client()
            from picows import WSMsgType

            client.send(b'{"type":"error","data":"Too many"}', kind=WSMsgType.TEXT)
            client.send(b"not json", kind=WSMsgType.TEXT)
            while sum(event.message is not None for event in events) < 2:
                await asyncio.sleep(0.001)
            said = [event.message for event in events if event.message]
            assert (said[0].kind, said[0].data, said[1].kind) == ("error", "Too many", "garbled")

    asyncio.run(scenario())


def test_the_limit_holds_at_the_table():
    with pytest.raises(TooManyInstruments):
        wanting(dict.fromkeys(range(1, 9002), "ltp"))
