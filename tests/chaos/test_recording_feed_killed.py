"""kill -9 of a feed that records and has it sealed, under a client that keeps what it said was acknowledged."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kitecli.broker.rest import BrokerSession
from kitecli.catalogue import todays_book
from kitecli.errors import KiteError
from kitecli.gateway.handle import GatewayHandle, join_gateway
from kitecli.gateway.spec import GatewaySpec, RecordPlan
from kitecli.hot import COMPILED
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from kitecli.store.folder import PACKED_SUFFIX, day_folders, segment_paths
from kitecli.store.recording import Recording

pytestmark = pytest.mark.skipif(not COMPILED, reason="a feed in a process of its own needs the compiled pass")


CHECKOUT = Path(__file__).resolve().parent.parent.parent
SEALS = 5
"""Every so many kills, the feed lives until all that was recorded before it is sealed."""


def one_kill(spec: GatewaySpec, tokens: list[int], seconds: float, *, seals: bool) -> tuple[int, float]:
    """Record for a while and kill the feed; returns what was acknowledged, and how long the start took."""
    began_s, acknowledged = time.monotonic(), 0
    with feed_of(spec) as handle:
        handle.subscribe(dict.fromkeys(tokens, "full"))
        due = len(files(spec)) - 1 if seals else 0
        taken_s, first_s = time.monotonic() + seconds, 0.0
        while time.monotonic() < taken_s or not first_s or sealed(spec) < due:
            said = handle.stats()["recording"]
            if isinstance(said, dict) and "acknowledged" in said:
                first_s = first_s or time.monotonic() - began_s
                acknowledged = said["acknowledged"]["process"]
    return acknowledged, first_s


def files(spec: GatewaySpec) -> list[Path]:
    """The store's segments, of one day."""
    return [path for day in day_folders(Path(spec.record.store)) for path in segment_paths(day)]


def sealed(spec: GatewaySpec) -> int:
    return sum(path.suffix == PACKED_SUFFIX for path in files(spec))


@contextmanager
def feed_of(spec: GatewaySpec) -> Iterator[GatewayHandle]:
    """A feed of tests/chaos/recording_feed.py, joined, and killed at the end."""
    command = [sys.executable, "-m", "tests.chaos.recording_feed"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=CHECKOUT, start_new_session=True, **pipes) as process:
        try:
            process.stdin.write(spec.to_line().encode() + b"\n")
            process.stdin.flush()
            assert b"ready" in process.stdout.readline()
            handle = join_gateway(spec, "the test")
            assert handle is not None
            yield handle
        finally:
            process.kill()
    with suppress(KiteError):  # it is dead
        handle.close()


def killed(folder: Path, kills: int, seed: int) -> None:
    dice, store, run = random.Random(seed), folder / "store", folder / "run"
    run.mkdir(mode=0o700)
    torn = records = lost = 0
    with launch(SimOptions(instruments=300, rate=25, rate_limits=False)) as sim:
        session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
        tokens = [row.instrument_token for row in todays_book(session)]
        spec = GatewaySpec(
            ws_root=sim.ws_url,
            api_key=sim.api_key,
            access_token=Secret(sim.access_token),
            modes={},
            ring_size=1 << 12,
            folder=str(run),
            daemon=True,  # it doesn't give an exchange up that a busy machine keeps from answering
            record=RecordPlan(str(store), seal=True),
        )
        starts = []
        for number in range(kills):
            acknowledged, first_s = one_kill(spec, tokens, dice.uniform(0.0, 0.3), seals=number % SEALS == SEALS - 1)
            starts.append(first_s)
            (day,) = store.glob("20*")
            with Recording.open(day) as recording:
                found = [each.number for each in recording.records()]
            assert found == list(range(len(found))), "each once"
            assert len(found) >= records, "what was there stays"
            lost += max(0, acknowledged - len(found))
            torn += len(found) > acknowledged
            records = len(found)
    print(
        f"{kills} kills, {records:,} records, {lost} acknowledged ones lost, {torn} with more than was acknowledged; "
        f"{sealed(spec)} of {len(files(spec))} files sealed; start to recording {max(starts):.2f} s at most"
    )
    assert lost == 0
    assert records > kills  # kills that hit nothing would prove nothing
    assert sealed(spec) > kills // 2


def test_what_a_feed_acknowledged_survives_its_being_killed(tmp_path: Path):
    killed(tmp_path, 10, 1)


@pytest.mark.soak
def test_two_hundred_kills_of_a_feed(tmp_path: Path):
    killed(tmp_path, 200, 2)
