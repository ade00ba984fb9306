"""A table's columns as the records of ticks."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.errors import DataError
from kitecli.market.tick import FLAG_DEPTH, FLAG_INDEX, FLAG_OHLC, MODE_FULL, MODE_LTP, MODE_QUOTE
from kitecli.tables.ticks import depth_columns, depth_records, instrument_of, match, tick_records

COLUMNS = {
    "instrument_token": np.array([408065, 256265, 262147]),
    "ltp": np.array(["1573.15", "23500", "105.4725"]),
    "ts_recv_ns": np.array([1_719_461_456_305_123_456] * 3),
    "exchange_timestamp": np.array([1_719_461_455, 0, 1_719_461_454]),
    "volume": np.array([7, 0, 9]),
}


def test_a_tick_has_its_own_second_and_its_segments_prices():
    names = match("t.csv", COLUMNS)
    assert (names["time"], names["event"]) == ("ts_recv_ns", "exchange_timestamp")
    ticks = tick_records("t.csv", COLUMNS, names, MODE_QUOTE)
    assert ticks["last_price"].tolist() == [157315, 2350000, 1054725000]
    assert ticks["ts_event_s"].tolist() == [1_719_461_455, 0, 1_719_461_454]
    assert ticks["flags"].tolist() == [FLAG_OHLC, FLAG_OHLC | FLAG_INDEX, FLAG_OHLC]


def test_rows_may_have_modes_of_their_own():
    modes = np.array([MODE_FULL, MODE_FULL, MODE_LTP], np.uint8)
    ticks = tick_records("t.csv", COLUMNS, match("t.csv", COLUMNS), modes)
    assert ticks["mode"].tolist() == modes.tolist()
    assert ticks["flags"].tolist() == [FLAG_OHLC | FLAG_DEPTH, FLAG_OHLC | FLAG_INDEX, 0]


def test_depth_needs_both_best_prices():
    sides = {f"{side}_price_1": np.array([1.5, 2, 3]) for side in ("bid", "ask")}
    names = depth_columns(sides)
    assert sorted(names) == [("buy", "price", 0), ("sell", "price", 0)]
    depth = depth_records(sides, {}, names, np.array([408065, 256265, 262147], np.uint32))
    assert depth["buy"]["price"][:, 0].tolist() == [150, 200, 30_000_000]
    assert depth_columns({"bid_price_1": np.array([1.5])}) == {}


def test_what_is_wrong_is_named_by_table_row_and_column():
    with pytest.raises(DataError, match=r"t\.csv lacks a column instrument_token or token and a column last_price"):
        match("t.csv", {"time": np.array([1])})
    with pytest.raises(DataError, match="Row 2 of ltp is no number"):
        tick_records("t.csv", {**COLUMNS, "ltp": np.array(["1", "x", "3"])}, match("t.csv", COLUMNS), MODE_LTP)
    with pytest.raises(DataError, match=r"Row 3 of t\.csv") as raised:
        tick_records("t.csv", {**COLUMNS, "volume": np.array([1, 2, -3])}, match("t.csv", COLUMNS), MODE_QUOTE)
    assert "volume" in raised.value.why


@pytest.mark.parametrize(
    ("token", "symbol", "key", "kind", "segment"),
    [
        (408065, "INFY", "NSE:INFY", "EQ", "NSE"),
        (11340034, "NIFTY2470423350CE", "NFO:NIFTY2470423350CE", "CE", "NFO-OPT"),
        (262147, "GBPINR24JUNFUT", "CDS:GBPINR24JUNFUT", "FUT", "CDS-FUT"),
        (264969, "INDIA VIX", "NSE:INDIA VIX", "EQ", "INDICES"),
    ],
)
def test_what_a_token_and_a_symbol_tell(token: int, symbol: str, key: str, kind: str, segment: str):
    row = instrument_of(token, symbol)
    assert (row.key, row.instrument_type, row.segment) == (key, kind, segment)
