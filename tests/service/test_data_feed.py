"""The service as users call it: against the simulated exchange and a scripted ticker, over real sockets."""

import asyncio
import gc
import logging
import os
import threading
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from kitecli.bars.table import TABLE_DTYPE
from kitecli.broker.rest import fetch_instruments
from kitecli.errors import (
    AuthError,
    BrokerError,
    ConfigError,
    ConnectionFailed,
    FeedError,
    SubscriptionError,
    TooManyInstruments,
    UnknownInstrument,
    UsageError,
)
from kitecli.hot import COMPILED
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.protocol.messages import order_text
from kitecli.service.data_feed import STOP_TIMEOUT_S, DataFeedService
from kitecli.settings import load
from kitecli.settings.live import LiveConfig
from tests.service.scripted import both_kinds, config_for, only_shared, streaming, until


@both_kinds
def test_ticks_come_by_callback_and_figures_add_up(make, exchange, tokens):
    service, seen = make(), Counter()
    service.subscribe(tokens[:50], mode="quote")
    service.add_tick_callback(lambda tick: seen.update([tick.instrument_token]))
    before_s = time.monotonic()
    service.start()
    assert time.monotonic() - before_s < 0.5, "start() returns at once"
    until(lambda: seen.total() > 500)
    figures = service.get_statistics()
    assert isinstance(figures["ticks_per_second"], float)
    assert figures["ticks_per_second"] > 50
    assert figures["active_connections"] == 1
    assert 0 <= figures["buffer_usage"] <= 1
    service.stop()
    assert set(seen) == set(tokens[:50])
    after = service.get_statistics()
    assert (after["delivered"], after["running"], after["active_connections"]) == (seen.total(), False, 0)
    parts = ("delivered", "conflated", "lost", "passed_over", "waiting")
    assert sum(after[part] for part in parts) == after["produced"] == after["feed"]["ticks"]


@both_kinds
def test_names_and_tokens_before_and_after_the_start(make, exchange, tokens):
    service, modes = make(), {}
    service.subscribe("NSE:INFY", mode="ltp")
    service.subscribe([738561])
    with service:
        service.add_tick_callback(lambda tick: modes.update({tick.instrument_token: tick.mode}))
        until(lambda: modes == {408065: "ltp", 738561: "quote"})
        service.subscribe(["nse:tcs full", 408065], mode="full")
        until(lambda: modes == {408065: "full", 738561: "quote", 2953217: "full"})
        assert service.subscriptions == modes
        service.unsubscribe(["INFY", 738561])
        modes.clear()
        until(lambda: modes)
        time.sleep(0.3)
        assert set(modes) == {2953217}
    assert service.subscriptions == {2953217: "full"}


def test_contracts_around_the_money_are_found_by_the_last_price(make):
    service = make()
    service.subscribe("NFO:NIFTY:near:ATM+-1", mode="ltp")
    contracts = [row for row in service.instruments if row.instrument_token in service.subscriptions]
    assert {row.instrument_type for row in contracts} == {"CE", "PE"}
    assert len({row.strike for row in contracts}) == 3


def test_a_wrong_name_is_said_where_it_stands_and_changes_nothing(make):
    service = make()
    with pytest.raises(UnknownInstrument, match="INFI"):
        service.subscribe(["NSE:RELIANCE", "NSE:INFI"])
    with pytest.raises(SubscriptionError, match="1594 is no instrument token"):
        service.subscribe([1594])
    with pytest.raises(TooManyInstruments):
        service.subscribe(range(257, 257 + 256 * 9001, 256), mode="ltp")
    assert service.subscriptions == {}


def test_the_latest_ticks_of_an_instrument_newest_last(make, tokens):
    service, seen = make(), []
    assert service.get_latest_ticks(tokens[0]).dtype == TICK_DTYPE
    service.subscribe(tokens[:10], mode="quote")
    service.add_tick_callback(lambda tick: tick.instrument_token == tokens[0] and seen.append(tick.ts_recv_ns))
    with service:
        until(lambda: len(seen) > 20)
        ticks = service.get_latest_ticks(tokens[0], count=15)
        assert len(ticks) == 15
        assert set(ticks["token"].tolist()) == {tokens[0]}
        assert (np.diff(ticks["volume"].astype(np.int64)) >= 0).all()
        assert seen[10] in service.get_latest_ticks(tokens[0])["ts_recv_ns"]
        assert len(service.get_latest_ticks(tokens[0], count=0)) == 0
        assert len(service.get_latest_ticks(256 + 1)) == 0, "one that isn't streamed"


def test_bars_of_an_instrument_by_name_oldest_first(make, tokens):
    service, told = make(), []
    assert service.get_ohlc_bars(tokens[0]).dtype == TABLE_DTYPE, "none, while it isn't running"
    service.config.performance.tick_aggregation_interval = 200
    service.subscribe("NSE:RELIANCE")
    service.add_bar_callback(told.append, "400ms")
    with service:
        until(lambda: len(told) > 2)
        bars = service.get_ohlc_bars("NSE:RELIANCE", 2, "200ms", fill=True)
        assert (bars["start"][1] - bars["start"][0]) == np.timedelta64(200, "ms")
        assert len(service.get_ohlc_bars("NSE:RELIANCE", 1, "day", forming=True)) == 1
        longer = service.get_ohlc_bars("NSE:RELIANCE", 100, "400ms")
        with pytest.raises(UsageError, match="it builds 200ms, 1m, 15m, day"):
            service.get_ohlc_bars("NSE:RELIANCE", interval="300ms")
        with pytest.raises(UsageError, match="no bars of 300ms"):
            service.add_bar_callback(print, "300ms")
        with pytest.raises(UsageError, match="no kind of frame"):
            service.get_ohlc_bars("NSE:RELIANCE", interval="day", frame="arrow")
    assert {bar.instrument_token for bar in told} == set(longer["token"].tolist())
    opens = dict(zip(longer["start"].astype(np.int64).tolist(), longer["open"].tolist(), strict=True))
    assert [bar.open for bar in told[:3]] == [opens[round(bar.start.timestamp() * 1000)] for bar in told[:3]]
    assert service.get_statistics()["bars_lost"] == 0


def test_a_bar_callback_of_what_no_feed_builds_is_said_by_wait(make):
    service = make()
    service.add_bar_callback(print, "250ms")
    service.start()
    with pytest.raises(UsageError, match=r"datafeed\.bars"):
        service.wait(20)
    with pytest.raises(UsageError, match="no interval"):
        service.add_bar_callback(print, "soon")


def test_batches_come_as_arrays(make, tokens):
    service, sizes = make(), []
    service.subscribe(tokens[:30], mode="quote")
    service.add_batch_callback(lambda batch: sizes.append(len(batch.ticks)))
    with service:
        until(lambda: sum(sizes) > 200)
    assert service.get_statistics()["delivered"] == sum(sizes)


def test_without_credentials_it_says_what_to_do(monkeypatch):
    service = DataFeedService(config=LiveConfig(lambda: load(environ={})))
    with pytest.raises(AuthError) as refusal:
        service.start()
    assert "simulated=True" in refusal.value.hint
    assert not service.running
    service.config.performance.buffer_size = 5000  # a start that failed holds nothing


def test_credentials_of_the_environment_serve_too(exchange, tokens):
    credentials = {"KITE_API_KEY": exchange.api_key, "KITE_ACCESS_TOKEN": exchange.access_token}
    service, seen = DataFeedService(config=config_for(exchange.ws_url, exchange.api_url, **credentials)), []
    service.subscribe(tokens[:5])
    service.add_tick_callback(seen.append)
    with service:
        until(lambda: seen)


def test_a_simulated_exchange_of_its_own_needs_nothing():
    service, seen = DataFeedService(simulated=True, config=LiveConfig(lambda: load(environ={}))), []
    service.add_tick_callback(seen.append)
    service.subscribe(["NSE:INFY", "NSE:RELIANCE"])
    with service:
        until(lambda: len(seen) >= 2)
        session = service._venue.market().session
    with pytest.raises(BrokerError):
        fetch_instruments(session)  # it went with the service
    assert {tick.instrument_token for tick in seen} == {408065, 738561}


def test_settings_stand_still_while_it_runs(make):
    service = make()
    service.config.performance.buffer_size = 2000
    with service, pytest.raises(ConfigError, match="can't be changed now"):
        service.config.performance.buffer_size = 3000
    service.config.performance.buffer_size = 3000


@both_kinds
def test_a_refused_token_is_said_and_a_new_one_taken_up_without_a_restart(exchange, kind, caplog):
    config, seen = config_for(exchange.ws_url, exchange.api_url, kind=kind), []
    with DataFeedService(exchange.api_key, "stale-token", config=config) as service:
        service.subscribe([408065])
        service.add_tick_callback(seen.append)
        until(lambda: service.get_statistics()["connections"] == {"0": "auth"})
        service.set_access_token(exchange.access_token)
        until(lambda: seen)
    assert "connection 0 is auth: " in caplog.text
    assert "stale-token" not in caplog.text


def test_a_token_file_is_read_when_it_changes(exchange, kind, tmp_path):
    file, seen = tmp_path / "token", []
    file.write_text("stale-token\n")
    file.chmod(0o600)
    variables = {"KITE_API_KEY": exchange.api_key, "KITE_ACCESS_TOKEN_FILE": str(file)}
    config = config_for(exchange.ws_url, exchange.api_url, kind=kind, **variables)
    with DataFeedService(config=config) as service:
        service.subscribe(["NSE:INFY"])
        service.add_tick_callback(seen.append)
        until(lambda: service.get_statistics()["connections"] == {"0": "auth"})
        file.write_text(exchange.access_token)
        until(lambda: seen)


def test_a_ticker_that_is_not_there_ends_it_with_the_reason(make, caplog):
    service, heard = make("ws://127.0.0.1:1"), []
    service.subscribe([408065])
    service.add_event_callback(heard.append)
    service.start()
    with pytest.raises(ConnectionFailed):
        service.wait(20)
    assert not service.running
    assert heard[-1].kind == "failed"
    assert "the feed has ended" in caplog.text


def test_waiting_has_an_end(make):
    service = make()
    with pytest.raises(UsageError, match="start"):
        service.wait()
    with service:
        assert not service.wait(0.05)
    assert service.wait(1)


# Callbacks


def test_a_callback_that_raises_is_counted_exactly_and_bothers_nobody(make, tokens, caplog):
    service, counts = make(), Counter()

    @service.add_tick_callback
    def one_in_a_hundred(tick):
        counts["calls"] += 1
        if counts["calls"] % 100 == 0:
            raise KeyError("depth")

    @service.add_tick_callback
    def next_one(tick):
        counts["next"] += 1

    service.subscribe(tokens, mode="full")
    with streaming(service):
        until(lambda: counts["next"] > 3000)
    figures = service.get_statistics()
    name = one_in_a_hundred.__qualname__
    assert figures["callback_errors"] == {name: counts["calls"] // 100, next_one.__qualname__: 0}
    assert counts["calls"] == counts["next"] == figures["delivered"]
    assert figures["lost"] == figures["reconnects"] == 0
    reports = [record for record in caplog.records if record.exc_info]
    assert len(reports) == 1, "one traceback, whatever the number"
    assert "KeyError on instrument" in reports[0].getMessage()
    assert "last_price" in reports[0].getMessage()
    said = [record.getMessage() for record in caplog.records if "more since the last report" in record.getMessage()]
    assert f"{counts['calls'] // 100 - 1} times more" in said[0]


def test_quarantine_is_asked_for(make, tokens, caplog):
    service, calls = make(quarantine_after=3), []

    @service.add_tick_callback
    def broken(tick):
        calls.append(tick)
        raise ValueError("no")

    service.subscribe(tokens[:20])
    seen = []
    service.add_tick_callback(seen.append)
    with service:
        until(lambda: len(seen) > 50)
    assert len(calls) == 3
    assert "isn't called again" in caplog.text


@pytest.mark.parametrize("kind", ["process" if COMPILED else "embedded"])
def test_slow_callbacks_delay_no_socket_and_each_reader_misses_what_it_chose(make, exchange, tokens, kind):
    """At 3,000 packets a second callbacks take 20 ms: the sockets' side loses nothing, and every tick is counted."""
    policies = ("every", "latest", "drop-oldest")
    services = {policy: make(policy=policy, max_lag=1000) for policy in policies}
    seen, ages_s = {policy: Counter() for policy in policies}, {policy: [] for policy in policies}

    def slow(policy, tick):
        seen[policy][tick.instrument_token] += 1
        ages_s[policy].append((time.time_ns() - tick.ts_recv_ns) / 1e9)
        time.sleep(0.02)

    until(lambda: not exchange.status()["connections"])  # a test before may just be leaving, and three are allowed
    before = sent(exchange)
    with ExitStack() as stack:
        for policy, service in services.items():
            service.add_tick_callback(partial(slow, policy))
            service.subscribe(tokens, mode="quote")
            stack.enter_context(streaming(service))
        time.sleep(2)
        for service in services.values():
            service.unsubscribe(tokens)

        def taken_in():
            ticks = [service.get_statistics()["feed"]["ticks"] for service in services.values()]
            return ticks[0] if kind == "process" else sum(ticks)

        until(lambda: taken_in() == sent(exchange) - before)
        assert taken_in() > 3000
    figures = {policy: service.get_statistics() for policy, service in services.items()}
    for policy in policies:
        parts = ("delivered", "conflated", "lost", "passed_over", "waiting")
        assert sum(figures[policy][part] for part in parts) == figures[policy]["produced"]
        assert figures[policy]["delivered"] == seen[policy].total()
    assert figures["every"]["lost"] == figures["every"]["conflated"] == 0
    assert figures["latest"]["conflated"] > 2000
    assert max(seen["latest"].values()) - min(seen["latest"].values()) <= 1, "each in its turn"
    assert figures["drop-oldest"]["lost"] > 1000
    assert np.median(ages_s["drop-oldest"]) < 1.0, "1,000 ticks are a third of a second"


def sent(exchange):
    totals = exchange.ledger()["totals"]
    return totals["live"] + totals["snapshots"]


def test_callbacks_may_call_the_service(make, tokens):
    service, seen, waits_s = make(), set(), []
    service.subscribe(tokens[:1])

    @service.add_tick_callback
    def follow(tick):
        seen.add(tick.instrument_token)
        service.subscribe([tokens[len(seen)]])
        service.get_statistics()
        service.get_latest_ticks(tick.instrument_token, 5)
        with pytest.raises(UsageError, match="wait"):
            service.wait()
        if len(seen) == 5:
            before_s = time.monotonic()
            service.stop()
            waits_s.append(time.monotonic() - before_s)
            with pytest.raises(UsageError, match="start"):
                service.start()

    service.start()
    assert service.wait(20)
    assert len(seen) == 5
    assert waits_s[0] < STOP_TIMEOUT_S / 2, "in a callback it returns at once"
    service.start()  # on another thread it may


def test_an_exit_in_a_callback_is_meant_for_the_program(make, tokens):
    service = make()
    service.subscribe(tokens[:5])

    @service.add_tick_callback
    def enough(tick):
        raise SystemExit(7)

    service.start()
    with pytest.raises(SystemExit) as end:
        service.wait(20)
    assert end.value.code == 7
    assert service.get_statistics()["callback_errors"] == {enough.__qualname__: 0}


def test_a_callback_that_hangs_doesnt_keep_it_from_stopping(make, tokens, caplog, monkeypatch):
    monkeypatch.setattr("kitecli.service.data_feed.STOP_TIMEOUT_S", 0.2)
    service, held, hanging = make(), threading.Event(), threading.Event()

    @service.add_tick_callback
    def hang(tick):
        hanging.set()
        held.wait(20)

    service.subscribe(tokens[:5])
    service.start()
    assert hanging.wait(20)
    service.stop()
    assert not service.running
    assert "still running" in caplog.text
    service.remove_callback(hang)
    seen = []
    service.add_tick_callback(seen.append)
    with service:
        until(lambda: seen)
    held.set()


# What the broker says


@both_kinds
def test_order_updates_overtake_a_sleeping_tick_handler(make, ticker, tokens):
    service, waits_ms, sleeping = make(ticker.url), [], threading.Event()
    service.subscribe([408065], mode="ltp")

    @service.add_tick_callback
    def sleep(tick):
        sleeping.set()
        time.sleep(0.5)

    @service.add_order_callback
    def order(update):
        waits_ms.append((time.time_ns() - update["sent_ns"]) / 1e6)

    with streaming(service):
        until(lambda: ticker.wanted)
        ticker.send(bytes.fromhex("00010008") + (408065).to_bytes(4, "big") + (157370).to_bytes(4, "big"))
        assert sleeping.wait(10)
        for number in range(20):
            ticker.send(order_text({"order_id": str(number), "sent_ns": time.time_ns()}))
            time.sleep(0.01)
        until(lambda: len(waits_ms) == 20)
    print(f"order updates beside a sleeping tick handler: median {np.median(waits_ms):.2f} ms, max {max(waits_ms):.2f}")
    assert np.median(waits_ms) < 100, "a tenth of the sleeps would be 50"


def test_what_the_broker_says_besides_is_an_event(make, ticker):
    service, said = make(ticker.url), []
    service.add_event_callback(lambda event: said.append((event.kind, event.state, event.data)))
    with streaming(service):
        ticker.send('{"type": "message", "data": "maintenance at six"}')
        until(lambda: ("message", "message", "maintenance at six") in said)


def test_an_outage_restores_what_was_wanted(make, ticker):
    service, states = make(ticker.url), []
    service.add_event_callback(lambda event: event.kind == "connection" and states.append(event.state))
    service.subscribe({408065, 738561}, mode="full")
    with streaming(service):
        until(lambda: ticker.wanted == {408065: "full", 738561: "full"})
        ticker.cut()
        until(lambda: not ticker.clients)
        until(lambda: ticker.clients and ticker.wanted == {408065: "full", 738561: "full"})
        until(lambda: service.get_statistics()["active_connections"] == 1)
        assert service.get_statistics()["reconnects"] == 1


@both_kinds
def test_an_outage_is_told_and_what_was_traded_meanwhile_is_seen(make, ticker):
    service, gaps, snapshots = make(ticker.url), [], []
    service.add_gap_callback(gaps.append)
    service.add_tick_callback(lambda tick: snapshots.append((tick.volume_traded, tick.snapshot)))
    service.subscribe([408065], mode="quote")
    with streaming(service):
        until(lambda: ticker.wanted)
        ticker.send(quote(408065, volume=90))
        ticker.send(quote(408065, volume=100))
        until(lambda: len(snapshots) == 2)
        ticker.cut()
        until(lambda: service.gaps)
        assert service.missed_volume(service.gaps[0]).tolist() == [(408065, 100, -1, -1)], "it lasts"
        until(lambda: ticker.clients and ticker.wanted)
        ticker.send(quote(408065, volume=175))
        until(lambda: len(gaps) == 2 and len(snapshots) == 3)
        (gap,) = service.gaps
        assert gaps[0].to_ns is None
        assert gaps[1] == gap
        assert (gap.connection, gap.tokens) == (0, (408065,))
        assert gap.from_ns < gap.to_ns
        assert service.missed_volume(gap).tolist() == [(408065, 100, 175, 75)]
        assert service.get_statistics()["gaps"] == {"total": 1, "open": 0}
    assert snapshots == [(90, True), (100, False), (175, True)]
    with pytest.raises(UsageError):
        service.missed_volume(gap)


def quote(token, volume):
    row = np.zeros(1, TICK_DTYPE)
    row["token"], row["mode"], row["volume"], row["last_price"] = token, 2, volume, 157370
    return encode_frames(row, np.zeros(1, DEPTH_DTYPE), 1)[0]


# Threads, loops and cycles


def test_many_threads_change_what_is_wanted(make, ticker):
    service, threads, changes = make(ticker.url), 8, 100
    tokens = [256 * number + 1 for number in range(1, 41)]

    def change(seed):
        dice = np.random.default_rng(seed)
        for _ in range(changes):
            token = int(dice.choice(tokens))
            if dice.random() < 0.6:
                service.subscribe([token], mode=str(dice.choice(["ltp", "quote", "full"])))
            else:
                service.unsubscribe([token])

    with streaming(service):
        workers = [threading.Thread(target=change, args=(seed,)) for seed in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        until(lambda: ticker.wanted == service.subscriptions)
        assert service.subscriptions


@both_kinds
def test_cycles_leave_nothing_behind(make, tokens):
    service, seen = make(), []
    service.add_tick_callback(seen.append)
    service.subscribe(tokens[:3])
    cycle(service, seen)
    gc.collect()
    threads, files = threading.active_count(), descriptors()
    for _ in range(3):
        cycle(service, seen)
    gc.collect()
    assert threading.active_count() == threads
    assert descriptors() == files
    assert not list(Path(os.environ["KITE_RUNTIME_DIR"]).glob("feed-*"))


def cycle(service, seen):
    seen.clear()
    service.start()
    until(lambda: seen)
    service.stop()
    seen.clear()


def descriptors():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_beside_a_running_loop(make, tokens):
    service, seen = make(), []

    async def program():
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        service.add_tick_callback(lambda tick: seen.append(tick) or loop.call_soon_threadsafe(came.set))
        service.subscribe(tokens[:5])
        service.start()
        await asyncio.wait_for(came.wait(), 20)
        await asyncio.to_thread(service.stop)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(program())
    assert seen


@only_shared
def test_the_feed_process_that_dies_is_told(make, tokens, caplog):
    service, events = make(), []
    service.add_event_callback(events.append)
    service.subscribe(tokens[:5])
    with streaming(service):
        os.kill(service._run.feed.gateway_pid, 9)
        with pytest.raises(FeedError, match="died"):
            service.wait(10)
    assert events[-1].kind == "failed"
    assert [record.levelno for record in caplog.records][-1] == logging.ERROR


@only_shared
def test_services_of_one_account_share_its_connections(make, exchange, tokens):
    one, other = make(), make()
    seen = {service: set() for service in (one, other)}
    for service, token in ((one, tokens[0]), (other, tokens[1])):
        service.add_tick_callback(lambda tick, service=service: seen[service].add(tick.instrument_token))
        service.subscribe([token])
    with streaming(one), streaming(other):
        until(lambda: all(seen.values()))
        pids = {service._run.feed.gateway_pid for service in (one, other)}
        assert len(pids) == 1
        until(lambda: one.get_statistics()["passed_over"] + other.get_statistics()["passed_over"] > 0)
        one.stop()
        seen[other].clear()
        until(lambda: seen[other])
    assert seen == {one: {tokens[0]}, other: {tokens[1]}}


@both_kinds
def test_a_slow_callback_shows_as_one_and_nowhere_else(make, exchange, tokens):
    """Of two calls one takes 50 ms and one 200 ms: sleeps are never shorter, and no other stage waits for them."""
    service, naps = make(), iter((0.05, 0.2))
    done = []

    @service.add_tick_callback
    def slow(tick):
        time.sleep(next(naps, 0))
        done.append(tick)

    service.subscribe(tokens[:1])
    with streaming(service):
        until(lambda: len(done) >= 3)
        stages = service.get_statistics()["stages_ns"]
    calls = stages["callback"]
    assert calls["count"] >= 2
    assert calls["max"] >= 200_000_000
    assert calls["mean"] * calls["count"] >= 250_000_000
    assert stages["publish"]["count"] >= 1
    assert stages["read"]["count"] >= 3
