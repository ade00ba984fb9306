"""``kite replay``: what is refused, what its keys do, what --serve starts. tests/replay/test_process.py plays."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.clock import NS_PER_S
from kitecli.commands._replay import press
from kitecli.replay.pace import Pace
from tests.replay.made import made_day


@pytest.fixture
def store(tmp_path):
    made_day(tmp_path / "store" / "sim" / "2026-11-20").end().close()
    return tmp_path / "store"


def refused(*arguments):
    done = CliRunner().invoke(app, ["replay", *map(str, arguments), "--json"])
    return done.exit_code, json.loads(done.stderr.splitlines()[-1])


def test_a_day_that_isnt_there_names_those_that_are(store):
    code, error = refused("2026-11-18", "--store", store)
    assert (code, error["why"].partition(" there are ")[2]) == (6, "1, from 2026-11-20 to 2026-11-20")


def test_a_speed_without_end_is_refused(store):
    done = CliRunner().invoke(app, ["replay", "2026-11-20", "--store", str(store), "--speed", "inf"])
    assert (done.exit_code, "--speed" in done.stderr) == (2, True)


def test_a_name_that_isnt_in_the_recordings_master_is_refused(store):
    code, error = refused("2026-11-20", "NSE:INFI", "--store", store)
    assert (code, error["error"]) == (5, "unknown-instrument")
    assert "NSE:INFY" in error["hint"]


def test_another_version_is_refused(store):
    path = store / "sim" / "2026-11-20" / "0001.kseg"
    data = bytearray(path.read_bytes())
    data[8] = 9
    path.write_bytes(data)
    code, error = refused("newest", "--store", store)
    assert (code, error["why"]) == (6, "format version 9, this kite reads 1")


def test_options_that_mean_nothing_together(store):
    assert refused("newest", "--serve", "--wait", "--store", store)[0] == 2
    assert refused("newest", "--from", "11:00", "--to", "10:00", "--store", store)[0] == 2
    assert refused("newest", "--from", "tea", "--store", store)[0] == 2
    assert "Nothing was recorded" in refused("newest", "--from", "15:00", "--store", store)[1]["what"]
    done = CliRunner().invoke(app, ["feed", "--replay", "--sim"])
    assert (done.exit_code, "two markets" in done.stderr) == (2, True)


def test_keys():
    said = []
    tape = SimpleNamespace(pause=lambda: said.append("pause"), faster=said.append, at_ns=100 * 60 * NS_PER_S)
    tape.pace = Pace(1.0)
    gateway = SimpleNamespace(tape=tape, jump=lambda to_ns: said.append(to_ns // 60 // NS_PER_S), stop=said.append)
    press(gateway, "left")
    assert said == []  # it hasn't begun
    tape.pace.begin(0, 0)
    for key in (" ", "+", "=", "-", "left", "right", "down", "up", "x", "q"):
        press(gateway, key)
    assert said == ["pause", 1, 1, -1, 99, 101, 90, 110, "a key"]


def test_serving_is_a_simulated_exchange_of_the_recording(store):
    command = [sys.executable, "-m", "kitecli", "replay", "2026-11-20", "--serve", "--json", "--store", str(store)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        ready = json.loads(process.stdout.readline())
        assert (ready["instruments"], ready["source"]) == (3, str(store / "sim" / "2026-11-20"))
        process.send_signal(signal.SIGINT)
        assert "Sent 0 ticks" in process.communicate(timeout=20)[1]
    finally:
        process.kill()
        process.communicate()
