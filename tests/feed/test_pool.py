"""Up to three sockets, as many as the instruments need."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from kitecli.errors import ConnectionFailed, HandshakeForbidden, TooManyInstruments
from kitecli.feed.pool import FeedPool
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import PicowsTransport
from kitecli.secret import Secret


@asynccontextmanager
async def streaming(server, *, at_least=1, modes=None):
    pool = FeedPool(
        url=Secret(f"{server.url}?api_key=k&access_token=t"),
        transport=PicowsTransport(),
        subscriptions=Subscriptions(3, 3000, at_least),
        ingest=lambda *_: 0,
        draw=lambda: 0.0,
        notify=lambda _: None,
    )
    pool.subscribe(modes or {})
    task = asyncio.create_task(pool.run())
    try:
        yield pool, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def subscribed(client):
    """What a client is subscribed to, from what it said."""
    modes = {}
    for message in map(json.loads, client.texts):
        match message:
            case {"a": "subscribe", "v": tokens}:
                modes.update(dict.fromkeys(tokens, "quote"))
            case {"a": "mode", "v": [mode, tokens]}:
                modes.update(dict.fromkeys(tokens, mode))
            case {"a": "unsubscribe", "v": tokens}:
                for token in tokens:
                    modes.pop(token)
    return modes


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


def test_nine_thousand_instruments_on_three_sockets(tiny_server):
    async def scenario():
        wanted = dict.fromkeys(range(1, 9001), "full")
        async with tiny_server() as server, streaming(server, modes=wanted) as (pool, _):
            await until(lambda: sum(len(subscribed(client)) for client in server.clients) == 9000)
            assert [len(subscribed(client)) for client in server.clients] == [3000, 3000, 3000]
            assert all(set(subscribed(client).values()) == {"full"} for client in server.clients)
            with pytest.raises(TooManyInstruments):
                pool.subscribe({9001: "ltp"})

    asyncio.run(scenario())


def test_a_growing_list_opens_the_next_socket(tiny_server):
    async def scenario():
        async with tiny_server() as server, streaming(server, modes={1: "ltp"}) as (pool, _):
            await until(lambda: server.clients and subscribed(server.clients[0]) == {1: "ltp"})
            pool.subscribe(dict.fromkeys(range(2, 3502), "quote"))
            await until(lambda: sum(len(subscribed(client)) for client in server.clients) == 3501)
            assert len(server.clients) == 2
            assert len(pool.connections) == 2

    asyncio.run(scenario())


def test_modes_change_and_instruments_go_while_it_streams(tiny_server):
    async def scenario():
        async with tiny_server() as server, streaming(server, modes={1: "quote", 2: "full"}) as (pool, _):
            await until(lambda: server.clients and subscribed(server.clients[0]) == {1: "quote", 2: "full"})
            pool.subscribe({1: "full", 2: "ltp"})
            pool.unsubscribe([2])
            await until(lambda: subscribed(server.clients[0]) == {1: "full"})

    asyncio.run(scenario())


def test_what_cannot_be_mended_ends_the_pool(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            server.refuse = (403, b"")
            async with streaming(server, at_least=3, modes={1: "ltp", 2: "ltp", 3: "ltp"}) as (_, task):
                with pytest.raises(HandshakeForbidden):
                    await asyncio.wait_for(task, 5)

    asyncio.run(scenario())


def test_a_server_that_was_never_there_ends_the_pool_after_a_few_tries(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            pass
        async with streaming(server, modes={1: "ltp"}) as (_, task):
            with pytest.raises(ConnectionFailed):
                await asyncio.wait_for(task, 5)

    asyncio.run(scenario())
