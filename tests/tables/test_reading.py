"""Tables as people have them: CSV plain and packed, Parquet, odd times, and files that are no tables."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest

from kitecli.errors import DataError
from kitecli.tables.reading import as_epoch_ms, as_epoch_ns, as_numbers, as_texts, read_table

CSV_TEXT = '\ufeffinstrument_token,name,last_price\n408065,"INFY, Ltd",1573.15\n5633,ACC,\n'
MORNING_MS = 1_719_461_456_305  # 27 June 2024, 09:40:56.305 IST


@pytest.mark.parametrize("name", ["t.csv", "t.CSV.GZ"])
def test_csv_plain_and_packed(tmp_path: Path, name: str):
    path = tmp_path / name
    data = CSV_TEXT.encode()
    path.write_bytes(gzip.compress(data) if name.lower().endswith("gz") else data)
    columns = read_table(path)
    assert list(columns) == ["instrument_token", "name", "last_price"]
    assert as_numbers(columns["last_price"]).tolist() == [1573.15, 0]
    assert as_texts(columns["name"]).tolist() == ["INFY, Ltd", "ACC"]


def test_parquet_keeps_order_and_missing_values(tmp_path: Path):
    path = tmp_path / "t.parquet"
    rows = "select * from (values (3, 1.5, 'c'), (1, null, 'a'), (2, 2.5, null)) t(token, price, name)"
    duckdb.execute(f"copy ({rows}) to '{path}' (format parquet)")
    columns = read_table(path)
    assert as_numbers(columns["token"]).tolist() == [3, 1, 2]
    assert as_numbers(columns["price"]).tolist() == [1.5, 0, 2.5]
    assert as_texts(columns["name"]).tolist() == ["c", "a", ""]


@pytest.mark.parametrize(
    "column",
    [
        np.array([MORNING_MS]),
        np.array([MORNING_MS * 1000]),
        np.array([MORNING_MS * 1_000_000]),
        np.array([MORNING_MS / 1000]),
        np.array([str(MORNING_MS)]),
        np.array(["2024-06-27 09:40:56.305"]),
        np.array(["2024-06-27T09:40:56.305+05:30"]),
        np.array(["2024-06-27T04:10:56.305+00:00"]),
        np.array(["2024-06-27T09:40:56.305"], "datetime64[us]"),
    ],
)
def test_times_of_every_kind_are_one_time(column: np.ndarray):
    assert abs(int(as_epoch_ms(column)[0]) - MORNING_MS) <= 1


def test_whole_nanoseconds_are_kept_to_the_last_digit_and_what_is_missing_is_zero():
    exact = MORNING_MS * 1_000_000 + 123_457
    assert as_epoch_ns(np.array([exact, exact + 1])).tolist() == [exact, exact + 1]
    assert as_epoch_ns(np.array([str(exact), ""])).tolist() == [exact, 0]
    assert as_epoch_ns(np.array(["2024-06-27 09:40:56.305123", ""])).tolist() == [MORNING_MS * 1_000_000 + 123_000, 0]
    assert as_epoch_ns(np.array(["2024-06-27T09:40:56", "NaT"], "datetime64[us]")).tolist()[1] == 0


def test_parquet_times_with_a_zone_and_without_are_the_same_moment(tmp_path: Path):
    path = tmp_path / "t.parquet"
    zoned = "timestamptz '2024-06-27 04:10:56.305+00'"
    duckdb.execute(
        f"copy (select {zoned} as zoned, timestamp '2024-06-27 09:40:56.305' as plain) to '{path}' (format parquet)"
    )
    columns = read_table(path)
    assert [as_epoch_ms(columns[name]).tolist() for name in ("zoned", "plain")] == [[MORNING_MS], [MORNING_MS]]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("t.csv", b"", "empty"),
        ("t.csv", b"a,b\n1,2\n3\n", "Line 3"),
        ("t.csv.gz", b"not gzip", "can't be read"),
        ("t.csv.gz", gzip.compress(b"a,b\n" * 9999, mtime=0)[:40], "can't be read"),
        ("t.csv", b"a,b\n\xff\xfe,1\n", "can't be read"),
        ("t.parquet", b"PAR1 nothing", "can't be read"),
        ("t.xlsx", b"", "no table"),
        ("missing.csv", None, "no file"),
    ],
)
def test_what_is_no_table_is_said_so(tmp_path: Path, name: str, data: bytes | None, says: str):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=says):
        read_table(tmp_path / name)


def test_a_text_among_the_numbers_is_named():
    with pytest.raises(DataError, match="abc"):
        as_numbers(np.array(["1", "abc"]))
    with pytest.raises(DataError, match="noon"):
        as_epoch_ms(np.array(["noon"]))


def test_without_duckdb_parquet_says_what_to_install(tmp_path: Path):
    (tmp_path / "t.parquet").write_bytes(b"")
    script = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from pathlib import Path\n"
        "from kitecli.errors import EnvironmentProblem\n"
        "from kitecli.tables.reading import read_table\n"
        "try:\n    read_table(Path('t.parquet'))\n"
        "except EnvironmentProblem as error:\n    print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "pip install 'kitecli[lake]'" in result.stdout


@pytest.mark.parametrize(("said", "becomes"), [("Query interrupted", KeyboardInterrupt), ("else", RuntimeError)])
def test_ctrl_c_in_duckdb_is_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, becomes: type[BaseException]
):
    def busy() -> None:
        raise RuntimeError(said)

    (tmp_path / "t.parquet").touch()
    monkeypatch.setattr(duckdb, "connect", busy)
    with pytest.raises(becomes):
        read_table(tmp_path / "t.parquet")
