"""kill -9 of a feed that records, under a client that keeps what the feed said was acknowledged."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from kitecli.broker.rest import BrokerSession
from kitecli.catalogue import todays_book
from kitecli.errors import KiteError
from kitecli.gateway.handle import open_gateway
from kitecli.gateway.spec import GatewaySpec, RecordPlan
from kitecli.hot import COMPILED
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from kitecli.store.layout import FRAME
from tests.store.independent_reader import read_day

pytestmark = pytest.mark.skipif(not COMPILED, reason="a feed in a process of its own needs the compiled pass")


def one_kill(spec: GatewaySpec, tokens: list[int], seconds: float) -> tuple[int, float]:
    """Record for a while and kill the feed; returns what was acknowledged, and how long the start took."""
    began_s, acknowledged = time.monotonic(), 0
    handle = open_gateway(spec)
    try:
        handle.subscribe(dict.fromkeys(tokens, "full"))
        taken_s, first_s = time.monotonic() + seconds, 0.0
        while time.monotonic() < taken_s or not first_s:
            said = handle.stats()["recording"]
            if isinstance(said, dict) and "acknowledged" in said:
                first_s = first_s or time.monotonic() - began_s
                acknowledged = said["acknowledged"]["process"]
        assert handle.pid is not None
        os.kill(handle.pid, signal.SIGKILL)
        return acknowledged, first_s
    finally:
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
            record=RecordPlan(str(store)),
        )
        starts = []
        for _ in range(kills):
            acknowledged, first_s = one_kill(spec, tokens, dice.uniform(0.0, 0.3))
            starts.append(first_s)
            (day,) = store.glob("20*")
            found = list(read_day(day))
            assert [record.number for record in found] == list(range(len(found)))
            assert all(record.kind != FRAME or record.payload for record in found)
            assert len(found) >= records, "what was there stays"
            lost += max(0, acknowledged - len(found))
            torn += len(found) > acknowledged
            records = len(found)
    print(
        f"{kills} kills, {records:,} records, {lost} acknowledged ones lost, {torn} with more than was acknowledged; "
        f"start to recording {max(starts):.2f} s at most"
    )
    assert lost == 0
    assert records > kills  # kills that hit nothing would prove nothing


def test_what_a_feed_acknowledged_survives_its_being_killed(tmp_path: Path):
    killed(tmp_path, 10, 1)


@pytest.mark.soak
def test_two_hundred_kills_of_a_feed(tmp_path: Path):
    killed(tmp_path, 200, 2)
