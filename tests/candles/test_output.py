"""Three forms of file that say the same."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest
from made import joined, minutes

from kitecli.candles.output import NO_CANDLES, check_writable, file_name, form_of, is_file, writing
from kitecli.candles.plan import Days
from kitecli.errors import EnvironmentProblem, UsageError

DAY = date(2026, 11, 20)
ONE, OTHER = minutes(DAY, 2, price=1573.15), joined(minutes(DAY, 1, price=90), minutes(DAY, 1, settled=False))
FIRST = {
    "instrument": "NSE:M&M",
    "time": "2026-11-20T09:15:00+05:30",
    "open": 1573.15,
    "high": 1574.15,
    "low": 1572.15,
    "close": 1573.65,
    "volume": 10,
    "oi": 7,
    "settled": True,
}


def written(path: Path, form: str, *, oi: bool = True) -> Path:
    with writing(path, form, oi=oi) as writer:
        writer("NSE:M&M", ONE)
        writer("NSE:NONE", NO_CANDLES)
        writer("NSE:NIFTY 50", OTHER)
    return path


def rows_of(path: Path, form: str) -> list[dict[str, object]]:
    if form == "csv":
        with path.open(newline="", encoding="utf-8") as file:
            return [
                {name: text if name in ("instrument", "time") else json.loads(text) for name, text in row.items()}
                for row in csv.DictReader(file)
            ]
    if form == "ndjson":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with duckdb.connect() as table:
        table.execute("set timezone = 'UTC'")
        indian = "strftime(time + interval 330 minute, '%Y-%m-%dT%H:%M:%S+05:30') as time"
        found = table.execute(f"select * replace ({indian}) from read_parquet(?)", [str(path)])
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_every_form_says_the_same(tmp_path: Path, form: str):
    rows = rows_of(written(tmp_path / f"a.{form}", form), form)
    assert rows[0] == FIRST
    assert list(rows[0]) == list(FIRST)
    assert [row["instrument"] for row in rows] == ["NSE:M&M", "NSE:M&M", "NSE:NIFTY 50", "NSE:NIFTY 50"]
    assert [row["settled"] for row in rows] == [True, True, True, False]
    without = rows_of(written(tmp_path / f"b.{form}", form, oi=False), form)
    assert list(without[0]) == [name for name in FIRST if name != "oi"]


def test_times_in_parquet_are_moments(tmp_path: Path):
    path = written(tmp_path / "a.parquet", "parquet")
    with duckdb.connect() as table:
        kind = table.execute("select typeof(time), epoch(time) from read_parquet(?) limit 1", [str(path)]).fetchone()
    assert kind == ("TIMESTAMP WITH TIME ZONE", ONE["start_s"][0])


def test_a_file_of_nothing_has_its_columns(tmp_path: Path):
    with writing(tmp_path / "a.csv", "csv", oi=False):
        pass
    assert (tmp_path / "a.csv").read_text() == "instrument,time,open,high,low,close,volume,settled\n"


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_an_interrupted_file_is_not_there(tmp_path: Path, form: str):
    def interrupted() -> None:
        with writing(tmp_path / f"a.{form}", form, oi=True) as writer:
            writer("NSE:INFY", ONE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("out", "form", "found"),
    [
        *[("a.csv", None, "csv"), ("a.PARQUET", None, "parquet"), ("a.ndjson", "ndjson", "ndjson")],
        *[(".", None, "csv"), ("folder", "parquet", "parquet"), ("folder.v2", None, "csv")],
    ],
)
def test_the_form_follows_the_name_or_the_option(out: str, form: str | None, found: str):
    assert form_of(Path(out), form) == found


@pytest.mark.parametrize(("out", "form"), [("a.csv", "parquet"), (".", "xlsx"), ("a.csv", "CSV")])
def test_forms_that_contradict_or_are_none_are_refused(out: str, form: str):
    with pytest.raises(UsageError) as raised:
        form_of(Path(out), form)
    assert raised.value.hint


def test_a_folder_may_be_called_like_a_file(tmp_path: Path):
    (tmp_path / "odd.csv").mkdir()
    assert not is_file(tmp_path / "odd.csv")
    assert is_file(tmp_path / "new.csv")


def test_where_it_goes_is_tried_before_the_download(tmp_path: Path):
    check_writable(tmp_path / "new" / "folder", "csv")
    assert (tmp_path / "new" / "folder").is_dir()
    check_writable(tmp_path / "other" / "a.csv", "csv")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not a folder"):
        check_writable(tmp_path / "file", "csv")
    with pytest.raises(EnvironmentProblem, match="can't be written"):
        check_writable(tmp_path / "file" / "a.csv", "csv")


def test_parquet_without_its_package_is_said_at_once():
    code = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from pathlib import Path\n"
        "from kitecli.candles.output import check_writable\n"
        "from kitecli.errors import KiteError\n"
        "try: check_writable(Path('a.parquet'), 'parquet')\n"
        "except KiteError as error: print(error.exit_code, error.hint)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("8 ")
    assert "kitecli[lake]" in said


@pytest.mark.parametrize(
    ("name", "file"),
    [("NSE:INFY", "NSE-INFY"), ("NSE:M&M", "NSE-M&M"), ("NSE:NIFTY 50", "NSE-NIFTY-50"), ("BSE:A/B..", "BSE-A-B..")],
)
def test_files_are_named_by_what_they_hold(name: str, file: str):
    days = Days(date(2026, 1, 1), DAY)
    assert file_name(name, "minute", days, "csv") == f"{file}-minute-2026-01-01-2026-11-20.csv"
