"""06:00 IST under real processes: ``kite record``, its feed and its exchange live on into the next trading day.

Their wall clock is a test's (world_clock.py); all else is as it is shipped. Each message counts up a number of its
instrument's, so that a missing one shows whoever lost it; only where the broker cut the connection may one be missing.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from kitecli.archive.outages import outages
from kitecli.clock import IST
from kitecli.gateway.handle import GatewayHandle, join_gateway
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions
from kitecli.store.layout import FRAME, STREAMING
from kitecli.store.payloads import decode_subscribed
from kitecli.store.recording import Recording
from tests.auth.exchanges import free_port, variables_of
from tests.chaos.counted import counted, full_frames, leaps
from tests.chaos.world_clock import WorldClock

pytestmark = pytest.mark.skipif(not COMPILED, reason="a feed in a process of its own needs the compiled pass")

PATIENCE_S = 60.0
FIRST = date(2026, 11, 24)
INSTRUMENTS, RATE = 100, 20
STREAMS_S = 0.5
Run = Callable[..., CompletedProcess[str]]


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "it didn't come about"
        time.sleep(0.05)


def before_six(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 5, 59, 58, tzinfo=IST)


@contextmanager
def recorded(env: dict[str, str], store: Path) -> Iterator[None]:
    """``kite record`` of all there is, from its first word to Ctrl-C."""
    command = [sys.executable, "-m", "kitecli", "record", "--universe", "*:*", "--mode", "full", "--store", str(store)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **env})
    try:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any(f"Recording {INSTRUMENTS} instruments" in line for line in lines)
        yield
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=PATIENCE_S)[1]
        assert "All of it is on disk" in said, said
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


class Roll:
    """One exchange, its user's environment, and a hold on the feed that records it."""

    def __init__(self, sim: SimProcess, world: WorldClock, store: Path, kite: Callable[..., str]) -> None:
        self._sim, self._world, self._store, self._kite = sim, world, store, kite

    def over(self, day: date, feed: GatewayHandle) -> None:
        """Stream into ``day``; there the broker ends the session, and a new login brings the feed back."""
        assert not (self._store / day.isoformat()).exists()
        self._world.set(before_six(day))
        until(lambda: recording(feed).get("day") == day.isoformat() and recording(feed)["bytes"] > 0)
        time.sleep(STREAMS_S)
        self._sim.renew_token()
        assert self._sim.fault("rst")
        until(lambda: state(feed) == "auth")
        self._kite("auth", "login", "--totp")
        until(lambda: state(feed) == "live")
        time.sleep(STREAMS_S)


def recording(feed: GatewayHandle) -> dict:
    found = feed.stats()["recording"]
    return found if isinstance(found, dict) else {}


def state(feed: GatewayHandle) -> str:
    connections = feed.status()["connections"]
    assert isinstance(connections, list)
    return connections[0]["state"]


def rolled(run_kite: Run, folder: Path, days: int) -> dict[str, int]:
    """Record over so many mornings; returns what was found in the days' folders."""
    world, store = WorldClock(folder / "world"), folder / "store"
    world.set(before_six(FIRST) - timedelta(hours=10))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.variables.items():
            patch.setenv(name, value)
        with launch(exchange()) as sim:
            env = variables_of(sim, folder)

            def kite(*arguments: str) -> str:
                done = run_kite(*arguments, env=env)
                assert done.returncode == 0, done.stderr
                return done.stdout

            kite("auth", "login", "--totp")
            try:
                with recorded(env, store), joined(sim, env) as feed:
                    roll = Roll(sim, world, store, kite)
                    for number in range(days):
                        roll.over(FIRST + timedelta(number), feed)
                    until(lambda: all(map(is_packed, sorted(store.glob("20*"))[:-1])))
            finally:
                run_kite("stop", "--all", env=env)
            told = json.loads(kite("data", "gaps", FIRST.isoformat(), "--store", str(store), "--json"))
    assert len([gap for gap in told if gap["to_ns"]]) == 1, told
    return judged(store, days)


def exchange() -> SimOptions:
    return SimOptions(
        source="load",
        instruments=INSTRUMENTS,
        rate=RATE,
        rate_limits=False,
        faults="version: 1",
        redirect_url=f"http://127.0.0.1:{free_port()}/kite",
    )


def joined(sim: SimProcess, env: dict[str, str]) -> GatewayHandle:
    feed = join_gateway(GatewaySpec(sim.ws_url, sim.api_key, {}, 1 << 12, env["KITE_RUNTIME_DIR"]), "the test")
    assert feed is not None
    return feed


def is_packed(day: Path) -> bool:
    """Whether nothing of a day's recording is left as it was written."""
    return bool(list(day.glob("*.kpak"))) and not list(day.glob("*.kseg"))


def judged(store: Path, days: int) -> dict[str, int]:
    """Each day's folder is whole, and over all of them each instrument's numbers go on but where a cut explains it."""
    frames, cuts, segments = [], [], 0
    folders = sorted(store.glob("20*"))
    assert [folder.name for folder in folders] == [(FIRST + timedelta(n)).isoformat() for n in range(-1, days)]
    for number, folder in enumerate(folders):
        with Recording.open(folder) as day:
            segments += complete(day, first=not number)
            frames += full_frames(day)
            cuts += [gap for gap in outages(day.gaps()) if gap.to_ns is not None]
    assert len({bytes(frame.payload) for frame in frames}) == len(frames)  # each holds the nanosecond it was sent
    assert len(cuts) == days
    found = counted(frames)
    assert np.unique(found["token"]).size == INSTRUMENTS
    for leap in leaps(found):
        assert any(leap["from_ns"] <= gap.to_ns and gap.from_ns <= leap["to_ns"] for gap in cuts), leap
    return {"days": len(folders), "segments": segments, "messages": len(frames), "packets": found.size}


def complete(day: Recording, *, first: bool) -> int:
    """The day's folder can be read alone: its instruments, what streams, and the feed's facts; returns its segments."""
    masters = {
        hashlib.sha256(gzip.decompress(path.read_bytes())).digest() for path in day.folder.glob("master-*.csv.gz")
    }
    heads = [segment.header for segment in day.segments()]
    assert {head.master for head in heads} <= masters
    assert all(head.day == day.day and head.about["feed"] for head in heads)
    opening = []
    for record in day.records():
        if record.kind == FRAME and len(record.payload) > 1:
            break
        opening.append(record)
    if not first:  # on the first day they are asked for, which may be heard after the first ticks
        streams = [decode_subscribed(record.payload) for record in opening if record.kind == STREAMING]
        assert [len(modes) for modes in streams] == [INSTRUMENTS]
    return len(heads)


@pytest.mark.soak
def test_a_recording_lives_through_the_mornings(run_kite: Run, tmp_path: Path):
    began_s = time.monotonic()
    found = rolled(run_kite, tmp_path, 10)
    print(f"{found['days'] - 1} mornings in {time.monotonic() - began_s:.0f} s: {found}; nothing lost but by the cuts")
