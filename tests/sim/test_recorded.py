"""A recording played by the simulated exchange: each packet once, at its time, by the broker's protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kitecli.clock import NS_PER_S
from kitecli.errors import DataError, UsageError
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.spec import GatewaySpec
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from kitecli.sim.recorded import RecordedSource
from kitecli.sim.server import build_source
from kitecli.store.recording import Recording
from tests.replay.made import TEN_S, TOKENS, made_day

SCRIPT = Path(__file__).with_name("stock_client.py")
SECONDS = [second for second in range(90) if not 20 <= second < 25]


@pytest.fixture
def day(tmp_path):
    folder = tmp_path / "2026-11-20"
    made_day(folder).end().close()
    return folder


@pytest.fixture
def source_of(day):
    """``source_of(speed=…)``: a source of the day, closed at the end."""
    made = []

    def make(**how):
        made.append(RecordedSource(day, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


def sent_by(source, seconds):
    return (source.advance(round(seconds * NS_PER_S)).ticks["last_price"] - 100_000).tolist()


def test_packets_come_when_they_were_recorded(source_of):
    source = source_of()
    source.begin(0)
    assert sent_by(source, 0) == [0, 0, 0]
    assert source.next_ns() == NS_PER_S
    assert sent_by(source, 0.99) == []
    assert sent_by(source, 2) == [1, 1, 1, 2, 2, 2]
    assert sent_by(source, 24.9)[-1] == 19
    assert not source.ended
    assert sent_by(source, 200)[-1] == 89
    assert source.ended
    assert source.next_ns() > 10**18
    assert sent_by(source, 300) == []


def test_speed_and_start(source_of):
    source = source_of(speed=10, start="10:01:20")
    source.begin(5 * NS_PER_S)
    assert sent_by(source, 5.1) == [80, 80, 80, 81, 81, 81]
    source = source_of(speed=0)
    source.begin(0)
    assert sent_by(source, 0) == [second for second in SECONDS for _ in TOKENS]


def test_what_was_sent_last_is_what_a_new_subscription_gets(source_of):
    source = source_of()
    source.begin(0)
    slots = np.arange(3)
    assert source.cached(slots).slots.size == 0
    sent_by(source, 3)
    cached = source.cached(slots)
    assert cached.ticks["last_price"].tolist() == [100_003] * 3
    assert cached.depth["buy"]["price"][:, 0].tolist() == [99_003] * 3


def test_candles_are_made_of_all_its_rows(source_of):
    source = source_of()
    rows = source.rows_of(0)
    assert rows["ts_event_s"].tolist() == [TEN_S + second for second in SECONDS]
    assert source.instruments[0].key == "NSE:INFY"


def test_what_isnt_there_is_said(day, tmp_path):
    with pytest.raises(DataError, match="no recording in"):
        RecordedSource(tmp_path)
    with pytest.raises(UsageError, match="from 11:00:00 on"):
        RecordedSource(day, start="11:00")
    with pytest.raises(UsageError, match="'tea' is no time"):
        RecordedSource(day, start="tea")


def test_our_feed_gets_the_recorded_packets(day):
    with launch(SimOptions(source=str(day), speed=0)) as sim:
        spec = GatewaySpec(sim.ws_url, sim.api_key, {}, 1 << 12, None, access_token=Secret(sim.access_token))
        with open_gateway(spec) as handle:
            reader = attach(handle.memory, batch=1 << 12, depth=True)
            handle.subscribe(dict.fromkeys(TOKENS.values(), "full"))
            got, depth, deadline_s = [], [], time.monotonic() + 20
            while sum(map(len, got)) < 255 and time.monotonic() < deadline_s:
                if (batch := reader.read(0.05)) is not None:
                    got.append(batch.ticks.copy())
                    depth.append(batch.depth.copy())
            reader.close()
    with Recording.open(day) as recording:
        (recorded,) = recording.ticks(depth=True)
    ticks = np.concatenate(got)
    for name in ("token", "last_price", "volume", "ts_event_s", "mode"):
        assert ticks[name].tolist() == recorded.ticks[name].tolist(), name
    assert b"".join(part.tobytes() for part in depth) == recorded.depth.tobytes()


def test_the_official_client_sees_the_recorded_day(day):
    with launch(SimOptions(source=str(day), speed=0)) as sim:
        asked = {
            "scenario": "ticks",
            "ws_url": sim.ws_url,
            "api_url": sim.api_url,
            "api_key": sim.api_key,
            "access_token": sim.access_token,
            "modes": {"full": list(TOKENS.values())},
            "count": 255,
        }
        done = subprocess.run(
            [sys.executable, str(SCRIPT)],
            check=False,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"TZ": "Asia/Kolkata"},
        )
    assert done.returncode == 0, done.stderr
    ticks = json.loads(done.stdout)
    infy = [tick for tick in ticks if tick["instrument_token"] == TOKENS["INFY"]]
    assert [tick["last_price"] for tick in infy] == [(100_000 + second) / 100 for second in SECONDS]
    assert [tick["depth"]["buy"][0]["price"] for tick in infy] == [(99_000 + second) / 100 for second in SECONDS]
    assert [tick["exchange_timestamp"] for tick in infy] == [TEN_S + second for second in SECONDS]


def test_a_span_of_some(day, source_of):
    source = source_of(start="10:00:01", to="10:00:03", symbols=["NSE:TCS"], speed=0)
    source.begin(0)
    assert [one.tradingsymbol for one in source.instruments] == ["TCS"]
    sent = source.advance(10**12).ticks
    assert set(sent["token"].tolist()) == {TOKENS["TCS"]}
    assert {stamp // NS_PER_S - TEN_S for stamp in sent["ts_recv_ns"].tolist()} == {1, 2}
    assert source.ended
    with pytest.raises(UsageError, match="of these instruments from 10:00:01"):
        RecordedSource(day, start="10:00:01.2", to="10:00:01.5", symbols=["NSE:INFY"])


def test_one_file_is_a_source_too(day):
    source = build_source(SimOptions(source=str(day / "0001.kseg"), symbols=("NSE:TCS",), to="10:00:30"), 0)
    try:
        assert isinstance(source, RecordedSource)
        assert [one.tradingsymbol for one in source.instruments] == ["TCS"]
    finally:
        source.close()
