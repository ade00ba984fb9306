"""What recording costs a feed of 9,000 instruments in full mode, in turns with not recording, in one process.

CPU is the feed process's own, all its threads. The receive loop is asked by its control socket, which it serves itself:
what held it up, as a sync on the socket's path would, would hold up the answers.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import pytest

from kitecli.broker.rest import BrokerSession
from kitecli.catalogue import todays_book
from kitecli.gateway.handle import GatewayHandle, open_gateway
from kitecli.gateway.spec import GatewaySpec, RecordPlan
from kitecli.hot import COMPILED
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not COMPILED or not Path("/proc/self/stat").exists(), reason="needs /proc and the compiled pass"
    ),
]

ROUNDS = int(os.environ.get("KITE_SOAK_ROUNDS", "12"))
ROUND_S = 2.0
PAUSE_S = 0.004


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def window(handle: GatewayHandle) -> tuple[float, float, list[float]]:
    """The feed's share of a core, its ticks a second, and how long each answer took in milliseconds."""
    assert handle.pid is not None
    began_s, cpu, ticks, answers = time.monotonic(), cpu_s(handle.pid), produced(handle), []
    while time.monotonic() < began_s + ROUND_S:
        asked_s = time.monotonic()
        handle.gaps()
        answers.append(1e3 * (time.monotonic() - asked_s))
        time.sleep(PAUSE_S)
    passed_s = time.monotonic() - began_s
    return (cpu_s(handle.pid) - cpu) / passed_s, (produced(handle) - ticks) / passed_s, answers


def produced(handle: GatewayHandle) -> int:
    ring = handle.stats()["ring"]
    assert isinstance(ring, dict)
    return int(ring["produced"])


def hear(handle: GatewayHandle, state: str) -> None:
    while (event := handle.events.get(timeout=20)).kind != "recording" or event.state != state:
        pass


def test_recording_costs_a_tenth_of_a_core_and_holds_nothing_up(tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    shares: dict[bool, list[float]] = {False: [], True: []}
    answers: dict[bool, list[float]] = {False: [], True: []}
    rates: list[float] = []
    with launch(SimOptions(instruments=9_000, rate=2, rate_limits=False)) as sim:
        session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
        tokens = [row.instrument_token for row in todays_book(session)][:9_000]
        plan = RecordPlan(str(tmp_path / "store"), flush_s=0.2)
        token = Secret(sim.access_token)
        intervals = ("100ms", "1m", "15m", "day")
        spec = GatewaySpec(sim.ws_url, sim.api_key, {}, 1 << 20, str(run), token, intervals=intervals)
        with open_gateway(spec) as handle:
            handle.subscribe(dict.fromkeys(tokens, "full"))
            time.sleep(3.0)  # the cached packets of all of them are through
            for _ in range(ROUNDS):
                for recorded in (False, True):
                    if recorded:
                        handle.record(plan)
                        hear(handle, "on")
                    share, rate, took = window(handle)
                    shares[recorded].append(share)
                    answers[recorded] += took
                    rates.append(rate)
                    if recorded:
                        said = handle.stats()["recording"]
                        assert isinstance(said, dict)
                        assert said["unrecorded"] == 0
                        handle.unrecord()
                        hear(handle, "off")
    bare, recording = (statistics.median(shares[kind]) for kind in (False, True))
    tails = {kind: statistics.quantiles(answers[kind], n=100) for kind in (False, True)}
    print(
        f"\n{ROUNDS} rounds of {ROUND_S:g} s each way, {statistics.median(rates):,.0f} full ticks/s: "
        f"{bare:.1%} of a core without recording, {recording:.1%} with it, {recording - bare:.1%} more; "
        f"answers of the loop p50 {tails[False][49]:.2f} and {tails[True][49]:.2f} ms, "
        f"p99 {tails[False][98]:.2f} and {tails[True][98]:.2f} ms, of {len(answers[True]):,} each"
    )
    assert statistics.median(rates) > 5_000, "the exchange fell behind, and the figures are of another load"
