"""Files into packets, and what no packet holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kitecli.archive.intake import take_in
from kitecli.errors import DataError
from kitecli.market.tick import MODE_FULL, MODE_LTP, MODE_QUOTE
from tests.archive.test_official import AT_NS, FULL, LTP

HEADS = "ltt_ms,instrument_token,tradingsymbol,last_price,volume_traded,oi,prev_close"
START_MS = AT_NS // 10**6
ROWS = [
    f"{START_MS},11340034,NIFTY2470423350CE,570,2575,16700,588.6",
    f"{START_MS + 305},256265,NIFTY 50,23500,0,5,23400",
    f"{START_MS + 999},11340034,NIFTY2470423350CE,570.05,2600,16700,588.6",
]


def table(folder: Path, rows: list[str] = ROWS, heads: str = HEADS) -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join([heads, *rows]) + "\n")
    return path


def test_the_least_mode_that_holds_all_is_taken_and_what_it_cant_hold_counted(tmp_path: Path):
    found = take_in(table(tmp_path))
    assert set(found.ticks["mode"].tolist()) == {MODE_FULL}
    assert found.ticks["ts_recv_ns"].tolist() == [AT_NS, AT_NS + 305_000_000, AT_NS + 999_000_000]
    assert found.ticks["ts_event_s"].tolist() == [AT_NS // 10**9] * 3
    assert found.symbols == {11340034: "NIFTY2470423350CE", 256265: "NIFTY 50"}
    assert dict(found.left_out) == {
        "oi: no room in their packets": 1,  # the index's
        "ltt_ms: cut to whole seconds, kept as time of receipt": 2,
        "depth: the file has none, so these ticks' books are empty": 2,
    }


def test_a_mode_that_is_asked_for_costs_what_it_has_no_room_for(tmp_path: Path):
    quote = take_in(table(tmp_path), "quote")
    assert (set(quote.ticks["mode"].tolist()), quote.depth) == ({MODE_QUOTE}, None)
    assert dict(quote.left_out) == {"oi: no room in their packets": 3}
    ltp = take_in(table(tmp_path), "ltp")
    assert dict(ltp.left_out) == {
        "volume_traded: no room in their packets": 2,
        "prev_close: no room in their packets": 3,
        "oi: no room in their packets": 3,
    }


@pytest.mark.parametrize(
    ("heads", "row", "mode"),
    [
        ("time,token,ltp", f"{START_MS},5633,10", MODE_LTP),
        ("time,token,ltp,volume", f"{START_MS},5633,10,5", MODE_QUOTE),
        ("time,token,ltp,bid_1_price,ask_1_price", f"{START_MS},5633,10,9,11", MODE_FULL),
        ("ts_recv_ns,token,ltp,exchange_timestamp", f"{AT_NS},5633,10,{START_MS}", MODE_FULL),
        ("time,token,ltp,mode", f"{START_MS},5633,10,quote", MODE_QUOTE),
    ],
)
def test_the_mode_follows_the_columns(tmp_path: Path, heads: str, row: str, mode: int):
    assert take_in(table(tmp_path, [row], heads)).ticks["mode"].tolist() == [mode]


def test_finer_prices_broken_quantities_and_unknown_columns_are_counted(tmp_path: Path):
    heads = "time,token,ltp,volume,vwap,exchange_timestamp"
    rows = [f"{START_MS},5633,10.005,5.5,9,{START_MS + 1}", f"{START_MS},5633,10.05,5,9,{START_MS}"]
    assert dict(take_in(table(tmp_path, rows, heads)).left_out) == {
        "ltp: rounded to the broker's step": 1,
        "volume: cut to whole numbers": 1,
        "exchange_timestamp: cut to whole seconds": 1,
        "depth: the file has none, so these ticks' books are empty": 2,
        "vwap: no such field in a packet": 2,
    }


def test_saved_ticks_keep_their_modes(tmp_path: Path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{**FULL, "last_price": 570.0}, LTP], default=str))
    found = take_in(path)
    assert found.ticks["mode"].tolist() == [MODE_FULL, MODE_LTP]
    assert found.depth["buy"]["price"][0].tolist() == [56990] * 5
    assert dict(found.left_out) == {"ticks without a time, given that of the tick before": 1}


@pytest.mark.parametrize(
    ("heads", "rows", "said"),
    [
        ("time,token,volume", ["1,2,3"], r"t\.csv lacks a column last_price or ltp or price"),
        ("time,token,ltp", [f"{START_MS},5633,10", f"{START_MS},5633,"], "Row 2 of t.csv lacks its ltp"),
        ("time,token,ltp", [f"{START_MS},5633,10", f"{START_MS},5633,x"], "Row 2 of ltp is no number"),
        ("time,token,ltp", [f"{START_MS},5633,10", f"{START_MS},5633"], "Line 3 of t.csv"),
        ("time,token,ltp", [f"{START_MS},-3,10"], r"Row 1 of t\.csv"),
        ("time,token,ltp", ["noon,5633,10"], "'noon'"),
        ("time,token,ltp,mode", [f"{START_MS},5633,10,deep"], "unknown mode, 'deep'"),
        ("time,token,ltp", [], "no rows"),
    ],
)
def test_which_column_and_row_is_wrong_is_said(tmp_path: Path, heads: str, rows: list[str], said: str):
    with pytest.raises(DataError, match=said):
        take_in(table(tmp_path, rows, heads))
