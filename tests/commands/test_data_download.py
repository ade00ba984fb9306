"""``kite data download`` against the simulated exchange: in this process, and as one of its own where that matters."""

from __future__ import annotations

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kitecli.cli import app
from kitecli.clock import IST
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions

DOWNLOAD = ("data", "download")
TODAY = datetime.now(IST).date()


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    with launch(SimOptions()) as running:
        yield running


@pytest.fixture
def env(sim: SimProcess, tmp_path: Path) -> dict[str, str]:
    return {
        "KITE_ENVIRONMENT": "sim",
        "KITE_API_ROOT": sim.api_url,
        "KITE_API_KEY": sim.api_key,
        "KITE_ACCESS_TOKEN": sim.access_token,
        "KITE_DATA_DIR": str(tmp_path / "data"),
        "KITE_RUNTIME_DIR": str(tmp_path / "run"),
    }


@pytest.fixture
def download(env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **more: str | None) -> Result:
        return CliRunner(env={**env, **more}).invoke(app, [*DOWNLOAD, *arguments])

    return run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_candles_come_into_a_file_for_each_and_a_row_tells_of_it(download, tmp_path: Path):
    done = download("INFY", "NIFTY 50", "--from", "2026-11-02", "--to", "2026-11-06", "--out", "o")
    assert done.exit_code == 0, done.stderr
    cells = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:6] for row in cells] == [
        [name, "5", "2026-11-02", "2026-11-06", "0", "0"] for name in ("NSE:INFY", "NSE:NIFTY 50")
    ]
    assert "10 candles of 2 instruments in" in done.stderr
    assert "2 requests" in done.stderr
    for row in cells:
        assert [line["time"][:10] for line in rows_of(tmp_path / row[6])] == [f"2026-11-0{day}" for day in range(2, 7)]
    again = download("INFY", "--from", "2026-11-02", "--to", "2026-11-06", "--out", "o")
    assert "no request: all was there" in again.stderr


def test_json_and_one_file_for_all_with_open_interest_of_other_months(download, tmp_path: Path):
    asked = ["NFO:NIFTY:FUT:near", "MCX:GOLD:FUT:near", "--from", "2026-01-05", "--continuous", "--oi", "--json"]
    done = download(*asked, "--out", "all.ndjson")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["interval"] == "day"
    assert {one["first"] for one in told["instruments"]} == {"2026-01-05"}
    lines = [json.loads(line) for line in (tmp_path / "all.ndjson").read_text().splitlines()]
    assert len({line["instrument"] for line in lines}) == 2
    assert len(lines) == sum(one["candles"] for one in told["instruments"]) > 400
    assert all(line["oi"] > 0 for line in lines)


def test_a_contract_says_since_when_there_is_anything(download):
    done = download("NFO:NIFTY:FUT:near", "--from", "2026-01-05", "--json")
    (one,) = json.loads(done.stdout)["instruments"]
    assert one["holes"] == []
    assert one["trading_days_before"] > 100
    assert f"nothing before {one['first']}" in done.stderr


def test_todays_candle_is_marked(download, tmp_path: Path):
    since = TODAY - timedelta(days=7)
    done = download("INFY", "--from", str(since), "--out", "a.csv")
    assert "may still change" in done.stderr
    *before, last = rows_of(tmp_path / "a.csv")
    assert (last["time"][:10], last["settled"]) == (str(TODAY), "false")
    assert {row["settled"] for row in before} == {"true"}


def test_a_download_that_was_killed_goes_on_where_it_was(env, tmp_path: Path, download):
    since = TODAY - timedelta(days=230)
    asked = ["INFY", "--from", str(since), "--interval", "1m", "--out", "a.csv"]
    command = [sys.executable, "-m", "kitecli", *DOWNLOAD, *asked]
    first = subprocess.Popen(command, cwd=tmp_path, env=os.environ | env, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not list((tmp_path / "data").rglob("*.npy")) and time.monotonic() < deadline:
        time.sleep(0.005)
    first.kill()
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    assert not (tmp_path / "a.csv").exists()
    pieces, needed = list((tmp_path / "data").rglob("*.npy")), 4  # the fourth is a second away
    assert 1 <= len(pieces) < needed

    done = download(*asked, "--json")
    assert done.exit_code == 0, done.stderr
    assert f"{needed - len(pieces)} request" in done.stderr.splitlines()[-1]
    (one,) = json.loads(done.stdout)["instruments"]
    assert one["holes"] == []
    times = [row["time"] for row in rows_of(tmp_path / "a.csv")]
    assert times == sorted(set(times))
    assert len(times) == one["candles"] > 50_000


def test_the_simulated_exchange_needs_nothing(download, tmp_path: Path):
    nobody = dict.fromkeys(("KITE_ENVIRONMENT", "KITE_API_ROOT", "KITE_API_KEY", "KITE_ACCESS_TOKEN"))
    asked = ["INFY", "--from", "2026-11-16", "--to", "2026-11-20", "--sim", "--interval", "1h"]
    done = download(*asked, **nobody)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split("\t")[:2] == ["NSE:INFY", "30"]
    assert not (tmp_path / "data" / "historical").exists()  # its past is gone with it


def test_a_token_in_a_file_is_read(download, sim: SimProcess, tmp_path: Path):
    (tmp_path / "token").write_text(sim.access_token)
    (tmp_path / "token").chmod(0o600)
    where = {"KITE_ACCESS_TOKEN": None, "KITE_ACCESS_TOKEN_FILE": str(tmp_path / "token")}
    done = download("INFY", "--from", "2026-11-02", "--to", "2026-11-02", **where)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["NSE:NOPE", "--from", "2026-11-02"], 5, "Unknown instrument"),
        (["INFY"], 2, "--from"),
        (["--from", "2026-11-02"], 2, "symbols"),
        (["INFY", "--from", "yesterday"], 2, "yesterday"),
        (["INFY", "--from", "2026-11-02", "--to", "2026-11-01"], 2, "is before --from"),
        (["INFY", "--from", "2999-01-01"], 2, "in the future"),
        (["INFY", "--from", "2026-11-02", "--interval", "7m"], 2, "60minute"),
        (["INFY", "--from", "2026-11-02", "--interval", "1m", "--continuous"], 2, "days alone"),
        (["INFY", "--from", "2026-11-02", "--format", "xlsx"], 2, "csv, ndjson, parquet"),
        (["INFY", "--from", "2026-11-02", "--out", "a.csv", "--format", "parquet"], 2, "a name for csv"),
        (["INFY", "--from", "2026-11-02", "--out", "/dev/null/x"], 8, "can't be written"),
        (["INFY", "--from", "2026-11-02", "--continuous"], 7, "invalid token for continuous data"),
    ],
)
def test_mistakes_are_said_with_what_to_do(download, arguments: list[str], code: int, said: str):
    done = download(*arguments)
    assert done.exit_code == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def test_some_that_are_refused_end_it_with_their_code_and_the_others_are_there(download, tmp_path: Path):
    asked = ["NFO:NIFTY:FUT:near", "INFY", "--from", "2026-11-02", "--continuous", "--json"]
    done = download(*asked)
    assert done.exit_code == 7
    good, bad = json.loads(done.stdout)["instruments"]
    assert Path(tmp_path / good["file"]).is_file()
    assert bad["error"]["error"] == "broker"
    assert "1 of 2 instruments" in done.stderr


def test_a_session_that_has_ended_says_to_log_in(download):
    done = download("INFY", "--from", "2026-11-02", KITE_ACCESS_TOKEN="old")
    assert done.exit_code == 4
    assert "log in: kite auth login" in done.stderr


def test_a_narrow_terminal_gets_whole_lines(env, tmp_path: Path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "kitecli", *DOWNLOAD, "INFY", "--from", "2026-11-02"]
    told = {**os.environ, **env, "COLUMNS": "60"}
    subprocess.run(command, env=told, cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, check=True)
    os.close(theirs)
    lines = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    assert lines[0].split()[:2] == ["instrument", "candles"]
    assert all(len(line) <= 60 for line in lines)
