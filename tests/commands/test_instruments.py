"""``kite instruments`` as a user runs it, against a simulated exchange and against kept days."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from kitecli.market.instruments import format_instruments
from kitecli.master.folder import instruments_dir
from kitecli.master.store import MasterStore
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from tests.market.masters import contract, share

NIFTY = share("NSE:NIFTY 50", 256265, segment="INDICES")
OLD = [
    NIFTY,
    share("NSE:ZOMATO", 5097729, "ZOMATO"),
    contract("NFO:NIFTY26FEBFUT", 257 << 8 | 2, "NIFTY", "2026-02-24", "FUT"),
    *(contract(f"NFO:NIFTY26FEB{k}CE", k << 8 | 2, "NIFTY", "2026-02-24", "CE", k) for k in range(25000, 25500, 50)),
]
NEW = [NIFTY, share("NSE:ETERNAL", 5097729, "ETERNAL"), *OLD[3:]]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def two(data: Path) -> MasterStore:
    store = MasterStore(Path(instruments_dir("api.kite.trade")))
    store.keep(format_instruments(OLD).encode(), date(2026, 2, 19))
    store.keep(format_instruments(NEW).encode(), date(2026, 2, 20))
    return store


def test_a_running_exchange_s_instruments_are_fetched_searched_and_shown(run_kite):
    with launch(SimOptions()) as sim:
        env = {"KITE_ENVIRONMENT": "sim", "KITE_API_ROOT": sim.api_url, "KITE_API_KEY": sim.api_key}
        env["KITE_ACCESS_TOKEN"] = sim.access_token
        synced = json.loads(run_kite("instruments", "sync", "--json", env=env).stdout)
        assert (synced["how"], synced["rows"] > 100) == ("fetched", True)
        found = run_kite("instruments", "search", "infos", "--limit", "1", env=env)
        assert found.stdout.startswith("NSE:INFY\t408065\tEQ")
        shown = run_kite("instruments", "show", "NFO:NIFTY:near:ATM±2", "INFY", "--json", env=env)
        told = json.loads(shown.stdout)
        assert (told["count"], told["limit"], len(told["instruments"])) == (11, 9000, 11)
        told = run_kite("instruments", "show", env=env)
        assert "INDICES" in told.stdout


def test_a_day_s_contracts_are_those_of_that_day(run_kite, two: MasterStore):
    shown = run_kite("instruments", "show", "--master", "2026-02-20", "NFO:NIFTY:near:25000..25100", "nifty 50")
    assert shown.returncode == 0, shown.stderr
    assert [line.split("\t")[0] for line in shown.stdout.splitlines()] == [
        "NFO:NIFTY26FEB25000CE",
        "NFO:NIFTY26FEB25050CE",
        "NFO:NIFTY26FEB25100CE",
        "NSE:NIFTY 50",
    ]
    assert "4 of the 9,000" in shown.stderr


def test_more_than_a_feed_can_carry_is_counted_and_shown(run_kite, tmp_path: Path):
    rows = [share(f"NSE:S{n}", n << 8 | 1) for n in range(1, 9002)]
    (tmp_path / "many.csv").write_text(format_instruments(rows))
    shown = run_kite("instruments", "show", "--master", "many.csv", "NSE:*")
    assert len(shown.stdout.splitlines()) == 9001
    assert "9,001 of the 9,000 instruments a feed can carry: too many" in shown.stderr


def test_two_days_are_compared(run_kite, two: MasterStore):
    told = json.loads(run_kite("instruments", "diff", "--json").stdout)
    assert (told["old"], told["new"]) == ("2026-02-19", "2026-02-20")
    assert told["counts"] == {"renamed": 1, "gone": 1}
    renamed = run_kite("instruments", "diff", "2026-02-19", "2026-02-20", "--kind", "renamed")
    assert renamed.stdout == "renamed\tNSE:ETERNAL\t5097729\tNSE:ZOMATO\tNSE:ETERNAL\n"
    assert "1 renamed, 1 gone" in renamed.stderr


def test_a_file_from_elsewhere_is_taken_in_and_its_oddities_told(run_kite, tmp_path: Path):
    text = format_instruments(OLD).replace("2026-02-24", "24-02-2026")
    (tmp_path / "sheet.csv").write_text(text)
    taken = run_kite("instruments", "sync", "--file", "sheet.csv", "--day", "2026-02-18")
    assert taken.returncode == 0, taken.stderr
    assert "taken in" in taken.stdout
    assert "DD-MM-YYYY" in taken.stderr
    shown = run_kite("instruments", "show", "--master", "2026-02-18", "--json", "NFO:NIFTY:FUT:near")
    assert json.loads(shown.stdout)["instruments"][0]["expiry"] == "2026-02-24"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "--master", "2026-02-20", "NSE:ETERNALL"], 5, "NSE:ETERNAL"),
        (["show", "--master", "2026-02-20", "NFO:NIFTY:weeky"], 5, "did you mean weekly"),
        (["show", "--master", "2026-02-20", "NFO:NIFTY:near:ATM"], 5, "24000..26000"),
        (["show", "--master", "2020-01-01"], 6, "from 2026-02-19 to 2026-02-20"),
        (["show", "--master", "none.csv"], 6, "none.csv"),
        (["diff", "--kind", "moved"], 2, "token-moved"),
        (["sync", "--file", "x.csv"], 2, "--day"),
        (["search"], 2, "text"),
    ],
)
def test_mistakes_are_said_with_what_to_do(run_kite, two: MasterStore, arguments: list[str], code: int, said: str):
    done = run_kite("instruments", *arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def test_without_a_network_yesterday_s_serve_and_are_said_to_be_old(run_kite, two: MasterStore):
    from kitecli.master.store import State

    two.note(State("2026-02-20", "ab", 0))
    env = {"KITE_API_ROOT": "https://api.kite.trade", "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = run_kite("instruments", "search", "eternal", env=env)
    assert done.stdout.startswith("NSE:ETERNAL")
    assert "using the instruments of 2026-02-20, which may be out of date" in done.stderr


def test_a_narrow_terminal_gets_whole_lines(two: MasterStore, tmp_path: Path):
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "kitecli",
        "instruments",
        "search",
        "--master",
        "2026-02-20",
        "nifty",
        "--limit",
        "3",
    ]
    env = {**os.environ, "COLUMNS": "32"}
    done = subprocess.run(command, env=env, cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, check=True)
    os.close(theirs)
    lines = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    assert done.returncode == 0
    assert lines[0].split() == ["instrument", "token"]
    assert all(len(line) <= 32 for line in lines)


@pytest.mark.parametrize("verb", ["sync", "search", "show", "diff"])
def test_help_has_an_example(run_kite, verb: str):
    told = run_kite("instruments", verb, "--help").stdout
    assert f"kite instruments {verb}" in told
    assert "Example" in told
