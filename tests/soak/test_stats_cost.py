"""What watching costs: ``kite stats`` and a scrape a second beside a busy feed, in turns with nobody watching."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kitecli.broker.rest import BrokerSession
from kitecli.catalogue import todays_book
from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not COMPILED or sys.platform != "linux", reason="needs /proc and a feed process"),
]

ROUNDS = int(os.environ.get("KITE_SOAK_ROUNDS", "12"))
ROUND_S = 3.0


SCRAPER = """
import sys, time, urllib.request
while True:
    with urllib.request.urlopen(sys.argv[1], timeout=20) as answer:
        assert b"kite_feed_up" in answer.read()
    print("scraped", flush=True)
    time.sleep(1)
"""


class Watchers:
    """``kite stats --json``, and a server with somebody who scrapes it each second; they stand still until let go."""

    def __init__(self, env):
        self._env = env
        self._all = []
        live = self._start("-m", "kitecli", "stats", "--json", "--watch", "1", stdout=subprocess.PIPE)
        serving = self._start("-m", "kitecli", "stats", "--prometheus", "--listen", "0", stderr=subprocess.PIPE)
        url = serving.stderr.readline().split()[4]
        scraper = self._start("-c", SCRAPER, url, stdout=subprocess.PIPE)
        assert json.loads(live.stdout.readline())["counters"]["ticks"] > 0
        assert scraper.stdout.readline() == "scraped\n"
        self.rest()

    def go(self):
        self._signal(signal.SIGCONT)

    def rest(self):
        self._signal(signal.SIGSTOP)

    def run_s(self):
        """How long ``kite stats`` and the server have run; the scraper is somebody else's program."""
        return [int(Path(f"/proc/{one.pid}/schedstat").read_text().split()[0]) / 1e9 for one in self._all[:2]]

    def end(self):
        for one in self._all:
            one.kill()
            one.communicate()

    def _start(self, *arguments, **pipes):
        self._all.append(subprocess.Popen([sys.executable, *arguments], env=self._env, text=True, **pipes))
        return self._all[-1]

    def _signal(self, number):
        for one in self._all:
            one.send_signal(number)


def read_for(feed, seconds):
    """Read as a strategy would; returns the p99 of this time, in microseconds."""
    before, began_s = feed.stages()["read"], time.monotonic()
    while time.monotonic() < began_s + seconds:
        feed._take(0.02)
    return feed.stages()["read"].since(before).percentile_ns(99) / 1e3


def test_watching_costs_little_and_moves_no_latency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path / "data"))
    shares, p99_us = [], {False: [], True: []}
    with launch(SimOptions(instruments=1_000, rate=2, rate_limits=False)) as sim:
        session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
        tokens = [row.instrument_token for row in todays_book(session)][:1_000]
        modes = dict.fromkeys(tokens, "quote")
        handle = open_gateway(GatewaySpec(sim.ws_url, sim.api_key, modes, 1 << 18, str(run), Secret(sim.access_token)))
        with Feed(handle, attach(handle.memory, batch=4096, depth=False)) as feed:
            read_for(feed, 1.0)
            watchers = Watchers({**os.environ, "KITE_RUNTIME_DIR": str(run)})
            try:
                for number in range(2 * ROUNDS):
                    watched = number % 2 == (number // 2) % 2  # which comes first changes with each round
                    if watched:
                        watchers.go()
                    before = watchers.run_s()
                    p99_us[watched].append(read_for(feed, ROUND_S))
                    if watched:
                        watchers.rest()
                        taken_s = zip(watchers.run_s(), before, strict=True)
                        shares.append([(now - then) / ROUND_S for now, then in taken_s])
            finally:
                watchers.end()
    live, server = (statistics.mean(each) for each in zip(*shares, strict=True))
    ratio = statistics.median(a / b for a, b in zip(p99_us[True], p99_us[False], strict=True))
    alone, both = statistics.median(p99_us[False]), statistics.median(p99_us[True])
    print(f"\nN = {ROUNDS} rounds of {ROUND_S:g} s each way at 2,000 ticks/s")
    print(f"CPU of a core: kite stats {live:.2%}, a scrape a second {server:.2%}")
    print(f"p99 received to read: {alone:,.0f} us alone, {both:,.0f} us watched; median ratio {ratio:.3f}")
    assert live <= 0.01
    assert server <= 0.01
    assert ratio < 1.10
