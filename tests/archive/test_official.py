"""Saved ticks of the official client, however they were saved."""

from __future__ import annotations

import gzip
import json
import pickle
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from kitecli.archive.official import is_official, read_official
from kitecli.clock import IST
from kitecli.errors import DataError

AT = datetime(2024, 6, 27, 9, 40, 56)  # noqa: DTZ001 - as the official client gives it
AT_NS = 1_719_461_456 * 10**9
LEVEL = {"quantity": 75, "price": 569.9, "orders": 2}
FULL = {
    "tradable": True,
    "mode": "full",
    "instrument_token": 11340034,
    "last_price": 570.0,
    "last_traded_quantity": 25,
    "average_traded_price": 548.52,
    "volume_traded": 2575,
    "total_buy_quantity": 1,
    "total_sell_quantity": 2,
    "ohlc": {"open": 555.5, "high": 579.8, "low": 530.3, "close": 588.6},
    "change": -3.16,
    "last_trade_time": AT,
    "oi": 16700,
    "oi_day_high": 16800,
    "oi_day_low": 16600,
    "exchange_timestamp": AT,
    "depth": {"buy": [LEVEL] * 5, "sell": [{**LEVEL, "price": 570.1}] * 5},
}
LTP = {"tradable": True, "mode": "ltp", "instrument_token": 408065, "last_price": 1573.15}


def saved(folder: Path, name: str, *things: object) -> Path:
    path = folder / name
    plain = name.removesuffix(".gz")
    if plain.endswith(".pkl"):
        data = b"".join(pickle.dumps(thing) for thing in things)
    elif plain.endswith(("l", "ndjson")):
        data = "".join(json.dumps(thing, default=str) + "\n" for thing in things).encode()
    else:
        data = json.dumps(things[0], default=str).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["t.pkl", "t.json", "t.ndjson", "t.jsonl", "t.pkl.gz", "t.json.gz"])
def test_a_list_of_ticks_in_every_form(tmp_path: Path, name: str):
    path = saved(tmp_path, name, [FULL, LTP])
    assert is_official(path)
    columns, lost = read_official(path)
    assert columns["instrument_token"].tolist() == [11340034, 408065]
    assert columns["mode"].tolist() == ["full", "ltp"]
    assert columns["close"].tolist() == [588.6, 0]
    assert columns["buy_price_5"].tolist() == [569.9, 0]
    assert columns["sell_orders_1"].tolist() == [2, 0]
    assert columns["exchange_timestamp"].tolist() == [AT_NS, 0]
    assert columns["ts_recv_ns"].tolist() == [AT_NS, AT_NS]
    assert dict(lost) == {"ticks without a time, given that of the tick before": 1}


@pytest.mark.parametrize(
    "thing",
    [
        {"received": AT_NS + 5, "ticks": [FULL, LTP]},
        (AT_NS + 5, [FULL, LTP]),
        [(AT_NS + 5, (FULL, LTP))],
        [{**FULL, "ts_recv_ns": AT_NS + 5}, {**LTP, "received_at": AT_NS + 5}],
        {"ts": "2024-06-27T04:10:56+00:00", "ticks": [FULL, LTP]},
        (AT.replace(tzinfo=IST), [FULL, LTP]),
        (AT, [FULL, LTP]),
    ],
)
def test_when_they_were_received_stands_beside_them_or_in_them(tmp_path: Path, thing: object):
    columns, lost = read_official(saved(tmp_path, "t.pkl", thing))
    assert np.unique(columns["ts_recv_ns"] - AT_NS).tolist() in ([5], [0])
    assert not lost


def test_a_stream_of_calls(tmp_path: Path):
    calls = [{"received": AT_NS + number, "ticks": [LTP]} for number in range(50)]
    for name in ("t.pkl", "t.ndjson"):
        columns, _ = read_official(saved(tmp_path, name, *calls))
        assert columns["ts_recv_ns"].tolist() == [AT_NS + number for number in range(50)]


def test_a_tick_without_a_time_has_that_of_the_one_before_or_of_the_first_there_is(tmp_path: Path):
    later = {**FULL, "exchange_timestamp": AT + timedelta(seconds=3)}
    columns, lost = read_official(saved(tmp_path, "t.pkl", [LTP, FULL, LTP, later, LTP]))
    assert ((columns["ts_recv_ns"] - AT_NS) // 10**9).tolist() == [0, 0, 0, 3, 3]
    assert list(lost.values()) == [3]


def test_fields_of_older_clients_and_unknown_ones(tmp_path: Path):
    old = {"instrument_token": 5633, "last_price": 1, "volume": 9, "buy_quantity": 3, "timestamp": str(AT), "mine": 1}
    columns, lost = read_official(
        saved(tmp_path, "t.json", [old, {**old, "timestamp": str(AT + timedelta(seconds=1))}])
    )
    assert columns["volume"].tolist() == [9, 9]
    assert columns["timestamp"].tolist() == [AT_NS, AT_NS + 10**9]
    assert dict(lost) == {"mine: no such field in a packet": 2}


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("t.json", b"[", "can't be read"),
        ("t.ndjson", b'[]\n{"a"\n', "Line 2"),
        ("t.json", b"[]", "no ticks"),
        ("t.json", b"[5]", "no tick"),
        ("t.json", json.dumps([LTP]).encode(), "says when"),
        ("t.json", json.dumps([{**LTP, "exchange_timestamp": "noon"}]).encode(), "'noon' in t.json is no time"),
        ("t.json", json.dumps([{**LTP, "ts_recv_ns": 5, "last_price": "x"}]).encode(), "Tick 1"),
        ("t.json.gz", b"no gzip", "can't be read"),
        ("missing.json", None, "can't be read"),
    ],
)
def test_what_cant_be_read_is_said(tmp_path: Path, name: str, data: bytes | None, said: str):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=said):
        read_official(tmp_path / name)


def test_tables_are_no_saved_ticks():
    assert not any(is_official(Path(name)) for name in ("t.csv", "t.csv.gz", "t.parquet", "t"))
