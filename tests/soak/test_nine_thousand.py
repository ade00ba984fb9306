"""The account's limit for a minute: 9,000 instruments in full mode on three sockets, four more readers on the ring.

What the exchange's ledger says it sent, per instrument, is what was read: 0 lost, or the test fails and says where.
Run it with ``make soak ARGS=-s`` to see the figures it prints.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kitecli.broker.rest import BrokerSession, fetch_instruments
from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED
from kitecli.market.instruments import parse_instruments
from kitecli.ring.location import runtime_dir
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from tests.soak.measured import cpu_s, memory_kb

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not COMPILED, reason="needs the compiled pass"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc for CPU and memory"),
]

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
READERS = 4
RING_SIZE = 1 << 20

READER = """
import json, sys
from pathlib import Path
from kitecli.gateway.handle import attach
from kitecli.ring.memory import RingMemory

reader = attach(RingMemory.attach(Path(sys.argv[1])), batch=10_000, depth=True, from_oldest=True)
started = reader.position
while not (reader.view.closed() and reader.lag() == 0):
    reader.read(0.05)
produced = reader.view.cursor() - started
print(json.dumps({"started": started, "delivered": reader.delivered, "lost": reader.lost, "produced": produced}))
"""


@pytest.mark.parametrize("packets_per_frame", [1, 50])
def test_nine_thousand_full_for_a_minute(packets_per_frame, tmp_path, monkeypatch):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(Path("/dev/shm") / f"kite-soak-{os.getpid()}"))
    options = SimOptions(instruments=9000, rate=2, packets_per_frame=packets_per_frame, rate_limits=False)
    with launch(options) as sim:
        session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
        tokens = [row.instrument_token for row in parse_instruments(fetch_instruments(session))]
        assert len(tokens) == 9000
        spec = GatewaySpec(
            sim.ws_url,
            sim.api_key,
            dict.fromkeys(tokens, "full"),
            RING_SIZE,
            str(runtime_dir()),
            access_token=Secret(sim.access_token),
            at_least=3,
        )
        gateway = open_gateway(spec)
        ring = str(gateway.memory.path)
        readers = [
            subprocess.Popen([sys.executable, "-c", READER, ring], stdout=subprocess.PIPE, text=True)
            for _ in range(READERS)
        ]
        reader = attach(gateway.memory, batch=10_000, depth=True)
        with Feed(gateway, reader, lambda _: None) as feed:
            counts, began, used = Counter(), time.monotonic(), cpu_s(gateway.pid)
            memory_early = None
            for batch in feed.batches(SECONDS):
                if batch is not None:
                    found, times = np.unique(batch.ticks["token"], return_counts=True)
                    counts.update(dict(zip(found.tolist(), times.tolist(), strict=True)))
                if memory_early is None and time.monotonic() - began > SECONDS / 3:
                    memory_early = memory_kb(gateway.pid)
            cpu_share = (cpu_s(gateway.pid) - used) / (time.monotonic() - began)
            private_kb, ring_kb = memory_kb(gateway.pid)
            gateway.unsubscribe(tokens)
            for batch in feed.batches(2.0):
                if batch is not None:
                    counts.update(batch.ticks["token"].tolist())
            ledger, figures = sim.ledger(), feed.figures()
        others = [json.loads(process.communicate(timeout=30)[0]) for process in readers]
    sent = Counter({int(token): sum(both) for token, both in ledger["tokens"].items()})
    print(
        f"\n{packets_per_frame} packets/frame: sent {sent.total():,} ticks in {ledger['totals']['frames']:,} frames "
        f"({sent.total() / SECONDS:,.0f}/s), withheld {ledger['totals']['withheld']:,}; read {counts.total():,}; "
        f"lost {figures.lost}; feed process {cpu_share:.1%} of a core, private {private_kb / 1024:.1f} MB "
        f"(a third in: {memory_early[0] / 1024:.1f}), ring {ring_kb / 1024:.1f} MB; "
        f"receive-to-reader p50 {figures.latency_ns_p50 / 1e3:.0f} us, p99 {figures.latency_ns_p99 / 1e3:.0f} us"
    )
    print("other readers:", others)
    assert figures.lost == 0
    assert figures.damaged == {}
    assert counts == sent
    assert len(sent) == 9000
    for other in others:
        assert other["delivered"] + other["lost"] == other["produced"]
        assert other["started"] + other["produced"] == sent.total()
