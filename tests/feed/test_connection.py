"""One socket's life against a real server: told what is wanted, cut or silent, and told again."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from picows import WSMsgType

from kitecli.errors import ConnectionFailed, ConnectionStale, HandshakeBadRequest, HandshakeForbidden
from kitecli.feed.address import FixedAddress
from kitecli.feed.connection import FeedConnection
from kitecli.feed.liveness import FeedLimits, State
from kitecli.feed.policy import Account, ReconnectPolicy
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import PicowsTransport
from kitecli.secret import Secret

HEARTBEAT = b"\x00"
TICK = b"\x00\x01\x00\x08\x00\x00\x01\x01\x00\x00\x00\x01"


class Running:
    """A connection at work; ``log`` holds, in the order they came, events and the frames taken in."""

    def __init__(self, server, table, limits=None):
        self.log = []
        self.expected = []
        self.table = table
        self.connection = FeedConnection(
            0,
            address=FixedAddress(Secret(f"{server.url}?api_key=k&access_token=t")),
            transport=PicowsTransport(),
            subscriptions=table,
            ingest=self._ingest,
            expect=lambda index, update: self.expected.append((index, update.fresh)),
            policy=ReconnectPolicy(Account(lambda: 0.0)),
            notify=self.log.append,
            limits=limits or FeedLimits(),
        )

    def _ingest(self, payload, ts_recv_ns, index):
        self.log.append((bytes(payload), ts_recv_ns))
        return len(payload) > 1

    @property
    def events(self):
        return [entry for entry in self.log if not isinstance(entry, tuple)]

    @property
    def frames(self):
        return [entry for entry in self.log if isinstance(entry, tuple)]

    @property
    def gaps(self):
        return [event.gap for event in self.events if event.gap]

    @property
    def states(self):
        return [event.state for event in self.events if event.gap is None and event.message is None]

    @property
    def status(self):
        return self.connection.status()

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():
                self.connection.look()
                await asyncio.sleep(0.002)


@asynccontextmanager
async def connected(server, table, limits=None):
    running = Running(server, table, limits)
    running.task = asyncio.create_task(running.connection.run())
    try:
        yield running
    finally:
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)


def actions(texts):
    return [(message["a"], message["v"]) for message in map(json.loads, texts)]


def wanting(modes):
    table = Subscriptions(3, 3000)
    table.want(modes)
    return table


def test_frames_are_stamped_and_handed_on(tiny_server):
    async def scenario():
        async with tiny_server() as server, connected(server, wanting({1: "full"})) as feed:
            client = await server.client()
            assert actions(await server.hear(client, 2)) == [("subscribe", [1]), ("mode", ["full", [1]])]
            client.send(HEARTBEAT)
            client.send(TICK)
            await feed.until(lambda: len(feed.frames) == 2)
            (beat, at_ns), (tick, later_ns) = feed.frames
            assert (beat, tick) == (HEARTBEAT, TICK)
            assert at_ns <= later_ns
            assert (feed.status.last_frame_ns, feed.status.last_tick_ns) == (later_ns, later_ns)
            assert feed.expected == [(0, {1: "full"})]

    asyncio.run(scenario())


def test_a_connection_is_live_when_it_has_spoken_and_not_before(tiny_server):
    async def scenario():
        async with tiny_server() as server, connected(server, wanting({1: "full"})) as feed:
            client = await server.client()
            await server.hear(client, 2)
            assert (feed.states, feed.status.connects) == ([State.RECONNECTING], 1)
            client.send(TICK)
            await feed.until(lambda: feed.frames)
            assert feed.states == [State.RECONNECTING, State.LIVE]
            assert feed.log[-2].state is State.LIVE, "told before the message is taken in"
            assert feed.gaps == [], "what never streamed has no gap"

    asyncio.run(scenario())


def test_after_a_cut_the_new_socket_is_told_the_same_modes(tiny_server):
    """The official client would come back with quote for both."""

    async def scenario():
        async with tiny_server() as server, connected(server, wanting({1: "full", 2: "ltp"})) as feed:
            first = await server.client()
            told = actions(await server.hear(first, 3))
            first.transport.disconnect(False)
            second = await server.client(1)
            assert actions(await server.hear(second, 3)) == told
            assert feed.expected == [(0, {1: "full", 2: "ltp"})] * 2
            cuts = [event for event in feed.events if event.cause is not None]
            assert [event.state for event in cuts] == [State.RECONNECTING]
            assert "1006" in cuts[0].cause.why

    asyncio.run(scenario())


def test_wishes_made_while_the_link_is_down_are_kept(tiny_server):
    async def scenario():
        table = wanting({1: "ltp"})
        async with tiny_server() as server, connected(server, table) as feed:
            first = await server.client()
            await server.hear(first, 2)
            first.transport.disconnect(False)
            table.want({2: "full"})
            feed.connection.flush()
            second = await server.client(1)
            assert ("mode", ["full", [2]]) in actions(await server.hear(second, 3))

    asyncio.run(scenario())


def test_an_outage_is_one_gap_from_the_last_message_to_the_first_after_it(tiny_server):
    """Two cuts, the second before the new socket has spoken, and an instrument asked for meanwhile: one record."""

    async def scenario():
        table = wanting({1: "full", 2: "ltp"})
        async with tiny_server() as server, connected(server, table) as feed:
            first = await server.client()
            await server.hear(first, 3)
            first.send(TICK)
            await feed.until(lambda: feed.frames)
            last_ns = feed.frames[-1][1]
            first.transport.disconnect(False)
            await feed.until(lambda: feed.gaps)
            table.want({3: "full"})
            second = await server.client(1)
            await server.hear(second, 3)
            second.transport.disconnect(False)
            third = await server.client(2)
            await server.hear(third, 3)
            third.send(HEARTBEAT)
            await feed.until(lambda: len(feed.frames) == 2)
            begun, ended = feed.gaps
            assert (begun.from_ns, begun.to_ns, begun.tokens) == (last_ns, None, (1, 2))
            assert (ended.from_ns, ended.to_ns, ended.tokens) == (last_ns, feed.frames[-1][1], (1, 2, 3))
            assert "1006" in ended.cause
            assert feed.log[-2].gap is ended, "told before the message is taken in"
            assert feed.status.gaps == 1

    asyncio.run(scenario())


def test_a_gap_still_open_is_closed_with_the_feed(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            async with connected(server, wanting({1: "ltp"})) as feed:
                client = await server.client()
                await server.hear(client, 2)
                client.send(TICK)
                await feed.until(lambda: feed.frames)
                server.refuse = (503, b"")
                client.transport.disconnect(False)
                await feed.until(lambda: feed.gaps)
            begun, ended = feed.gaps
            assert begun.to_ns is None
            assert ended.to_ns > ended.from_ns == begun.from_ns
            assert feed.states[-1] is State.DOWN

    asyncio.run(scenario())


def test_silence_ends_the_socket_and_only_then_another_is_opened(tiny_server):
    async def scenario():
        limits = FeedLimits(stale_s=0.2)
        async with tiny_server() as server, connected(server, wanting({1: "ltp"}), limits) as feed:
            first = await server.client()
            await server.hear(first, 2)
            first.send(TICK)
            await feed.until(lambda: len(server.clients) == 2)
            assert first.gone.is_set(), "two sockets at once: the broker counts three of an account"
            assert server.most_open == 1
            assert feed.states == [State.RECONNECTING, State.LIVE, State.STALE, State.RECONNECTING]
            stale = next(event for event in feed.events if event.state is State.STALE)
            assert isinstance(stale.cause, ConnectionStale)
            assert feed.gaps[0].from_ns == feed.frames[0][1]
            second = await server.client(1)
            await server.hear(second, 2)
            second.send(TICK)
            await feed.until(lambda: len(feed.gaps) == 2)

    asyncio.run(scenario())


def test_a_pong_is_no_sign_of_life(tiny_server):
    """A muted shard answers pings: its round trip is known, and it is given up all the same."""

    async def scenario():
        limits = FeedLimits(stale_s=0.3, ping_s=0.02)
        async with tiny_server() as server, connected(server, wanting({1: "ltp"}), limits) as feed:
            (await server.client()).send(TICK)
            await feed.until(lambda: feed.status.rtt_ns)
            assert 0 < feed.status.rtt_ns < 5_000_000_000
            await feed.until(lambda: State.STALE in feed.states)

    asyncio.run(scenario())


def test_heartbeats_alone_never_end_a_socket(tiny_server):
    """A closed market, at twenty times its speed."""

    async def scenario():
        limits = FeedLimits(stale_s=0.5, quiet_s=0.25)
        async with tiny_server() as server, connected(server, wanting({1: "ltp"}), limits) as feed:
            client = await server.client()
            await server.hear(client, 2)
            client.send(TICK)
            for _ in range(40):
                client.send(HEARTBEAT)
                feed.connection.look()
                await asyncio.sleep(0.05)
            assert feed.states == [State.RECONNECTING, State.LIVE, State.QUIET]
            assert len(server.clients) == 1
            client.send(TICK)
            await feed.until(lambda: feed.states[-1] is State.LIVE)

    asyncio.run(scenario())


def test_a_dead_token_that_no_other_will_follow_ends_it(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            server.refuse = (403, b"")
            async with connected(server, wanting({1: "ltp"})) as feed:
                with pytest.raises(HandshakeForbidden):
                    await asyncio.wait_for(feed.task, 5)
                assert feed.states == [State.RECONNECTING, State.AUTH, State.DOWN]
                assert isinstance(feed.status.cause, HandshakeForbidden)
                assert len(server.requests) == 1, "it asked again with a token that is dead"

    asyncio.run(scenario())


def test_a_request_that_is_wrong_ends_it(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            server.refuse = (400, b"")
            async with connected(server, wanting({1: "ltp"})) as feed:
                with pytest.raises(HandshakeBadRequest):
                    await asyncio.wait_for(feed.task, 5)
                assert feed.status.state is State.DOWN

    asyncio.run(scenario())


def test_the_brokers_words_are_told(tiny_server):
    async def scenario():
        async with tiny_server() as server, connected(server, wanting({1: "ltp"})) as feed:
            client = await server.client()
            client.send(b'{"type":"error","data":"Too many"}', kind=WSMsgType.TEXT)
            client.send(b"not json", kind=WSMsgType.TEXT)
            await feed.until(lambda: sum(event.message is not None for event in feed.events) == 2)
            said = [event.message for event in feed.events if event.message]
            assert (said[0].kind, said[0].data, said[1].kind) == ("error", "Too many", "garbled")

    asyncio.run(scenario())


def test_a_stop_leaves_no_socket_behind(tiny_server):
    async def scenario():
        async with tiny_server() as server:
            async with connected(server, wanting({1: "ltp"})) as feed:
                client = await server.client()
                await server.hear(client, 2)
            await asyncio.wait_for(client.gone.wait(), 5)
            assert (feed.status.state, feed.status.cause) == (State.DOWN, None)

    asyncio.run(scenario())


def test_a_cut_at_every_message_of_the_restoration(virtually, broker, told):
    """Whatever the server had heard when the link broke, the next one is told all of it."""

    async def scenario(cut_after):
        table = wanting({1: "full", 2: "ltp", 3: "quote", 4: "full"})
        frames = []
        connection = FeedConnection(
            0,
            address=FixedAddress(Secret("ws://broker")),
            transport=broker,
            subscriptions=table,
            ingest=lambda *frame: frames.append(frame) or 1,
            policy=ReconnectPolicy(Account(lambda: 0.5)),
            notify=lambda _: None,
        )
        broker.links.clear()
        broker.cut_after_texts = cut_after
        task = asyncio.create_task(connection.run())
        await asyncio.sleep(0.05)
        assert len(broker.links[0].texts) == cut_after
        table.want({2: "full", 5: "ltp"})
        table.drop([3])
        broker.cut_after_texts = None
        await asyncio.sleep(3)
        assert len(broker.links) == 2
        assert told(broker.links[1].texts) == table.wanted == {1: "full", 2: "full", 4: "full", 5: "ltp"}
        assert sum(json.loads(text)["v"].count(1) for text in broker.links[1].texts if '"subscribe"' in text) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for cut_after in range(1, 4):
        virtually(scenario(cut_after))


def test_the_causes_of_failures_are_told_with_the_time_of_the_next_try(virtually, broker):
    async def scenario():
        events = []
        connection = FeedConnection(
            0,
            address=FixedAddress(Secret("ws://broker")),
            transport=broker,
            subscriptions=wanting({1: "full"}),
            ingest=lambda *_: 1,
            policy=ReconnectPolicy(Account(lambda: 1.0)),
            notify=events.append,
        )
        task = asyncio.create_task(connection.run())
        await asyncio.sleep(5)
        broker.down()
        await asyncio.sleep(60)
        failures = [event for event in events if event.cause is not None]
        assert all(isinstance(event.cause, ConnectionFailed) for event in failures)
        assert all(0 < event.retry_in_s <= 2.25 for event in failures)
        assert len({event.since_ns for event in failures}) == 1, "it is one outage, as old as its beginning"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtually(scenario())
