"""Up to three sockets of one account, as many as the instruments need: in virtual time, and against a real server."""

import asyncio
import random
import threading
from collections import Counter
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from kitecli.errors import (
    CertificateRefused,
    ConnectionFailed,
    HandshakeForbidden,
    HandshakeRateLimited,
    TooManyInstruments,
)
from kitecli.feed.address import FixedAddress
from kitecli.feed.liveness import FeedLimits, State
from kitecli.feed.policy import GIVE_UP
from kitecli.feed.pool import FeedPool
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import PicowsTransport
from kitecli.secret import Secret

TICK = b"\x00\x01\x00\x08\x00\x00\x01\x01\x00\x00\x00\x01"
HALF_AN_HOUR_S = 1800


def nse(count):
    return [number << 8 | 1 for number in range(1, count + 1)]


def thirds(count=9):
    """Instruments for three connections."""
    return dict.fromkeys(nse(count), "full")


class Tokens:
    """A token provider whose token is set by the test."""

    def __init__(self, token="first"):
        self.token = token
        self.new = asyncio.Event()

    def url(self):
        return Secret(f"ws://broker?access_token={self.token}")

    async def changed(self, refused):
        while self.url() == refused:
            self.new.clear()
            await self.new.wait()

    def set(self, token):
        self.token = token
        self.new.set()


@asynccontextmanager
async def pooled(transport, *, address=None, modes=None, at_least=3, seed=7, **more):
    events = []
    pool = FeedPool(
        address=address or FixedAddress(Secret("ws://broker")),
        transport=transport,
        subscriptions=Subscriptions(3, 3000, at_least),
        ingest=lambda payload, *_: len(payload) > 1,
        draw=random.Random(seed).random,
        notify=events.append,
        **more,
    )
    pool.events = events
    pool.subscribe(modes or {})
    pool.task = asyncio.create_task(pool.run())
    try:
        yield pool
    finally:
        pool.task.cancel()
        await asyncio.gather(pool.task, return_exceptions=True)


def streaming(server, *, at_least=1, modes=None, **more):
    address = FixedAddress(Secret(f"{server.url}?api_key=k&access_token=t"))
    return pooled(PicowsTransport(), address=address, modes=modes, at_least=at_least, **more)


def states(pool):
    return [connection.state for connection in pool.connections]


def up(pool):
    return bool(states(pool)) and all(state in (State.LIVE, State.QUIET) for state in states(pool))


async def until(condition, within_s=10.0):
    """In virtual time this is exact to a hundredth of a second; returns how long it took."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)
    return loop.time() - began_s


# ---- an outage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_half_an_hour_without_server(virtually, broker, seed):
    """Bounded attempts, one beat of three connections that are never in step, and back within three seconds."""

    async def scenario():
        async with pooled(broker, modes=thirds(), seed=seed) as pool:
            await until(lambda: up(pool))
            await asyncio.sleep(10)
            broker.attempts.clear()
            broker.down()
            await asyncio.sleep(HALF_AN_HOUR_S)
            attempts_s = [at_s for at_s, _ in broker.attempts]
            assert 3 < len(attempts_s) <= 1_200
            assert min(b - a for a, b in pairwise(attempts_s)) >= 0.1
            assert max(b - a for a, b in pairwise(attempts_s)) <= 2.5
            broker.up = True
            assert await until(lambda: up(pool)) <= 3
            assert broker.most_open == 3
            gaps = [event.gap for event in pool.events if event.gap]
            assert Counter((gap.connection, gap.to_ns is None) for gap in gaps) == dict.fromkeys(
                [(index, begun) for index in range(3) for begun in (True, False)], 1
            )

    virtually(scenario())


def test_an_outage_of_a_night_slows_down(virtually, broker):
    async def scenario():
        async with pooled(broker, modes=thirds()) as pool:
            await until(lambda: up(pool))
            broker.down()
            await asyncio.sleep(2 * HALF_AN_HOUR_S + 60)
            broker.attempts.clear()
            await asyncio.sleep(HALF_AN_HOUR_S)
            assert len(broker.attempts) < 300
            broker.up = True
            assert await until(lambda: up(pool), 20) <= 11

    virtually(scenario())


def test_three_sockets_cut_at_once_are_back_within_a_second_one_after_the_other(virtually, broker):
    async def scenario():
        async with pooled(broker, modes=thirds()) as pool:
            await until(lambda: up(pool))
            took_s, spread_s = [], []
            for _ in range(200):
                await asyncio.sleep(10)
                broker.attempts.clear()
                for link in broker.open_links:
                    link.cut()
                await until(lambda: not up(pool))
                took_s.append(await until(lambda: up(pool)))
                spread_s += [b - a for (a, _), (b, _) in pairwise(broker.attempts)]
            assert sorted(took_s)[197] <= 1.0
            assert min(spread_s) >= 0.1
            assert broker.most_open == 3

    virtually(scenario())


def test_a_shard_whose_way_is_blocked_does_not_slow_another_that_is_cut(virtually, broker):
    async def scenario():
        async with pooled(broker, modes=thirds()) as pool:
            await until(lambda: up(pool))
            await asyncio.sleep(5)
            broker.blocked.add(0)
            next(link for link in broker.open_links if link.receiver.index == 0).cut()
            for _ in range(20):
                await asyncio.sleep(20)
                next(link for link in broker.open_links if link.receiver.index == 1).cut()
                await until(lambda: pool.connections[1].state is State.RECONNECTING)
                assert await until(lambda: pool.connections[1].state is State.LIVE) < 1
            assert pool.connections[0].state is State.RECONNECTING

    virtually(scenario())


def test_a_server_that_accepts_and_hangs_up_is_not_hammered(virtually, broker):
    async def scenario():
        async with pooled(broker, modes=thirds()):
            broker.cut_after_texts = 1
            await asyncio.sleep(HALF_AN_HOUR_S / 3)
            assert len(broker.attempts) <= 400
            assert broker.most_open <= 3

    virtually(scenario())


def test_a_thousand_clients_after_a_restart_do_not_come_all_at_once(virtually, broker):
    """FR-5, for a restart of five seconds: no tenth of a second has more than a twentieth of the attempts."""

    async def scenario():
        pools = [pooled(broker, modes={257: "full"}, at_least=1, seed=seed) for seed in range(1000)]
        opened = [await pool.__aenter__() for pool in pools]
        await asyncio.sleep(2)
        broker.attempts.clear()
        broker.down()
        await asyncio.sleep(5)
        broker.up = True
        await asyncio.sleep(3)
        assert all(up(pool) for pool in opened)
        buckets = Counter(int(at_s * 10) for at_s, _ in broker.attempts)
        assert max(buckets.values()) <= 0.05 * buckets.total()
        for pool in pools:
            await pool.__aexit__(None, None, None)

    virtually(scenario())


# ---- tokens and refusals --------------------------------------------------------------------------------------------


def accepting(tokens):
    return lambda url: None if url.reveal().rpartition("=")[2] in tokens else HandshakeForbidden("403")


@pytest.mark.parametrize("rtt_s", [0.03, 0.4])
def test_a_refused_token_is_tried_twice_at_most_and_a_new_one_within_two_seconds(virtually, broker, told, rtt_s):
    """As after 06:00: the streams live on, the next connect is refused. Also where answers take their time."""

    async def scenario():
        broker.rtt_s = rtt_s
        address = Tokens()
        async with pooled(broker, address=address, modes=thirds()) as pool:
            await until(lambda: up(pool))
            await asyncio.sleep(60)
            before = [told(link.texts) for link in broker.open_links]
            pool.subscribe({nse(1)[0]: "ltp"})
            before[0][nse(1)[0]] = "ltp"
            broker.answer = accepting(["second"])
            broker.attempts.clear()
            for link in broker.open_links:
                link.cut()
            await asyncio.sleep(3600)
            assert len(broker.attempts) == 2
            assert states(pool) == [State.AUTH] * 3
            assert all(isinstance(status.cause, HandshakeForbidden) for status in pool.status())
            address.set("second")
            assert await until(lambda: up(pool)) <= 2
            assert sorted(map(sorted, (told(link.texts).items() for link in broker.open_links))) == sorted(
                map(sorted, (modes.items() for modes in before))
            )
            gaps = [event.gap for event in pool.events if event.gap]
            assert len({(gap.connection, gap.from_ns) for gap in gaps}) == 3
            assert len(gaps) == 6

    virtually(scenario())


def test_a_refusal_that_was_a_mistake_is_mended_by_the_second_chance(virtually, broker):
    async def scenario():
        async with pooled(broker, address=Tokens(), modes=thirds()) as pool:
            await until(lambda: up(pool))
            await asyncio.sleep(60)
            broker.answer = accepting([])
            broker.open_links[0].cut()
            await until(lambda: State.AUTH in states(pool))
            broker.answer = accepting(["first"])
            assert await until(lambda: up(pool)) <= 7

    virtually(scenario())


def test_a_token_that_never_worked_is_not_tried_again(virtually, broker):
    """Three connections, two handshakes under way at once at most: so many attempts and no more."""

    async def scenario():
        broker.answer = accepting(["second"])
        address = Tokens()
        async with pooled(broker, address=address, modes=thirds()) as pool:
            await asyncio.sleep(600)
            assert len(broker.attempts) <= 2
            assert states(pool) == [State.AUTH] * 3
            address.set("third")
            await asyncio.sleep(60)
            assert len(broker.attempts) <= 4
            address.set("second")
            assert await until(lambda: up(pool)) <= 2

    virtually(scenario())


def test_connections_that_stream_stay_when_anothers_token_is_refused_for_good(virtually, broker):
    async def scenario():
        async with pooled(broker, modes=thirds()) as pool:
            await until(lambda: up(pool))
            await asyncio.sleep(60)
            broker.answer = accepting([])
            broker.open_links[0].cut()
            await asyncio.sleep(60)
            assert Counter(states(pool)) == {State.QUIET: 2, State.DOWN: 1}
            for link in broker.open_links:
                link.cut()
            with pytest.raises(HandshakeForbidden):
                await asyncio.wait_for(pool.task, 60)

    virtually(scenario())


def test_too_many_connections_are_asked_for_less_and_less(virtually, broker):
    async def scenario():
        async with pooled(broker, modes=thirds()) as pool:
            await until(lambda: up(pool))
            await asyncio.sleep(5)
            broker.attempts.clear()
            broker.answer = lambda _url: HandshakeRateLimited("429")
            broker.open_links[0].cut()
            await asyncio.sleep(HALF_AN_HOUR_S)
            attempts_s = [at_s for at_s, _ in broker.attempts]
            waits_s = [b - a for a, b in pairwise(attempts_s)]
            assert 5 <= waits_s[0] < 6.5
            assert all(60 <= wait_s < 73 for wait_s in waits_s[4:])
            broker.answer = lambda _url: None
            await until(lambda: up(pool), 75)

    virtually(scenario())


def test_a_half_open_socket_of_ours_that_the_broker_still_counts_costs_seconds(virtually, broker):
    async def scenario():
        async with pooled(broker, modes=thirds()) as pool:
            await until(lambda: up(pool))
            await asyncio.sleep(5)
            freed_s = asyncio.get_running_loop().time() + 3
            broker.answer = lambda _url: (
                HandshakeRateLimited("429") if asyncio.get_running_loop().time() < freed_s else None
            )
            broker.open_links[0].cut()
            await until(lambda: not up(pool))
            assert await until(lambda: up(pool)) < 10

    virtually(scenario())


def test_a_certificate_that_is_bad_for_a_while_ends_no_feed_that_has_streamed(virtually, broker):
    async def scenario():
        async with pooled(broker, modes=thirds()) as pool:
            await until(lambda: up(pool))
            await asyncio.sleep(5)
            broker.attempts.clear()
            broker.answer = lambda _url: CertificateRefused("forged")
            broker.open_links[0].cut()
            await asyncio.sleep(HALF_AN_HOUR_S)
            assert Counter(states(pool)) == {State.QUIET: 2, State.DOWN: 1}
            assert len(broker.attempts) <= 31
            broker.answer = lambda _url: None
            await until(lambda: up(pool), 125)

    virtually(scenario())


def test_a_server_that_was_never_there_ends_the_pool_after_a_few_tries(virtually, broker):
    async def scenario():
        broker.up = False
        async with pooled(broker, modes=thirds()) as pool:
            with pytest.raises(ConnectionFailed):
                await asyncio.wait_for(pool.task, 5)
            assert len(broker.attempts) <= GIVE_UP + 2  # those under way
        broker.attempts.clear()
        async with pooled(broker, modes=thirds(), give_up=None) as pool:
            await asyncio.sleep(600)
            assert not pool.task.done()
            broker.up = True
            assert await until(lambda: up(pool)) <= 3

    virtually(scenario())


# ---- silence --------------------------------------------------------------------------------------------------------


def test_a_server_that_accepts_and_is_silent_is_noticed_every_time(virtually, broker):
    async def scenario():
        broker.mute = True
        async with pooled(broker, modes={257: "full"}, at_least=1) as pool:
            await asyncio.sleep(HALF_AN_HOUR_S)
            stale = [event for event in pool.events if event.state is State.STALE and event.cause]
            assert len(stale) > 60
            assert broker.most_open == 1
            broker.mute = False
            assert await until(lambda: up(pool), 30) <= 20

    virtually(scenario())


def test_a_wall_clock_set_forth_and_back_raises_no_alarm(virtually, broker):
    async def scenario():
        dice = random.Random(3)
        loop = asyncio.get_running_loop()

        def jumping_ns():
            return int((loop.time() + dice.choice([-3600, 0, 3600])) * 1e9)

        async with pooled(broker, modes=thirds(), now_ns=jumping_ns) as pool:
            await asyncio.sleep(HALF_AN_HOUR_S)
            assert len(broker.attempts) == 3
            assert State.STALE not in {event.state for event in pool.events}

    virtually(scenario())


def test_hours_of_heartbeats_end_no_socket(virtually, broker):
    async def scenario():
        async with pooled(broker, modes=thirds()) as pool:
            await asyncio.sleep(2 * HALF_AN_HOUR_S)
            assert states(pool) == [State.QUIET] * 3
            assert len(broker.attempts) == 3
            assert all(link.pings > 300 for link in broker.links)

    virtually(scenario())


def test_one_shard_of_three_falls_silent_and_only_that_is_cycled(tiny_server, told):
    """Over real sockets: STALE, its socket closed, another opened and told the same, one gap."""

    async def scenario():
        wanted = thirds(30)
        async with (
            tiny_server() as server,
            streaming(server, at_least=3, modes=wanted, limits=FeedLimits(stale_s=0.8)) as pool,
        ):
            await until(lambda: sum(len(told(client.texts)) for client in server.clients) == 30)
            mute, *speaking = server.clients
            mute.send(TICK)

            async def speak():
                while True:
                    for client in [client for client in server.clients if client is not mute]:
                        client.send(TICK)
                    await asyncio.sleep(0.05)

            speaker = asyncio.create_task(speak())
            await until(lambda: len(server.clients) == 4)
            await until(lambda: up(pool))
            assert mute.gone.is_set()
            assert not any(client.gone.is_set() for client in speaking)
            assert server.most_open == 3
            assert told(server.clients[3].texts) == told(mute.texts)
            gaps = [event.gap for event in pool.events if event.gap]
            assert len(gaps) == 2
            assert set(gaps[1].tokens) == set(told(mute.texts))
            speaker.cancel()

    asyncio.run(scenario())


# ---- subscriptions --------------------------------------------------------------------------------------------------


def test_nine_thousand_instruments_on_three_sockets(tiny_server, told):
    async def scenario():
        async with tiny_server() as server, streaming(server, modes=thirds(9000)) as pool:
            await until(lambda: sum(len(told(client.texts)) for client in server.clients) == 9000)
            assert [len(told(client.texts)) for client in server.clients] == [3000, 3000, 3000]
            assert all(set(told(client.texts).values()) == {"full"} for client in server.clients)
            with pytest.raises(TooManyInstruments):
                pool.subscribe({256265: "ltp"})

    asyncio.run(scenario())


def test_a_growing_list_opens_the_next_socket(tiny_server, told):
    async def scenario():
        async with tiny_server() as server, streaming(server, modes={1: "ltp"}) as pool:
            await until(lambda: server.clients and told(server.clients[0].texts) == {1: "ltp"})
            pool.subscribe(dict.fromkeys(nse(3500), "quote"))
            await until(lambda: sum(len(told(client.texts)) for client in server.clients) == 3501)
            assert len(server.clients) == 2
            assert len(pool.connections) == 2

    asyncio.run(scenario())


def test_modes_change_and_instruments_go_while_it_streams(tiny_server, told):
    async def scenario():
        async with tiny_server() as server, streaming(server, modes={1: "quote", 2: "full"}) as pool:
            await until(lambda: server.clients and told(server.clients[0].texts) == {1: "quote", 2: "full"})
            pool.subscribe({1: "full", 2: "ltp"})
            pool.unsubscribe([2])
            await until(lambda: told(server.clients[0].texts) == {1: "full"})

    asyncio.run(scenario())


def test_a_burst_of_requests_is_a_few_messages(virtually, broker, told):
    async def scenario():
        tokens = nse(9000)
        async with pooled(broker, modes=dict.fromkeys(tokens, "full")) as pool:
            await until(lambda: up(pool))
            before = sum(len(link.texts) for link in broker.links)
            for token in tokens[:8000]:
                pool.subscribe({token: "quote"})
            pool.unsubscribe(tokens[8000:])
            await asyncio.sleep(0.05)
            assert sum(len(link.texts) for link in broker.links) - before <= 12
            modes = {token: mode for link in broker.links for token, mode in told(link.texts).items()}
            assert modes == dict.fromkeys(tokens[:8000], "quote")

    virtually(scenario())


def test_eight_threads_of_changes_end_as_the_last_of_each_said(tiny_server, told):
    """Problem 43: the pool belongs to its loop, and what other threads hand over to it arrives whole and in order."""

    async def scenario():
        tokens = nse(800)
        loop = asyncio.get_running_loop()

        def change(thread):
            dice = random.Random(thread)
            own = tokens[thread * 100 : thread * 100 + 100]
            for _ in range(1000):
                token = dice.choice(own)
                if dice.random() < 0.3:
                    wanted.pop(token, None)
                    loop.call_soon_threadsafe(pool.unsubscribe, [token])
                else:
                    wanted[token] = dice.choice(["ltp", "quote", "full"])
                    loop.call_soon_threadsafe(pool.subscribe, {token: wanted[token]})

        wanted = {}
        async with tiny_server() as server, streaming(server, at_least=3) as pool:
            await until(lambda: len(server.clients) == 3)
            threads = [threading.Thread(target=change, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            await asyncio.to_thread(lambda: [thread.join() for thread in threads])
            await until(
                lambda: {t: m for client in server.clients for t, m in told(client.texts).items()} == wanted, 30
            )

    asyncio.run(scenario())


def test_a_status_tells_what_there_is(virtually, broker):
    async def scenario():
        async with pooled(broker, modes=thirds()) as pool:
            await until(lambda: up(pool))
            broker.open_links[0].say(TICK)
            await asyncio.sleep(2)
            first, second, third = pool.status()
            assert [first.index, second.index, third.index] == [0, 1, 2]
            assert [first.instruments, second.instruments, third.instruments] == [3, 3, 3]
            assert (first.state, first.cause, first.attempts, first.connects, first.gaps) == (State.LIVE, None, 1, 1, 0)
            assert first.since_ns <= first.last_frame_ns
            assert Counter(status.last_tick_ns is None for status in (first, second, third)) == {True: 2, False: 1}

    virtually(scenario())
