"""A feed end to end: simulated exchange → websocket → pass → ring → reader, in one process and in three."""

import time
from collections import Counter

import numpy as np
import pytest

from kitecli.broker.rest import BrokerSession, fetch_instruments
from kitecli.errors import ConnectionFailed, HandshakeForbidden, TooManyInstruments
from kitecli.feed.liveness import State
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
        settled = time.monotonic() + 0.5
        counts += count_until(feed, lambda _: time.monotonic() > settled)
        after = exchange.ledger()["tokens"]
        figures = feed.figures()
        assert figures.connections == {0: "live", 1: "live", 2: "live"}
    sent = Counter({int(token): sum(both) for token, both in after.items()})
    sent.subtract({int(token): sum(both) for token, both in before.items()})
    assert counts == +sent
    assert figures.lost == 0
    assert figures.ticks == figures.counters["ticks"] == counts.total() > 5_000
    assert figures.damaged == {}
    assert 0 < figures.latency_ns_p50 <= figures.latency_ns_p99 <= figures.latency_ns_max


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
        feed.handle.give_access_token(Secret(exchange.access_token))
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
