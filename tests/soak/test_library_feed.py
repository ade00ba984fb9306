"""The service for minutes: callbacks that sleep, raise and spin beside the sockets; a hundred starts; changes from many
threads. Run it with ``make soak ARGS=-s`` to see the figures it prints; ``SOAK_SECONDS`` is the length of each run.
"""

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from kitecli.hot import COMPILED
from kitecli.service.data_feed import DataFeedService
from kitecli.service.opening import open_feed
from kitecli.settings import load
from kitecli.settings.live import LiveConfig
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from tests.service.scripted import Ticker, config_for, until

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not COMPILED, reason="in one process a busy callback takes its time from the sockets"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
CYCLES = int(os.environ.get("SOAK_CYCLES", "100"))
ROUNDS = 10
PARTS = ("delivered", "conflated", "lost", "passed_over", "waiting")


@pytest.fixture(autouse=True)
def runtime_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


@pytest.fixture(scope="module")
def exchange():
    """3,000 packets a second."""
    with launch(SimOptions(instruments=300, rate=10, rate_limits=False)) as sim:
        yield sim


def credentials(exchange):
    config = config_for(exchange.ws_url, exchange.api_url, KITE_PERFORMANCE_RING_BUFFER_SIZE="1000000")
    return {"api_key": exchange.api_key, "access_token": exchange.access_token, "config": config}


class Clumsy:
    """Callbacks that do what callbacks shouldn't. ``outdated``: calls with a tick that wasn't the newest of its
    instrument; ``newest``: the last one seen of each.
    """

    def __init__(self, service):
        self.calls = self.raised = self.outdated = 0
        self.newest = {}
        self._service = service

    def sleep(self, tick):
        self.seen(tick)
        time.sleep(0.1)

    def fail(self, tick):
        self.seen(tick)
        if self.calls % 100 == 0:
            self.raised += 1
            raise KeyError("depth")

    def spin(self, tick):
        self.seen(tick)
        ends_s = time.monotonic() + 0.01
        while time.monotonic() < ends_s:
            pass

    def seen(self, tick):
        self.calls += 1
        self.newest[tick.instrument_token] = tick.sequence
        _, sequences = self._service._run.feed.history(tick.instrument_token, 1)
        self.outdated += int(sequences[-1]) != tick.sequence


@pytest.mark.parametrize(("habit", "policy"), [("sleep", "latest"), ("fail", "every"), ("spin", "drop-oldest")])
def test_a_clumsy_callback_for_a_minute(exchange, habit, policy, caplog):
    """0 frames are lost on the sockets' side, by the exchange's ledger, and every tick's fate is counted."""
    service = DataFeedService(policy=policy, max_lag=3000, **credentials(exchange))
    clumsy = Clumsy(service)
    callback = service.add_tick_callback(getattr(clumsy, habit))
    before = sent(exchange)
    with service:
        tokens = [row.instrument_token for row in service.instruments]
        service.subscribe(tokens, mode="full")
        service.wait(SECONDS)
        before_cut = service.get_statistics()
        service.unsubscribe(tokens)
        time.sleep(1)
        taken_in = service.get_statistics()["feed"]["ticks"]
        produced_by_exchange = sent(exchange) - before
    figures = service.get_statistics()
    print(
        f"\n{habit}/{policy}: exchange sent {produced_by_exchange:,}, taken in {taken_in:,}; "
        f"{', '.join(f'{part} {figures[part]:,}' for part in PARTS)} of {figures['produced']:,}; "
        f"errors {figures['callback_errors']}, {len(caplog.records)} log records; "
        f"receive-to-reader p99 {before_cut['latency_ns']['p99'] / 1e6:.2f} ms; "
        f"{clumsy.outdated} of {clumsy.calls:,} calls with another than its instrument's newest tick"
    )
    assert taken_in == produced_by_exchange
    assert sum(figures[part] for part in PARTS) == figures["produced"]
    assert figures["delivered"] == clumsy.calls
    assert figures["callback_errors"] == {callback.__qualname__: clumsy.raised}
    assert figures["reconnects"] == 0
    if policy == "every":
        assert figures["lost"] == figures["conflated"] == 0
        assert len(caplog.records) < 5 + SECONDS / 5
    if policy == "latest":
        assert len(clumsy.newest) == min(300, clumsy.calls), "each in its turn"
        assert clumsy.outdated < 0.05 * clumsy.calls + 3, "but for those that came within the same moment"


READER = """
import os, sys, time
import numpy as np
from pathlib import Path
from kitecli.gateway.handle import attach
from kitecli.ring.memory import RingMemory

reader = attach(RingMemory.attach(Path(sys.argv[1])), batch=10_000, depth=True, from_oldest=False)
for line in sys.stdin:
    while reader.read(0) is not None:  # what came between the rounds waited for the next line, not for the reader
        pass
    ends_s, waits = time.monotonic() + float(line), []
    while time.monotonic() < ends_s:
        batch = reader.read(0.05)
        if batch is not None:
            waits.append(time.time_ns() - batch.ticks["ts_recv_ns"])
    print(np.percentile(np.concatenate(waits), 99) / 1e3, reader.lost, flush=True)
"""


def test_another_reader_doesnt_notice_a_sleeping_one(exchange, runtime_dir):
    """p99 of a reader in a process of its own, with a sleeping service on the same ring and without: interleaved."""
    with open_feed((), **credentials(exchange)) as feed:
        instruments = DataFeedService(**credentials(exchange)).instruments
        feed.subscribe({row.instrument_token: "full" for row in instruments})
        (ring,) = runtime_dir.glob("*.ring")
        other = subprocess.Popen(
            [sys.executable, "-c", READER, str(ring)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        p99_us = {False: [], True: []}
        for number in range(2 * ROUNDS):
            slow = bool(number % 2)
            service = DataFeedService(**credentials(exchange))
            service.subscribe([row.instrument_token for row in instruments], mode="full")
            service.add_tick_callback(lambda tick: time.sleep(0.1))
            if slow:
                service.start()
            print(min(3.0, SECONDS / 20), file=other.stdin, flush=True)
            p99, lost = other.stdout.readline().split()
            p99_us[slow].append(float(p99))
            assert lost == "0"
            service.stop()
        other.communicate(timeout=20)
    alone, beside = np.median(p99_us[False]), np.median(p99_us[True])
    print(
        f"\nother reader's p99, median of {ROUNDS} rounds each: alone {alone:.0f} us, "
        f"beside a sleeping one {beside:.0f} us ({beside / alone - 1:+.0%})"
    )


def sent(exchange):
    totals = exchange.ledger()["totals"]
    return totals["live"] + totals["snapshots"]


def test_a_hundred_cycles_leave_nothing(exchange, runtime_dir):
    """Started and stopped in one interpreter, on the main thread, on others and in callbacks."""
    service, seen = DataFeedService(**credentials(exchange)), []
    service.subscribe([408065, 738561], mode="full")
    service.add_tick_callback(seen.append)
    cycle(service, seen, 0)
    first = traces(runtime_dir)
    began = time.monotonic()
    for number in range(1, CYCLES + 1):
        cycle(service, seen, number)
    last = traces(runtime_dir)
    print(f"\n{CYCLES} cycles in {time.monotonic() - began:.0f} s: before {first}, after {last}")
    assert last["threads"] == first["threads"]
    assert last["descriptors"] == first["descriptors"]
    assert last["files"] == first["files"]
    assert last["shared_mappings"] == first["shared_mappings"]
    assert last["children"] == first["children"]
    assert last["rss_mb"] < first["rss_mb"] + 10


def cycle(service, seen, number):
    """One of three ways of starting and stopping."""
    if number % 3 == 0:
        service.start()
        until(lambda: seen)
        service.stop()
    elif number % 3 == 1:
        worker = threading.Thread(target=cycle, args=(service, seen, 0))
        worker.start()
        worker.join()
    else:
        stop = service.add_tick_callback(lambda tick: service.stop())
        service.start()
        service.wait(20)
        service.remove_callback(stop)
    seen.clear()


def traces(runtime_dir):
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return {
        "threads": threading.active_count(),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "files": sorted(path.name for path in runtime_dir.iterdir()),
        "shared_mappings": Path("/proc/self/maps").read_text().count("/run/"),
        "children": len(children()),
        "rss_mb": int(status.partition("VmRSS:")[2].split()[0]) // 1024,
    }


def children():
    """Of every thread: a child belongs to the one that started it, or to whom it was left."""
    return {child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()}


def test_eight_threads_change_a_thousand_times_each():
    """The final state is the same in the service, in the feed process and at the ticker."""
    ticker, threads, changes = Ticker(), 8, 1000
    tokens = [256 * number + 1 for number in range(1, 2001)]
    service = DataFeedService("key", "token", config=config_for(ticker.url))

    def change(seed):
        dice = np.random.default_rng(seed)
        for _ in range(changes):
            some = dice.choice(tokens, int(dice.integers(1, 20))).tolist()
            if dice.random() < 0.6:
                service.subscribe(some, mode=str(dice.choice(["ltp", "quote", "full"])))
            else:
                service.unsubscribe(some)

    try:
        with service:
            until(lambda: service.get_statistics()["active_connections"])
            began = time.monotonic()
            workers = [threading.Thread(target=change, args=(seed,)) for seed in range(threads)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            took_s = time.monotonic() - began
            until(lambda: ticker.wanted == service.subscriptions)
            instruments = service._run.feed.status()["instruments"]
            print(f"\n{threads} × {changes:,} changes in {took_s:.1f} s; {instruments:,} instruments at the end")
            assert instruments == len(service.subscriptions) > 0
    finally:
        ticker.close()


def test_a_simulated_service_for_every_test_of_a_morning():
    """A simulated exchange of its own, started and stopped with the service: ten times, nothing stays."""
    service, seen = DataFeedService(simulated=True, config=LiveConfig(lambda: load(environ={}))), []
    service.add_tick_callback(seen.append)
    before = children()
    for _ in range(10):
        service.subscribe("NSE:INFY")
        cycle(service, seen, 0)
    assert children() == before
