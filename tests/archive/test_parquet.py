"""Parquet that is read back by DuckDB and by pyarrow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from kitecli.archive.naming import DayNames, Labels
from kitecli.archive.parquet import GROUP_ROWS, groups, write_parquet
from kitecli.archive.reading import batches
from kitecli.archive.sorting import by_instrument, census
from kitecli.store.recording import Recording
from kitecli.store.spans import Span
from tests.archive.stores import INFY, NIFTY, USDINR, ticks_of


def written(store: Path, folder: Path, labels: Mapping[int, str] | None = None) -> Path:
    """A day's ticks as Parquet; ``labels``: other names than its own."""
    pytest.importorskip("pyarrow", reason="writing Parquet needs pyarrow")
    with Recording.open(store / "2026-11-20") as recording, (folder / "day.parquet").open("wb") as file:
        names = Labels(DayNames.of(recording.folder, recording.day, recording.master))
        found = census(batches(recording, (), Span(), depth=False))
        with by_instrument(found, batches(recording, (), Span()), folder) as ticks:
            write_parquet(file, ticks, names if labels is None else labels)
    return folder / "day.parquet"


@pytest.fixture(scope="module")
def path(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(store, tmp_path_factory.mktemp("parquet"))


def test_rows_are_by_instrument_and_then_as_received(path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(path)
    assert table["instrument_token"].to_pylist() == [NIFTY] * 600 + [USDINR] * 200 + [INFY] * 600
    tokens = [token for number in range(600) for token in ticks_of(number)[0]["token"].tolist()]
    assert table["sequence"].to_pylist() == sorted(range(1400), key=tokens.__getitem__)
    names = dict(zip(table["instrument_token"].to_pylist(), table["instrument"].to_pylist(), strict=True))
    assert names == {INFY: "NSE:INFY", NIFTY: "NSE:NIFTY 50", USDINR: "CDS:USDINR26NOVFUT"}
    assert table["volume_traded"].to_pylist()[600:] == [None] * 200 + [10 * number for number in range(600)]
    assert table["oi"].null_count == 800
    assert table["buy_price_1"].to_pylist()[799:801] == [None, 1499.95]


def test_what_has_no_name_has_an_empty_one(store: Path, tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(written(store, tmp_path, {INFY: "NSE:INFY"}))
    assert table["instrument"].to_pylist() == [None] * 800 + ["NSE:INFY"] * 600
    assert parquet.read_table(written(store, tmp_path, {}))["instrument"].null_count == 1400


def test_duckdb_reads_it(path: Path):
    duckdb = pytest.importorskip("duckdb")
    rows = duckdb.sql(
        f"select instrument, mode, count(*), min(last_price), epoch(max(exchange_timestamp))::bigint from '{path}' "
        "group by all order by instrument"
    ).fetchall()
    assert rows == [
        ("CDS:USDINR26NOVFUT", "ltp", 200, 105.4725, None),
        ("NSE:INFY", "full", 600, 1500.0, int(ticks_of(599)[0]["ts_event_s"][0])),
        ("NSE:NIFTY 50", "quote", 600, 25000.0, None),
    ]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], []),
        ([3, 4, 2], [(0, 9)]),
        ([6, 6, 3], [(0, 6), (6, 15)]),
        ([4, 25, 3], [(0, 4), (4, 14), (14, 24), (24, 32)]),
        ([10, 10], [(0, 10), (10, 20)]),
    ],
)
def test_small_instruments_share_a_row_group_and_large_ones_have_their_own(counts, expected):
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    assert [(rows.start, rows.stop) for rows in groups(starts, most=10)] == expected
    assert GROUP_ROWS > 10_000


def test_without_pyarrow_it_says_what_to_install():
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from kitecli.archive.parquet import arrow\n"
        "from kitecli.errors import EnvironmentProblem\n"
        "try:\n    arrow()\n"
        "except EnvironmentProblem as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'kitecli[lake]'" in done.stdout
    assert "--format csv" in done.stdout
