"""``kite data show``."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kitecli.cli import app
from tests.archive.stores import START_NS, STEP_NS, USDINR, flip, record_day

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    record_day(folder)
    return folder


@pytest.fixture
def show(store: Path) -> Run:
    return lambda *words: CliRunner().invoke(app, ["data", "show", "2026-11-20", "--store", str(store), *words])


def test_a_span_of_some_instruments(show: Run):
    done = show("NSE:INFY", "--from", "09:15:01", "--to", "09:15:01.3")
    assert done.exit_code == 0, done.stderr
    cells = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(row[0], row[1], row[2]) for row in cells] == [
        (f"09:15:01.{number}00000", "NSE:INFY", f"1,500.1{number}") for number in range(3)
    ]


def test_ndjson_is_kite_feeds(show: Run):
    lines = [json.loads(line) for line in show("--json").stdout.splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1400))
    assert [line["instrument"] for line in lines[:3]] == ["NSE:INFY", "NSE:NIFTY 50", "CDS:USDINR26NOVFUT"]
    assert lines[0]["depth"]["buy"][1] == {"quantity": 100, "price": 1499.9, "orders": 3}
    assert lines[-1]["ts_recv_ns"] == START_NS + 599 * STEP_NS


def test_a_limit_is_said(show: Run):
    done = show("--limit", "5", str(USDINR))
    assert len(done.stdout.splitlines()) == 5
    assert "the first 5 ticks" in done.stderr
    assert show("--limit", "600", "INFY").stderr == ""


def test_without_a_master_tokens_work(tmp_path: Path):
    record_day(tmp_path, messages=4, master_csv=b"")
    words = ["data", "show", str(tmp_path / "2026-11-20")]
    assert CliRunner().invoke(app, [*words, str(USDINR)]).stdout.count("\n") == 2
    done = CliRunner().invoke(app, [*words, "INFY"])
    assert done.exit_code == 6
    assert "no instrument master was recorded" in done.stderr


def test_what_stands_before_damage_is_shown_and_then_the_damage_named(tmp_path: Path):
    flip(record_day(tmp_path) / "0001.kseg", 0.5)
    done = CliRunner().invoke(app, ["data", "show", str(tmp_path / "2026-11-20")])
    assert done.exit_code == 6
    assert 600 < len(done.stdout.splitlines()) < 800
    assert "are lost" in done.stderr


def test_a_narrow_terminal_gets_whole_lines_and_a_reader_that_leaves_is_no_defect(store: Path):
    command = [sys.executable, "-m", "kitecli", "data", "show", str(store / "2026-11-20")]
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": "60"}
    subprocess.run([*command, "--limit", "20"], env=env, stdout=theirs, stderr=subprocess.DEVNULL, check=True)
    os.close(theirs)
    lines = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    assert len(lines) == 21
    assert lines[0].split()[:3] == ["received", "IST", "instrument"]
    assert all(len(line) <= 60 for line in lines)
    piped = subprocess.run(
        f"{' '.join(command)} --json | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert piped.stdout.count("\n") == 1
    assert "defect" not in piped.stderr


def test_one_file_is_shown_as_its_day(show: Run, store: Path):
    done = CliRunner().invoke(app, ["data", "show", str(store / "2026-11-20" / "0001.kseg")])
    assert done.stdout == show().stdout != ""


@pytest.mark.parametrize("verb", ["show", "export"])
def test_where_there_is_nothing_it_is_said(store: Path, tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    words = ["data", verb, str(store / "2026-11-20"), *(["--format", "csv"] if verb == "export" else [])]
    done = CliRunner().invoke(app, [*words, "--from", "15:00"])
    assert (done.exit_code, "from 15:00:00 on, Indian time" in done.stderr) == (2, True), done.stderr
    done = CliRunner().invoke(app, [*words, "INFY", "--to", "09:00"])
    assert (done.exit_code, "of these instruments to 09:00:00" in done.stderr) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []
