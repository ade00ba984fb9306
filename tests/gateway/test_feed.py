"""A feed end to end: simulated exchange → websocket → pass → ring → reader, in one process and in three."""

import asyncio
import queue
import threading
import time
from collections import Counter

import numpy as np
import pytest

from kitecli.broker.rest import BrokerSession, fetch_instruments
from kitecli.errors import ConnectionFailed, HandshakeForbidden, TooManyInstruments
from kitecli.feed.liveness import State
from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import attach
from kitecli.gateway.spec import GatewayEvent
from kitecli.market.gap import Gap
from kitecli.market.instruments import parse_instruments
from kitecli.secret import Secret


@pytest.fixture(scope="module")
def tokens(exchange):
    session = BrokerSession(exchange.api_url, exchange.api_key, Secret(exchange.access_token))
    return [row.instrument_token for row in parse_instruments(fetch_instruments(session))]


def count_until(feed, done, seconds=10.0):
    """Tokens seen, until ``done(counts)`` or the time is up."""
    counts = Counter()
    for batch in feed.batches(seconds):
        if batch is not None:
            counts.update(batch.ticks["token"].tolist())
        if done(counts):
            break
    return counts


def test_every_packet_the_exchange_sent_is_read(exchange, start, tokens):
    """Per instrument, against the exchange's own ledger: it stops sending when unsubscribed, so the counts settle."""
    before = exchange.ledger()["tokens"]
    with start(exchange, dict.fromkeys(tokens, "full"), at_least=3) as feed:
        counts = count_until(feed, lambda seen: seen.total() > 5_000)
        feed.handle.unsubscribe(tokens)
        sent = sent_since(exchange, before)
        while counts != sent and (more := count_until(feed, lambda _: False, seconds=0.5)):
            counts += more
            sent = sent_since(exchange, before)
        figures = feed.figures()
        assert figures.connections == {0: "live", 1: "live", 2: "live"}
    assert counts == sent
    assert figures.lost == 0
    assert figures.ticks == figures.counters["ticks"] == counts.total() > 5_000
    assert figures.damaged == {}
    assert 0 < figures.latency_ns_p50 <= figures.latency_ns_p99 <= figures.latency_ns_max


def sent_since(exchange, before):
    """Packets by token, live ones and answers to subscriptions, that the exchange has sent since ``before``."""
    sent = Counter({int(token): sum(both) for token, both in exchange.ledger()["tokens"].items()})
    sent.subtract({int(token): sum(both) for token, both in before.items()})
    return +sent


def test_the_board_holds_the_latest_tick_of_every_instrument(exchange, start, tokens):
    with start(exchange, dict.fromkeys(tokens[:50], "full")) as feed:
        last = {}
        for batch in feed.batches(10):
            if batch is not None:
                last.update(zip(batch.ticks["token"].tolist(), batch.ticks["volume"].tolist(), strict=True))
            if len(last) == 50:
                break
        ticks, depth = feed.latest()
        assert set(ticks["token"].tolist()) == set(tokens[:50])
        assert len(depth) == 50
        volumes = dict(zip(ticks["token"].tolist(), ticks["volume"].tolist(), strict=True))
        assert all(volumes[token] >= volume for token, volume in last.items())


def test_the_history_of_one_instrument_is_its_ticks_newest_first(exchange, start, tokens):
    with start(exchange, dict.fromkeys(tokens[:20], "quote")) as feed:
        seen = []
        for batch in feed.batches(10):
            if batch is not None:
                seen += batch.ticks[batch.ticks["token"] == tokens[0]].tolist()
            if len(seen) >= 15:
                break
        view = feed.reader.view
        row = view.tokens(0, view.board_rows()).tolist().index(tokens[0])
        ticks, sequences = np.zeros(10, feed.latest()[0].dtype), np.zeros(10, np.int64)
        assert view.history(row, 10, ticks, sequences) == 10
        assert (np.diff(sequences) < 0).all()
        assert set(ticks["token"].tolist()) == {tokens[0]}
        known = {record[0:6] for record in seen}
        assert sum(record[0:6] in known for record in ticks.tolist()) >= 5


def test_modes_and_instruments_change_while_it_streams(exchange, start, tokens):
    first, second = tokens[0], tokens[1]
    with start(exchange, {first: "ltp"}) as feed:
        count_until(feed, lambda seen: seen[first] > 2)
        feed.handle.subscribe({first: "full", second: "quote"})
        modes = set()
        for batch in feed.batches(10):
            if batch is not None:
                modes |= set(zip(batch.ticks["token"].tolist(), batch.ticks["mode"].tolist(), strict=True))
            if {(first, 3), (second, 2)} <= modes or {(first, 3), (second, 3)} <= modes:
                break
        assert (first, 3) in modes
        assert any(token == second for token, _ in modes)


def test_a_refused_request_is_raised_and_changes_nothing(exchange, start, tokens):
    with start(exchange, {tokens[0]: "ltp"}) as feed:
        with pytest.raises(TooManyInstruments):
            feed.handle.subscribe(dict.fromkeys(range(1 << 20, (1 << 20) + 9001), "full"))
        assert count_until(feed, lambda seen: seen[tokens[0]] > 2)


def test_a_refused_token_is_told_and_another_is_taken_up(exchange, start, tokens):
    with start(exchange, {tokens[0]: "ltp"}, access_token=Secret("stale")) as feed:
        count_until(feed, lambda _: feed.connections.get(0) == State.AUTH)
        refused, *_ = [event for event in feed.events if event.state == State.AUTH]
        assert isinstance(refused.failure(), HandshakeForbidden)
        assert "stale" not in str(refused)
        feed.give_access_token(Secret(exchange.access_token))
        assert count_until(feed, lambda seen: seen[tokens[0]] > 2)


def test_a_ticker_that_is_not_there_ends_the_feed_soon(exchange, start, tokens):
    with start(exchange, {1: "ltp"}, ws_root="ws://127.0.0.1:1") as feed, pytest.raises(ConnectionFailed):
        for _ in feed.batches(20):
            pass


def test_time_is_up_and_finish_ends_it(exchange, start, tokens):
    with start(exchange, {tokens[0]: "ltp"}) as feed:
        began = time.monotonic()
        assert list(feed.batches(0.2)) is not None
        assert time.monotonic() - began < 5
        feed.finish()
        assert list(feed.batches()) == []


def test_iterating_and_awaiting_give_the_same(exchange, start, tokens):
    """Two readers of one ring, one of them on an event loop: the same ticks, and the loop goes on meanwhile."""
    with start(exchange, dict.fromkeys(tokens[:100], "quote")) as feed:
        other = Feed(FollowedHandle(feed.handle), attach(feed.handle.memory, batch=4096, depth=True, from_oldest=True))

        async def program():
            turns, got = 0, []

            async def count_turns():
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0.001)

            counting = asyncio.create_task(count_turns())
            async for batch in feed:
                got += zip(batch.sequences.tolist(), batch.ticks["token"].tolist(), strict=True)
                if got[-1][0] > 2000:
                    break
            counting.cancel()
            return turns, got

        turns, awaited = asyncio.run(program())
        stop = awaited[-1][0]
        iterated = []
        for batch in other:
            iterated += zip(batch.sequences.tolist(), batch.ticks["token"].tolist(), strict=True)
            if iterated[-1][0] >= stop:
                break
        other.close()
    assert [pair for pair in iterated if pair[0] <= stop] == awaited
    assert turns > 20


class FollowedHandle:
    """A second reader's hold on a gateway that isn't his."""

    def __init__(self, handle):
        self.events, self.memory, self.pid = queue.SimpleQueue(), handle.memory, handle.pid
        self.bars, self.timelines, self.replayed = handle.bars, handle.timelines, handle.replayed

    def close(self):
        pass


def test_batches_that_wait_leave_the_loop_its_turns(exchange, start, tokens):
    with start(exchange, dict.fromkeys(tokens[:100], "quote")) as feed:
        feed.reader._ticks = feed.reader._ticks[:10]
        count_until(feed, lambda seen: seen.total() > 200)
        time.sleep(0.5)  # a backlog of hundreds of ticks, to be read ten at a time

        async def program():
            turns, batches = [0], 0

            def count_turn():
                turns[0] += 1
                loop.call_soon(count_turn)

            loop = asyncio.get_running_loop()
            loop.call_soon(count_turn)
            async for _ in feed:
                batches += 1
                if batches == 20:
                    return turns[0]
            return 0

        assert asyncio.run(program()) >= 19


def test_an_awaited_feed_ends_with_its_reason(exchange, start, tokens):
    async def program(feed):
        async for _ in feed:
            pass

    with start(exchange, {tokens[0]: "ltp"}, ws_root="ws://127.0.0.1:1") as feed, pytest.raises(ConnectionFailed):
        asyncio.run(asyncio.wait_for(program(feed), 20))


def test_closing_ends_both_kinds_of_iteration(exchange, start, tokens):
    async def program(feed):
        loop, batches = asyncio.get_running_loop(), 0
        async for _ in feed:
            batches += 1
            if batches == 3:
                loop.call_soon(feed.close)
        return batches

    with start(exchange, dict.fromkeys(tokens[:20], "quote")) as feed:
        assert asyncio.run(asyncio.wait_for(program(feed), 20)) >= 3
    with start(exchange, dict.fromkeys(tokens[:20], "quote")) as feed:
        batches = 0
        for _ in feed:
            batches += 1
            if batches == 3:
                threading.Thread(target=feed.close).start()
        assert batches >= 3
        feed.close()


def test_subscriptions_change_from_any_thread(exchange, start, tokens):
    with start(exchange, {tokens[0]: "ltp"}, wanted={tokens[0]: "ltp"}) as feed:
        worker = threading.Thread(target=feed.subscribe, args=({tokens[1]: "quote"},))
        worker.start()
        worker.join()
        count_until(feed, lambda seen: seen[tokens[0]] > 2 and seen[tokens[1]] > 2)
        feed.unsubscribe([tokens[0]])
        settled = time.monotonic() + 0.5
        assert set(count_until(feed, lambda _: time.monotonic() > settled)) == {tokens[1]}
        assert set(feed.latest()[0]["token"].tolist()) == {tokens[1]}


def test_history_is_newest_last(exchange, start, tokens):
    with start(exchange, dict.fromkeys(tokens[:20], "quote")) as feed:
        count_until(feed, lambda seen: seen[tokens[0]] > 12)
        ticks, sequences = feed.history(tokens[0], 10)
        assert (np.diff(sequences) > 0).all()
        assert set(ticks["token"].tolist()) == {tokens[0]}
        assert len(feed.history(1, 10)[0]) == len(feed.history(tokens[0], 0)[0]) == 0


def test_outages_are_told_and_kept(exchange, start, tokens):
    """The gateway's records, as they come: an outage's end takes the place of its beginning."""
    began = {
        "connection": 0,
        "tokens": [tokens[0]],
        "from_ns": 5,
        "to_ns": None,
        "cause": "cut",
        "sequence": None,
        "number": 1,
    }
    with start(exchange, {tokens[0]: "ltp"}) as feed:
        feed.handle.events.put(GatewayEvent("gap", data=began))
        count_until(feed, lambda _: feed.gaps)
        assert feed.gaps == [Gap(0, (tokens[0],), 5, None, "cut")]
        feed.handle.events.put(GatewayEvent("gap", data={**began, "to_ns": 9, "sequence": 0}))
        count_until(feed, lambda _: feed.gaps[0].to_ns)
        assert feed.gaps == [Gap(0, (tokens[0],), 5, 9, "cut", 0)]
        assert feed.missed_volume(feed.gaps[0])["token"].tolist() == [tokens[0]]
        assert [event.kind for event in feed.events if event.kind == "gap"] == ["gap", "gap"]
        for at in range(10, 1_110):  # of a line that is bad all day
            feed.handle.events.put(GatewayEvent("gap", data={**began, "tokens": [*tokens], "from_ns": at, "to_ns": at}))
        count_until(feed, lambda _: feed.gaps[-1].to_ns == 1_109)
        assert (len(feed.gaps), feed.gaps_total) == (1_000, 1_101)
        assert len({id(gap.tokens) for gap in feed.gaps}) == 1


def test_what_hears_the_events_may_fail(exchange, start, tokens, caplog):
    with start(exchange, {tokens[0]: "ltp"}) as feed:
        feed._on_event = lambda event: 1 / 0
        feed.handle.events.put(GatewayEvent("message", 0, "message", data="hello"))
        feed.handle.events.put(GatewayEvent("connection", 7, State.DOWN))
        count_until(feed, lambda _: 7 in feed.connections)
        assert "ZeroDivisionError" in caplog.text


def test_a_connection_that_comes_back_is_counted(exchange, start, tokens):
    with start(exchange, {tokens[0]: "ltp"}) as feed:
        states = (State.RECONNECTING, State.LIVE, State.QUIET, State.STALE, State.RECONNECTING, State.LIVE, State.DOWN)
        for state in states:
            feed.handle.events.put(GatewayEvent("connection", 5, state))
        count_until(feed, lambda _: feed.connections.get(5) == State.DOWN)
        assert feed.figures().reconnects == 1
        assert feed.figures().reconnects == 1
