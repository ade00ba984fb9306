"""``kite feed`` as a user runs it: against the simulated exchange, in a process of its own."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

FIRST_ANSWERS = 2
"""Ticks an instrument may send at most before its mode is the one asked for: the answers to subscribe and to mode."""


def lines(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_json_streams_the_instruments_asked_for(run_kite):
    rows = lines(run_kite("feed", "--sim", "INFY", "nse:reliance", "--mode", "full", "--duration", "4", "--json"))
    assert {row["instrument"] for row in rows} == {"NSE:INFY", "NSE:RELIANCE"}
    assert [row["sequence"] for row in rows] == list(range(len(rows)))
    full = rows[FIRST_ANSWERS * 2 :]  # a subscription is answered in quote mode before the mode asked for takes hold
    assert {row["mode"] for row in full} == {"full"}
    assert all(len(row["depth"]["buy"]) == 5 for row in full)


def test_the_runner_and_the_process_say_the_same():
    done = CliRunner().invoke(app, ["feed", "--sim", "INFY", "--mode", "ltp", "--duration", "10", "--json"])
    assert done.exit_code == 0, done.output
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["instrument"], last["mode"]) == ("NSE:INFY", "ltp")
    assert "lost 0" in done.stderr


def test_a_pipe_gets_csv_and_the_summary_goes_to_stderr(run_kite):
    done = run_kite("feed", "--sim", "NIFTY 50", "INFY", "--duration", "4")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["instrument"] for row in rows} == {"NSE:NIFTY 50", "NSE:INFY"}
    assert "ticks in" in done.stderr
    assert "lost 0" in done.stderr


def test_modes_by_kind_patterns_and_watchlists(run_kite, tmp_path):
    (tmp_path / "mine.txt").write_text("INFY ltp, 738561 # RELIANCE\n")
    rows = lines(
        run_kite(
            "feed", "--sim", "--watchlist", "mine.txt", "--universe", "NFO:NIFTY*FUT", "--duration", "10", "--json"
        )
    )
    modes = {row["instrument"]: row["mode"] for row in rows}
    assert (modes["NSE:INFY"], modes["NSE:RELIANCE"]) == ("ltp", "quote")
    futures = {name: mode for name, mode in modes.items() if name.startswith("NFO:")}
    assert futures
    assert set(futures.values()) == {"full"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--sim", "NSE:INFI"], 5, "NSE:INFY"),
        (["--sim", "--mode", "depth"], 2, "'ltp', 'quote', 'full'"),
        (["--sim", "--source", "no-such.csv"], 6, "no-such.csv"),
        (["--sim", "--watchlist", "no-such.txt"], 6, "no-such.txt"),
        (["INFY"], 4, "KITE_API_KEY"),
        (["--connections", "4", "--sim"], 2, "--connections"),
        (["--sim", "--json", "--csv"], 2, "--csv"),
        (["--speed", "60"], 2, "--sim"),
        (["--duration", "-1", "--sim"], 2, "--duration"),
    ],
)
def test_mistakes_are_said_with_what_to_do(run_kite, arguments, code, said):
    done = run_kite("feed", *arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_running_exchange_is_an_environment_like_any_other(run_kite):
    with launch(SimOptions(rate=5)) as sim:
        environment = {
            "KITE_ENVIRONMENT": "sim",
            "KITE_WS_ROOT": sim.ws_url,
            "KITE_API_ROOT": sim.api_url,
            "KITE_API_KEY": sim.api_key,
        }
        good = {**environment, "KITE_ACCESS_TOKEN": sim.access_token}
        rows = lines(run_kite("feed", "INFY", "--duration", "4", "--json", env=good))
        assert rows[0]["instrument"] == "NSE:INFY"
        bad = run_kite("feed", "INFY", "--json", env={**environment, "KITE_ACCESS_TOKEN": "stale-token"})
        assert bad.returncode == 4
        assert json.loads(bad.stderr.splitlines()[-1])["error"] in ("handshake-forbidden", "auth")
        assert "stale-token" not in bad.stderr


def test_ctrl_c_ends_it_with_a_summary_and_leaves_nothing_running(tmp_path):
    environment = {**os.environ, "KITE_RUNTIME_DIR": str(tmp_path / "run")}
    process = subprocess.Popen(
        [sys.executable, "-m", "kitecli", "feed", "--sim", "INFY", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert json.loads(process.stdout.readline())["instrument"] == "NSE:INFY"
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "lost 0" in complaints
    assert "Traceback" not in complaints
    assert list((tmp_path / "run").glob("*")) == []
    with pytest.raises(ProcessLookupError):
        _group_is_gone(process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the exchange among the children in /proc")
def test_an_exchange_that_dies_ends_the_feed_it_was_started_for(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "kitecli", "feed", "--sim", "INFY", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "KITE_RUNTIME_DIR": str(tmp_path / "run")},
    )
    assert json.loads(process.stdout.readline())["instrument"] == "NSE:INFY"
    os.kill(_exchange_of(process.pid), signal.SIGKILL)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 8
    assert json.loads(complaints.splitlines()[-1])["what"] == "The simulated exchange died"


def _exchange_of(feed):
    children = Path(f"/proc/{feed}/task/{feed}/children").read_text().split()
    (exchange,) = (pid for pid in children if b"kitecli.sim" in Path(f"/proc/{pid}/cmdline").read_bytes())
    return int(exchange)


def _group_is_gone(group, seconds=5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        os.killpg(group, 0)
        time.sleep(0.02)


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m kitecli feed --sim INFY --json | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "KITE_RUNTIME_DIR": str(tmp_path)},
    )
    assert json.loads(done.stdout)["instrument"] == "NSE:INFY"
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_streamed_whole_and_ends_the_feed(run_kite, tmp_path):
    prices = [1500.5, 1501.5, 1502.0, 1499.95]
    began_ms = 1_719_461_461_000
    rows = [f"{began_ms + index * 1000},408065,INFY,{price},{index * 10}" for index, price in enumerate(prices)]
    (tmp_path / "day.csv").write_text("\n".join(["ts_ms,instrument_token,tradingsymbol,last_price,volume", *rows]))
    streamed = lines(run_kite("feed", "--source", "day.csv", "--speed", "0", "--json"))
    assert [(row["last_price"], row["volume_traded"]) for row in streamed] == [
        (price, index * 10) for index, price in enumerate(prices)
    ]


def test_real_ticks_stream_as_they_stand_in_the_file(run_kite, market_data, tmp_path):
    """Every row in order: token, price and volume as recorded, none missing, of ten seconds at 60 times real time."""
    duckdb = pytest.importorskip("duckdb")
    source = market_data / "ticks" / "DERIVED_kitelike_quote_2024-06-27.parquet"
    if not source.exists():
        pytest.skip("needs the recorded ticks of 27 June 2024")
    done = run_kite(
        *("feed", "--sim", "--source", str(source), "--speed", "60"),
        *("--mode", "quote", "--duration", "10", "--json"),
    )
    rows = lines(done)
    assert len(rows) >= 2_000
    assert "lost 0" in done.stderr
    recorded = duckdb.sql(
        f"select instrument_token, last_price, volume_traded, last_traded_quantity from '{source}' limit {len(rows)}"
    ).fetchall()
    names = ("instrument_token", "last_price", "volume_traded", "last_traded_quantity")
    streamed = [tuple(row[name] for name in names) for row in rows]
    assert streamed == [(token, round(price, 2), volume, quantity) for token, price, volume, quantity in recorded]
