"""The real day of 27 June 2024 imported, read and exported: its values are the source's, row by row.

The figures are printed (``-s``), beside pyarrow reading the same rows; nothing is held to a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from kitecli.archive.importing import import_day
from kitecli.archive.intake import take_in
from kitecli.archive.naming import DayNames, Labels
from kitecli.archive.parquet import write_parquet
from kitecli.archive.reading import batches
from kitecli.archive.sorting import by_instrument, census
from kitecli.store.recording import Recording
from kitecli.store.spans import Span
from kitecli.tables.reading import read_table

FILE = "ticks/DERIVED_kitelike_quote_2024-06-27.parquet"
ROWS = 573_566
COLUMNS = {
    "instrument_token": "instrument_token",
    "last_price": "last_price",
    "last_traded_quantity": "last_traded_quantity",
    "average_traded_price": "average_traded_price",
    "volume_traded": "volume_traded",
    "oi": "oi",
    "day_open": "open",
    "day_high": "high",
    "day_low": "low",
    "prev_close": "close",
}


def clocked(what: str, do: Callable[[], object]) -> object:
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    found = do()
    taken_s, taken_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    rates = f"{ROWS / taken_s:,.0f} ticks/s, {ROWS / taken_cpu_s:,.0f} a second of CPU"
    print(f"\n{what}: {rates}, N = {ROWS:,}", end="")
    return found


@pytest.mark.slow
def test_what_comes_out_is_what_went_in(market_data: Path, tmp_path: Path):
    pytest.importorskip("duckdb", reason="reading Parquet needs duckdb")
    parquet = pytest.importorskip("pyarrow.parquet", reason="writing Parquet needs pyarrow")
    source, made = market_data / FILE, tmp_path / "day.parquet"

    def read(recording: Recording) -> int:
        return sum(len(batch) for batch in batches(recording, (), Span()))

    def export(recording: Recording) -> None:
        names = DayNames.of(recording.folder, recording.day, recording.master)
        found = census(batches(recording, (), Span(), depth=False))
        with by_instrument(found, batches(recording, (), Span()), tmp_path) as ticks, made.open("wb") as file:
            write_parquet(file, ticks, Labels(names))

    done = clocked("import", lambda: import_day([take_in(source)], tmp_path / "store", date(2024, 6, 27)))
    assert done.ticks == ROWS
    assert set(done.left_out) == {
        "ltt_ms: cut to whole seconds, kept as time of receipt",
        "depth: the file has none, so these ticks' books are empty",
    }
    with Recording.open(done.folder) as recording:
        assert clocked("read", lambda: read(recording)) == ROWS
        clocked("export to Parquet", lambda: export(recording))
    clocked("pyarrow reading the source", lambda: parquet.read_table(source))
    clocked("pyarrow reading the export", lambda: parquet.read_table(made))
    compare(source, made)


def compare(source: Path, made: Path) -> None:
    """Every value of the source's rows, in their order, against the export's."""
    before, after = read_table(source), read_table(made)
    order = np.argsort(after["sequence"])
    assert len(order) == ROWS
    for name, ours in COLUMNS.items():
        assert (np.asarray(before[name], np.float64) == np.asarray(after[ours][order], np.float64)).all(), name
    assert (before["ltt_ms"] * 1_000_000 == after["ts_recv_ns"][order]).all()
    labels = np.char.add("NFO:", before["tradingsymbol"].astype(str))
    assert (labels == after["instrument"][order].astype(str)).all()
    seconds = np.ma.filled(after["exchange_timestamp"][order]) // 10**9
    assert (before["ltt_ms"] // 1000 == seconds).all()
