"""Bars and ticks as frames: what their columns hold, and what is said where the package is missing."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest

from kitecli.bars.frames import bar_columns, bars_frame, tick_columns, ticks_frame
from kitecli.bars.record import FLAG_GAP, FLAG_PARTIAL, FLAG_VOLUME
from kitecli.bars.table import TABLE_DTYPE
from kitecli.errors import EnvironmentProblem, UsageError
from kitecli.market.tick import FLAG_INDEX, FLAG_OHLC, FLAG_SNAPSHOT, MODE_FULL, MODE_LTP, MODE_QUOTE, TICK_DTYPE

INFY, NIFTY, USDINR = 408065, 256265, 3 | 1000 << 8


@pytest.fixture
def bars():
    table = np.zeros(3, TABLE_DTYPE)
    table["start"] = np.arange("2024-06-27T03:45", "2024-06-27T03:48", dtype="<M8[m]")
    table["end"] = table["start"] + np.timedelta64(60, "s")
    table["token"], table["close"], table["volume"] = INFY, [1550.5, 1551, 1552], [5, np.nan, 7]
    table["flags"] = [FLAG_VOLUME, FLAG_GAP | FLAG_PARTIAL, FLAG_GAP | FLAG_VOLUME]
    return table


@pytest.fixture
def ticks():
    """A full one, a quote of an index, and one in ltp mode."""
    made = np.zeros(3, TICK_DTYPE)
    made["token"], made["mode"] = [USDINR, NIFTY, INFY], [MODE_FULL, MODE_QUOTE, MODE_LTP]
    made["flags"] = [FLAG_OHLC, FLAG_OHLC | FLAG_INDEX, FLAG_SNAPSHOT]
    made["last_price"], made["open"] = [835_050_000, 2_400_050, 155_050], [835_000_000, 2_400_000, 0]
    made["volume"], made["oi"] = [7, 9, 9], [11, 9, 9]
    made["ts_event_s"] = [1_719_459_900, 1_719_459_900, 0]
    made["ts_recv_ns"] = np.arange(3) + 1_719_459_900_500_000_000
    return made


def test_bars_have_their_flags_as_words(bars):
    columns = bar_columns(bars)
    assert columns["flags"].tolist() == ["", "partial gap", "gap"]
    assert columns["instrument_token"].tolist() == [INFY] * 3
    assert next(iter(columns)) == "start"
    assert {len(column) for column in columns.values()} == {3}
    assert bar_columns(bars[:0])["flags"].size == 0


def test_ticks_are_in_rupees_with_nan_for_what_their_mode_doesn_t_carry(ticks):
    columns = {name: column.tolist() for name, column in tick_columns(ticks).items()}
    assert columns["last_price"] == [83.505, 24000.5, 1550.5]
    assert columns["open"][:2] == [83.5, 24000.0]
    for name, carried in (("open", 2), ("volume", 1), ("oi", 1), ("average_traded_price", 1)):
        assert np.isfinite(columns[name]).tolist() == [True] * carried + [False] * (3 - carried), name
    assert columns["mode"] == ["full", "quote", "ltp"]
    assert columns["snapshot"] == [False, False, True]
    stamps = tick_columns(ticks)["exchange_timestamp"]
    assert str(stamps[0]) == "2024-06-27T03:45:00.000"
    assert np.isnat(stamps).tolist() == [False, True, True]


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_without_the_package_it_says_how_to_get_it(bars, ticks, kind, monkeypatch):
    monkeypatch.setitem(sys.modules, kind, None)
    for make, rows in ((bars_frame, bars), (ticks_frame, ticks)):
        with pytest.raises(EnvironmentProblem, match=r"kitecli\[frames\]"):
            make(rows, kind)


def test_there_are_two_kinds(bars):
    with pytest.raises(UsageError, match="pandas, polars"):
        bars_frame(bars, "arrow")


def test_nothing_is_imported_before_it_is_asked_for():
    script = "import sys, kitecli.bars.frames; print({'pandas', 'polars'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_pandas_gets_an_index_in_indian_time(bars, ticks):
    pytest.importorskip("pandas")
    frame = bars_frame(bars, "pandas")
    assert frame.index.name == "start"
    assert frame.index[0].isoformat() == "2024-06-27T09:15:00+05:30"
    assert frame["end"].iloc[0] - frame.index[0] == timedelta(minutes=1)
    assert frame["close"].tolist() == [1550.5, 1551, 1552]
    received = ticks_frame(ticks, "pandas").index
    assert received[1].nanosecond == 1
    assert received[0].utcoffset() == timedelta(hours=5, minutes=30)
    assert len(bars_frame(bars[:0], "pandas")) == 0


def test_polars_gets_a_first_column_in_indian_time(bars, ticks):
    pytest.importorskip("polars")
    frame = bars_frame(bars, "polars")
    assert frame.columns[0] == "start"
    assert frame["start"][0].isoformat() == "2024-06-27T09:15:00+05:30"
    assert frame["flags"].to_list() == ["", "partial gap", "gap"]
    assert ticks_frame(ticks, "polars")["exchange_timestamp"].to_list()[1:] == [None, None]
    assert len(bars_frame(bars[:0], "polars")) == 0
