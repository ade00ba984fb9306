"""``kite sim``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kitecli.cli import app


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kitecli", "sim", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_json_is_one_line_and_ctrl_c_leaves_with_a_summary(how: signal.Signals, tmp_path):
    process = start("--json", "--instruments", "5", "--ledger", str(tmp_path / "ledger.json"))
    ready = json.loads(process.stdout.readline())
    with urllib.request.urlopen(ready["api_url"] + "/instruments") as answer:
        assert len(answer.read().splitlines()) == 6
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "Sent 0 ticks" in err
    assert json.loads((tmp_path / "ledger.json").read_text())["totals"]["live"] == 0


def test_people_get_urls_and_credentials():
    process = start("--instruments", "5")
    lines = dict(process.stdout.readline().rstrip("\n").split("\t") for _ in range(5))
    assert set(lines) == {"websocket", "rest", "api_key", "access_token", "api_secret"}
    assert lines["websocket"].startswith("ws://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "5 instruments from synthetic" in err


def test_faults_are_counted_at_the_end_and_logged(tmp_path):
    log = tmp_path / "faults.ndjson"
    script = tmp_path / "day.yaml"
    script.write_text("version: 1\ntls: good\nrules:\n  - {at: 0, do: cut_handshake, where: both}\n")
    process = start("--instruments", "5", "--faults", str(script), "--fault-log", str(log))
    lines: dict[str, str] = {}
    while "ca_file" not in lines:
        lines |= [process.stdout.readline().rstrip("\n").split("\t")]
    assert lines["websocket"].startswith("wss://127.0.0.1:")
    assert Path(lines["ca_file"]).read_text().startswith("-----BEGIN CERTIFICATE")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "Faults done: 2 cut_handshake." in err
    assert [json.loads(line)["kind"] for line in log.read_text().splitlines()] == ["cut_handshake"] * 2
    assert not Path(lines["ca_file"]).exists()


def test_in_this_process_too():
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    result = CliRunner().invoke(app, ["sim", "--json", "--instruments", "3"])
    timer.join()
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["instruments"] == 3
    assert "withheld 0" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--source", "nothing.csv"], 6, "no file"),
        (["--rate", "99"], 2, "rate"),
        (["--packets-per-frame", "0"], 2, "packets"),
        (["--ledger", "no-such-folder/ledger.json"], 2, "no-such-folder"),
        (["--start", "10:15"], 2, "no recorded times"),
        (["--faults", "no-such.yaml"], 2, "no-such.yaml"),
        (["--faults", "version: 1\nrules:\n  - do: rst"], 3, "the script:3: a rule doesn't say when"),
    ],
)
def test_what_does_not_fit_is_said(arguments: list[str], code: int, says: str):
    result = CliRunner().invoke(app, ["sim", *arguments])
    assert result.exit_code == code
    assert says in result.stderr


def test_help_has_examples():
    result = CliRunner().invoke(app, ["sim", "--help"])
    assert "kite sim --instruments 9000 --rate 2" in result.stdout
    assert "kite sim --faults bad-day" in result.stdout
