"""``kite data export``, the whole way into files other programs read."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kitecli.cli import app
from tests.archive.stores import flip, record_day

CHECKOUT = Path(__file__).resolve().parent.parent.parent
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    record_day(folder)
    return folder


@pytest.fixture
def export(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, ["data", "export", "2026-11-20", "--store", str(store), *words])


def test_csv_of_a_span_of_some(export: Run, tmp_path: Path):
    done = export("NSE:INFY", "NIFTY 50", "--from", "09:15:10", "--to", "09:15:20", "--out", "part.csv", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["file"], told["ticks"], told["bytes"]) == ("part.csv", 200, (tmp_path / "part.csv").stat().st_size)
    with (tmp_path / "part.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["instrument"] for row in rows] == ["NSE:INFY", "NSE:NIFTY 50"] * 100
    assert "ticks/s" in done.stderr


def test_ndjson_by_its_name_and_by_format(export: Run, tmp_path: Path):
    assert export("--out", "a.ndjson").exit_code == 0
    assert export("--format", "ndjson").exit_code == 0
    assert (tmp_path / "a.ndjson").read_bytes() == (tmp_path / "2026-11-20.ndjson").read_bytes()
    assert len((tmp_path / "a.ndjson").read_text().splitlines()) == 1400


def test_the_query_of_the_page_works_on_what_is_exported(export: Run, tmp_path: Path):
    pytest.importorskip("pyarrow", reason="writing Parquet needs pyarrow")
    duckdb = pytest.importorskip("duckdb")
    done = export()
    assert done.exit_code == 0, done.stderr
    page = (CHECKOUT / "docs" / "recordings.md").read_text()
    (query,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    rows = duckdb.sql(f"select instrument, ticks, low, high, epoch(first) from ({query})").fetchall()
    assert rows == [
        ("NSE:INFY", 600, 1500.0, 1505.99, 1_795_146_300.0),
        ("NSE:NIFTY 50", 600, 25000.0, 25029.95, 1_795_146_300.0),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-11-20.parquet"]


def test_the_columns_of_the_page_are_those_of_the_file(export: Run, tmp_path: Path):
    export("--out", "a.csv")
    page = (CHECKOUT / "docs" / "recordings.md").read_text().partition("## Export")[2].partition("## Import")[0]
    named = set(re.findall(r"`([a-z_0-9]+)`", page))
    heads = (tmp_path / "a.csv").read_text().splitlines()[0].split(",")
    assert {head for head in heads if not re.search(r"_[1-5]$", head)} <= named


def test_a_dash_is_standard_output(export: Run, tmp_path: Path):
    assert export("--out", "a.csv").exit_code == 0
    done = export("--out", "-", "--format", "csv", "--json")
    assert (done.exit_code, done.stdout_bytes) == (0, (tmp_path / "a.csv").read_bytes())
    assert done.stderr.startswith("kite: 1,400 ticks, ")
    assert not (tmp_path / "-").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_what_is_no_file_is_written_to(export: Run, tmp_path: Path):
    (tmp_path / "null.csv").symlink_to("/dev/null")
    done = export("--out", "null.csv", "--json")
    assert (done.exit_code, json.loads(done.stdout)["bytes"]) == (0, 0), done.stderr
    assert (tmp_path / "null.csv").is_symlink()
    (tmp_path / "null.parquet").symlink_to("/dev/null")
    done = export("--out", "null.parquet")
    assert (done.exit_code, "can't take Parquet" in done.stderr) == (2, True)


def test_a_damaged_day_leaves_no_file(tmp_path: Path):
    flip(record_day(tmp_path / "store") / "0001.kseg", 0.5)
    for form in ("csv", "ndjson", "parquet"):
        out = tmp_path / f"out.{form}"
        done = CliRunner().invoke(app, ["data", "export", str(tmp_path / "store" / "2026-11-20"), "--out", str(out)])
        assert done.exit_code in {6, 8}, done.stderr
        assert list(tmp_path.glob("*out*")) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--format", "xlsx"], 2, "no form 'xlsx'"),
        (["--out", "a.csv", "--format", "parquet"], 2, "a name for csv"),
        (["--out", "a.txt"], 2, "Nothing says in which form a.txt"),
        (["--out", "-"], 2, "Nothing says in which form"),
        (["--out", "-", "--format", "parquet"], 2, "can't take Parquet"),
        (["--out", "/dev/null/a.csv"], 8, "can't be written"),
        (["NSE:NOPE", "--format", "csv"], 5, "Unknown instrument"),
        (["--from", "10:00", "--to", "09:00"], 2, "Nothing is between"),
    ],
)
def test_mistakes_are_said_before_anything_is_read(export: Run, words: list[str], code: int, said: str):
    done = export(*words)
    assert (done.exit_code, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr


def test_without_pyarrow_it_is_said_what_to_install(store: Path, tmp_path: Path):
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from kitecli.cli import app\n"
        f"sys.argv = ['kite', 'data', 'export', {str(store / '2026-11-20')!r}]\n"
        "app()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 8
    assert "kitecli[lake]" in done.stderr
    assert list(tmp_path.iterdir()) == []
