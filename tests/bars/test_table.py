"""Bars as users get them: units, what is absent, flags as words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from kitecli.bars.record import BAR_DTYPE, FLAG_CLOSING, FLAG_GAP, FLAG_OI, FLAG_OPEN, FLAG_OUTSIDE, FLAG_VOLUME
from kitecli.bars.table import FLAG_NAMES, TABLE_DTYPE, bars_of, continuous, flag_names, flagged, table_of, vwap
from kitecli.errors import UsageError

INFY = 408065
NIFTY = 256265
USDINR = 3 | 1000 << 8
NINE_FIFTEEN_MS = 1_719_459_900_000  # 2024-06-27 09:15 IST


def bar(**fields):
    """One record: a minute of INFY from 09:15, unless said otherwise."""
    made = np.zeros(1, BAR_DTYPE)
    usual = {"start_ms": NINE_FIFTEEN_MS, "length_ms": 60_000, "token": INFY, "flags": FLAG_VOLUME}
    usual |= {"open": 155_000, "high": 155_500, "low": 154_900, "close": 155_100, "ticks": 3}
    for name, value in {**usual, **fields}.items():
        made[name] = value
    return made


def test_prices_are_rupees_and_times_utc():
    row = table_of(bar(volume=200, turnover=200 * 155_050))[0]
    assert row.dtype == TABLE_DTYPE
    assert [row[name] for name in ("open", "high", "low", "close")] == [1550.0, 1555.0, 1549.0, 1551.0]
    assert (row["volume"], row["vwap"]) == (200.0, 1550.5)
    assert str(row["start"]) == "2024-06-27T03:45:00.000"
    assert row["end"] - row["start"] == np.timedelta64(60, "s")


@pytest.mark.parametrize(("token", "divisor"), [(INFY, 100), (USDINR, 10_000_000)])
def test_the_divisor_is_the_segments(token, divisor):
    row = table_of(bar(token=token, open=835_050_000, volume=2, turnover=2 * 835_050_000))[0]
    assert row["open"] == row["vwap"] == 835_050_000 / divisor


def test_what_there_is_none_of_is_nan_and_never_zero():
    index = table_of(bar(token=NIFTY, flags=0))[0]
    assert np.isnan([index["volume"], index["oi"], index["vwap"]]).all()
    idle = table_of(bar(flags=FLAG_VOLUME | FLAG_OI, oi=0))[0]
    assert (idle["volume"], idle["oi"]) == (0.0, 0.0)
    assert np.isnan(idle["vwap"]), "nothing was traded"


def test_rows_of_a_larger_array_are_read_where_they_lie():
    many = np.concatenate([bar(start_ms=NINE_FIFTEEN_MS + at * 60_000) for at in range(6)])
    assert np.array_equal(table_of(many[::2])["start"], table_of(many)["start"][::2])


def test_a_vwap_of_several_bars_weighs_by_volume():
    bars = np.concatenate([bar(volume=1, turnover=100_00), bar(volume=3, turnover=3 * 200_00), bar()])
    assert vwap(table_of(bars)) == 175.0
    assert np.isnan(vwap(table_of(bar())))
    assert np.isnan(vwap(table_of(bar()[:0])))


def test_an_index_has_no_vwap():
    with pytest.raises(UsageError, match="index"):
        vwap(table_of(bar(token=NIFTY, flags=0)))


def test_auctions_and_what_lies_outside_are_no_continuous_trading():
    bars = np.concatenate([bar(), bar(flags=FLAG_CLOSING), bar(flags=FLAG_OUTSIDE | FLAG_GAP), bar(flags=FLAG_GAP)])
    assert continuous(bars)["flags"].tolist() == [FLAG_VOLUME, FLAG_GAP]
    assert continuous(table_of(bars)).size == 2


def test_flags_have_names():
    assert flag_names(FLAG_OPEN | FLAG_GAP | FLAG_VOLUME) == ("open", "gap")
    assert set(FLAG_NAMES) >= {"open", "partial", "estimated", "gap", "synthetic", "revised", "unscheduled"}
    bars = np.concatenate([bar(), bar(flags=FLAG_GAP)])
    assert flagged(table_of(bars), "gap").tolist() == [False, True]
    with pytest.raises(UsageError, match="gap"):
        flagged(table_of(bars), "gaps")


def test_one_bar_has_indian_times_and_none_for_what_is_absent():
    traded, index = bars_of(table_of(np.concatenate([bar(volume=7, turnover=7 * 155_000), bar(token=NIFTY, flags=0)])))
    assert traded.start == datetime(2024, 6, 27, 3, 45, tzinfo=UTC)
    assert traded.start.utcoffset() == timedelta(hours=5, minutes=30)
    assert traded.end - traded.start == timedelta(minutes=1)
    assert (traded.instrument_token, traded.volume, traded.oi, traded.vwap) == (INFY, 7, None, 1550.0)
    assert (index.volume, index.oi, index.vwap) == (None, None, None)
