"""What a live feed had in memory, kept by a process that only watched, and what its replay has: the same bytes."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from kitecli.gateway.handle import join_gateway, open_gateway
from kitecli.gateway.spec import GatewaySpec, RecordPlan
from kitecli.hot import COMPILED
from kitecli.replay.facts import FeedFacts
from kitecli.replay.gateway import REPLAY_NAME, replay_spec
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from kitecli.sim.universe import build_universe
from kitecli.store.recording import Recording

INSTRUMENTS = 150
CHECKOUT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(not COMPILED, reason="a ring that others map needs the compiled pass")


@contextmanager
def dumping(folder, feed, out):
    """A process that keeps the memory of that feed below ``out``; at the end it has."""
    out.mkdir()
    command = [sys.executable, "-m", "tests.conformance.memory_dumper", str(folder), feed, str(out)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder


def record(run, store, seconds):
    """A feed of its own process, recorded from its first message on, with an outage in the middle."""
    with launch(SimOptions(instruments=INSTRUMENTS, rate=15, faults="version: 1", rate_limits=False)) as sim:
        spec = GatewaySpec(
            sim.ws_url,
            sim.api_key,
            {},
            1 << 16,
            str(run),
            access_token=Secret(sim.access_token),
            at_least=2,
            intervals=("100ms", "1s", "5s", "100t"),
            bar_capacity=1 << 14,
            record=RecordPlan(str(store)),
        )
        with dumping(run, spec.name, run.parent / "live") as dumper, open_gateway(spec) as handle:
            assert dumper.stdout.readline() == "mapped\n"
            tokens = [
                listing.instrument.instrument_token for listing in build_universe(date(2026, 11, 20), INSTRUMENTS)
            ]
            modes = {token: ("full", "quote", "full", "ltp")[number % 4] for number, token in enumerate(tokens)}
            handle.subscribe(modes)
            time.sleep(seconds / 2)
            sim.fault("rst")
            handle.unsubscribe(list(modes)[:20])
            time.sleep(seconds / 2)
            return handle.status()


@pytest.fixture
def recorded(run, tmp_path):
    status = record(run, tmp_path / "store", 3)
    (day,) = (path for path in (tmp_path / "store").iterdir() if path.is_dir())
    return day, status


def test_ring_board_and_bars_of_the_replay_are_those_of_the_feed(recorded, run, tmp_path, monkeypatch):
    day, status = recorded
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(run))
    command = [sys.executable, "-m", "kitecli", "replay", str(day), "--speed", "0"]
    with dumping(run, REPLAY_NAME, tmp_path / "replay") as dumper:
        replay = subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True)
        try:
            assert dumper.stdout.readline() == "mapped\n"
            with Recording.open(day) as recording:
                spec = replay_spec(recording, FeedFacts.of(recording), str(run))
            with join_gateway(spec, "test") as handle:
                handle.subscribe({408065: "full"})  # its first reader
                while handle.status()["replay"]["state"] != "ended":
                    time.sleep(0.02)
                replayed = handle.status()
            said = replay.communicate(timeout=30)[1]
        finally:
            replay.kill()
            replay.communicate()
    assert "to its end" in said
    for part in ("ring", "bars"):
        assert (tmp_path / "live" / part).read_bytes() == (tmp_path / "replay" / part).read_bytes()
    assert replayed["counters"]["ticks"] >= status["counters"]["ticks"] > 2_000
    assert replayed["gaps"]["total"] == status["gaps"]["total"] >= 1
    live, again = ([{**gap, "number": 0} for gap in one["gaps"]["newest"]] for one in (status, replayed))
    assert again[: len(live)] == live
    assert replayed["bars"]["counters"]["bars"] > 500
    print(f"{replayed['counters']['ticks']:,} ticks, {replayed['bars']['counters']} of bars: 0 bytes differ")
