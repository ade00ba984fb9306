"""An hour at the account's limit: does the feed process grow, slow down, or lose a tick?

``KITE_SOAK_S`` is its length in seconds. Run it with ``make soak ARGS=-s`` to see a line for each minute.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import pytest

from kitecli.broker.rest import BrokerSession, fetch_instruments
from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import GatewayHandle, attach, open_gateway
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED
from kitecli.market.instruments import parse_instruments
from kitecli.metrics.histogram import LatencyHistogram
from kitecli.ring.reader import RingReader
from kitecli.secret import Secret
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions
from tests.soak.measured import cpu_s, descriptors, memory_kb, threads, waiting_s

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not COMPILED, reason="needs the compiled pass"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

SECONDS = float(os.environ.get("KITE_SOAK_S", "3600"))
MINUTE_S = min(60.0, SECONDS / 10)
RING_SIZE = 1 << 20
GROWTH_MB_PER_H = 1.0
SHORTEST_S = 1200.0
"""A few pages more within a shorter run would be megabytes an hour."""
STALL_S = 2.5
"""The buffers that sockets are read into grow to the largest backlog there ever was, and stay. On a busy machine
another stall comes every few minutes, and looks like a leak; so the largest comes first."""
CROWDED = 0.02
"""Of its time that the feed process may wait for a processor: beyond, each backlog is larger than the one before."""
SLOWER = 5.0
"""How many times the first fifth's p99 the last fifth's may be: a machine that others use changes by as much."""
HEADINGS = "minute  private MB  descriptors  threads     ticks/s  p50 us  p99 us   max ms  lost  CPU  waited"


@dataclass(frozen=True)
class Minute:
    ended_s: float
    private_mb: float
    descriptors: int
    threads: int
    ticks: int
    latency: LatencyHistogram
    lost: int
    cpu: float
    waited: float

    def line(self, number: int) -> str:
        p50, p99 = (self.latency.percentile_ns(percent) or 0 for percent in (50, 99))
        return (
            f"{number:6d}  {self.private_mb:10.3f}  {self.descriptors:11d}  {self.threads:7d}"
            f"  {self.ticks / MINUTE_S:10,.0f}  {p50 / 1e3:6.0f}  {p99 / 1e3:6.0f}  {self.latency.max_ns / 1e6:7.1f}"
            f"  {self.lost:4d}  {self.cpu:3.0%}  {self.waited:6.0%}"
        )


@pytest.fixture(scope="module")
def sim():
    with launch(SimOptions(instruments=9000, rate=2, rate_limits=False)) as sim:
        yield sim


@pytest.fixture
def folder():
    """In memory: an hour's ticks through a ring on a disk would be the disk's figures."""
    folder = tempfile.mkdtemp(prefix="kite-long-", dir="/dev/shm")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def gateway(sim: SimProcess, folder: str):
    session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
    tokens = [row.instrument_token for row in parse_instruments(fetch_instruments(session))]
    assert len(tokens) == 9000
    spec = GatewaySpec(
        sim.ws_url,
        sim.api_key,
        dict.fromkeys(tokens, "full"),
        RING_SIZE,
        folder,
        access_token=Secret(sim.access_token),
        at_least=3,
    )
    return open_gateway(spec)  # closed by its feed


def test_an_hour_changes_nothing(sim: SimProcess, gateway: GatewayHandle):
    reader = attach(gateway.memory, batch=10_000, depth=True)
    with Feed(gateway, reader) as feed:
        assert gateway.pid is not None
        stall(reader, gateway.pid)
        print(f"\n{HEADINGS}", flush=True)
        minutes = []
        for number in range(1, round(SECONDS / MINUTE_S) + 1):
            minutes.append(one_minute(reader, gateway.pid))
            print(minutes[-1].line(number), flush=True)
        everything = (int(token) for token in sim.ledger()["tokens"])
        feed.unsubscribe(everything)
        read_for(reader, 2.0)  # what was on its way
        totals, figures = sim.ledger()["totals"], feed.figures()
        gaps = feed.gaps
    steady = minutes[max(1, len(minutes) // 5) :]
    first, last = minutes[: max(1, len(minutes) // 5)], minutes[-max(1, len(minutes) // 5) :]
    growth, error = growth_mb_per_h(steady)
    p99s = [np.median([minute.latency.percentile_ns(99) for minute in fifth]) / 1e3 for fifth in (first, last)]
    sent = totals["live"] + totals["snapshots"]
    print(
        f"{SECONDS:,.0f} s: sent {sent:,} ticks, read {reader.delivered:,}, lost {reader.lost}, outages {len(gaps)}; "
        f"growth after the first fifth {growth:+.3f} ± {error:.3f} MB/h over {len(steady)} minutes; "
        f"median minute's p99 {p99s[0]:.0f} us in the first fifth, {p99s[1]:.0f} us in the last"
    )
    assert figures.damaged == {}
    assert gaps == []
    assert reader.lost == 0
    assert sent == reader.delivered
    assert {minute.descriptors for minute in steady} == {steady[0].descriptors}
    assert {minute.threads for minute in steady} == {steady[0].threads}
    if SECONDS < SHORTEST_S or np.median([minute.waited for minute in steady]) > CROWDED:
        print("growth isn't judged: the run is too short, or the machine too busy")
    else:
        assert growth <= GROWTH_MB_PER_H
    assert p99s[1] <= SLOWER * p99s[0]


def stall(reader: RingReader, pid: int) -> None:
    """As long as may be without being taken for a silence of the exchange's."""
    read_for(reader, 5.0)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(STALL_S)
    finally:
        os.kill(pid, signal.SIGCONT)
    read_for(reader, 5.0)


def one_minute(reader: RingReader, pid: int) -> Minute:
    began_s, used_s, before = time.monotonic(), cpu_s(pid), reader.delivered
    waited_s = waiting_s(pid)
    latency = LatencyHistogram()
    while time.monotonic() < began_s + MINUTE_S:
        batch = reader.read(0.05)
        if batch is not None:
            latency.record(time.time_ns() - batch.ticks["ts_recv_ns"])
    return Minute(
        ended_s=time.monotonic(),
        private_mb=memory_kb(pid)[0] / 1024,
        descriptors=descriptors(pid),
        threads=threads(pid),
        ticks=reader.delivered - before,
        latency=latency,
        lost=reader.lost,
        cpu=(cpu_s(pid) - used_s) / (time.monotonic() - began_s),
        waited=(waiting_s(pid) - waited_s) / (time.monotonic() - began_s),
    )


def read_for(reader: RingReader, seconds: float) -> None:
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        reader.read(0.05)


def growth_mb_per_h(minutes: list[Minute]) -> tuple[float, float]:
    """The slope of the private memory by least squares, and its standard error."""
    hours = np.array([minute.ended_s for minute in minutes]) / 3600
    held = np.array([minute.private_mb for minute in minutes])
    if len(minutes) < 4:  # too few for an error
        return float(np.polyfit(hours, held, 1)[0]), float("inf")
    (slope, _), covariance = np.polyfit(hours - hours[0], held, 1, cov=True)
    return float(slope), float(np.sqrt(covariance[0, 0]))
