"""``kite data import``: from files to a day that is listed, shown, exported and verified like any other."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kitecli.cli import app
from tests.archive.test_intake import HEADS, ROWS
from tests.archive.test_official import AT_NS, FULL, LTP


@pytest.fixture
def kite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        return CliRunner(env={"KITE_DATA_DIR": str(tmp_path / "data")}).invoke(app, ["data", *words])

    return run


def test_a_table_becomes_a_day(kite, tmp_path: Path):
    (tmp_path / "t.csv").write_text("\n".join([HEADS, *ROWS]) + "\n")
    done = kite("import", "t.csv")
    assert done.exit_code == 0, done.stderr
    assert "depth: the file has none, so these ticks' books are empty\t2" in done.stdout
    assert "3 ticks of 2 instruments in 3 messages" in done.stderr
    assert kite("list").stdout.split("\t")[:6] == [
        "2024-06-27",
        "3",
        "2",
        "09:40:56.000",
        "09:40:56.999",
        "ended, imported",
    ]
    lines = kite("show", "2024-06-27", "NFO:NIFTY2470423350CE").stdout.splitlines()
    assert [line.split("\t")[2] for line in lines] == ["570.00", "570.05"]
    assert kite("verify", "2024-06-27").exit_code == 0
    again = kite("import", "t.csv")
    assert again.exit_code == 6
    assert "already" in again.stderr


def test_what_is_exported_can_be_imported_again_and_is_the_same(kite, tmp_path: Path):
    (tmp_path / "t.csv").write_text("\n".join([HEADS, *ROWS]) + "\n")
    kite("import", "t.csv", "--store", "one")
    for number, form in enumerate(("csv", "ndjson")):
        kite("export", "2024-06-27", "--store", "one", "--out", f"a.{form}")
        done = kite("import", f"a.{form}", "--store", f"two-{number}", "--json")
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["left_out"] == {}
        kite("export", "2024-06-27", "--store", f"two-{number}", "--out", f"b.{form}")
        assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_saved_ticks_of_two_mornings_with_a_master(kite, tmp_path: Path):
    for name, at in (("a.pkl", 0), ("b.pkl", 1)):
        calls = [{"received": AT_NS + 2 * number + at, "ticks": [FULL, LTP]} for number in range(10)]
        (tmp_path / name).write_bytes(b"".join(map(pickle.dumps, calls)))
    (tmp_path / "master.csv").write_text(
        "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
        "instrument_type,segment,exchange\n408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE\n"
    )
    done = kite("import", "a.pkl", "b.pkl", "--day", "2024-06-27", "--master", "master.csv", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["ticks"], told["messages"], told["left_out"]) == (40, 20, {})
    shown = [json.loads(line) for line in kite("show", "2024-06-27", "INFY", "--json").stdout.splitlines()]
    assert [line["ts_recv_ns"] - AT_NS for line in shown] == list(range(20))
    assert {line["mode"] for line in shown} == {"ltp"}


@pytest.mark.parametrize(
    ("name", "text", "words", "code", "said"),
    [
        ("t.csv", "time,token\n1,2\n", [], 6, "lacks a column last_price or ltp or price"),
        ("t.csv", "time,token,ltp\n1719461456,5633,1\n1719461456,5633\n", [], 6, "Line 3 of t.csv"),
        ("t.csv", "time,token,ltp\n1719461456,5633,x\n", [], 6, "Row 1 of ltp"),
        ("t.csv", "time,token,ltp\n1719461456,5633,1\n", ["--day", "2024-06-28"], 6, "they are of 2024-06-27"),
        ("t.csv", "time,token,ltp\n1719461456,5633,1\n", ["--mode", "deep"], 2, "deep"),
        ("t.csv", "time,token,ltp\n1719461456,5633,1\n", ["--master", "none.csv"], 6, "none.csv"),
        ("t.txt", "hello", [], 6, "no table"),
        ("t.json", "[", [], 6, "can't be read"),
    ],
)
def test_mistakes_are_said_and_nothing_is_made(kite, tmp_path: Path, name: str, text: str, words, code: int, said: str):
    (tmp_path / name).write_text(text)
    done = kite("import", name, *words)
    assert (done.exit_code, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert kite("list").stdout == ""


def test_a_pickle_that_would_run_something_is_refused(kite, tmp_path: Path):
    (tmp_path / "t.pkl").write_bytes(b"cos\nsystem\n(S'touch sprung'\ntR.")
    done = kite("import", "t.pkl")
    assert done.exit_code == 6
    assert "os.system" in done.stderr
    assert not (tmp_path / "sprung").exists()
