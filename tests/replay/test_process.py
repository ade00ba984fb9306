"""``kite replay`` as a process, and readers that attach to it as to a live feed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from kitecli.hot import COMPILED
from tests.replay.made import made_day

pytestmark = pytest.mark.skipif(not COMPILED, reason="a ring that others map needs the compiled pass")


@pytest.fixture
def day(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(run))
    folder = tmp_path / "sim" / "2026-11-20"
    made_day(folder).end().close()
    return folder


@contextmanager
def replaying(*arguments):
    """A replay that waits for its reader."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kitecli", "replay", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "waits for a reader" in process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_of(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_kite_feed_reads_it_to_its_end(day, run_kite):
    with replaying(day, "--speed", 0, "--json") as replay:
        ticks = lines_of(run_kite("feed", "--replay", "NSE:TCS", "--json", env={**os.environ, "KITE_PROFILE": ""}))
        said = json.loads(replay.communicate(timeout=20)[0])
    assert [tick["last_price"] for tick in ticks] == [(100_000 + s) / 100 for s in range(90) if not 20 <= s < 25]
    assert {tick["instrument"] for tick in ticks} == {"NSE:TCS"}
    assert [tick["snapshot"] for tick in ticks[:2]] == [True, False]
    assert (said["state"], said["ticks"], said["frames"], said["outages"]) == ("ended", 255, 85, 1)
    assert replay.returncode == 0


def test_kite_bars_and_a_program_with_the_variable_read_it_too(day, run_kite):
    environment = {**os.environ, "KITE_REPLAY": "1"}
    with replaying(day, "--speed", 0, "--stay"):
        bars = lines_of(run_kite("bars", "INFY", "--replay", "--interval", "1m", "--json"))
        ours = "from kitecli import open_feed\nwith open_feed(['NSE:INFY']) as feed: print(feed.gateway_pid, feed.up)"
        program = subprocess.run(
            [sys.executable, "-c", ours], check=False, env=environment, capture_output=True, text=True, timeout=60
        )
        status = run_kite("status", env=environment)
    assert [(bar["open"], bar["close"], bar["instrument"]) for bar in bars][:1] == [(1000.01, 1000.59, "NSE:INFY")]
    assert program.stdout.strip().endswith("True"), program.stderr
    assert "replay 2026-11-20" in status.stdout
    assert "2026-11-20 10:01:29 IST, full speed, ended" in status.stdout


def test_there_is_one_at_a_time_and_ctrl_c_ends_it(day, run_kite):
    with replaying(day) as replay:
        second = run_kite("replay", str(day))
        assert second.returncode == 5
        assert "A replay runs already" in second.stderr
        replay.send_signal(signal.SIGINT)
        assert "not to its end" in replay.communicate(timeout=20)[1]
        assert replay.returncode == 0
    none = run_kite("feed", "--replay")
    assert none.returncode == 5
    assert "No replay is running" in none.stderr
