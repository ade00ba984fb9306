"""The official kiteconnect package works against the simulated exchange by changing its roots only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import pytest

from kitecli.clock import IST
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions

SCRIPT = Path(__file__).with_name("stock_client.py")
START_S = 1_719_461_460
# token, symbol, and prices in the finest step of its segment's divisor
TRADED = [
    (408065, "INFY", 1573.15, 0.05),
    (256265, "NIFTY 50", 23406.85, 0.05),
    (579587, "USDINR24JUNFUT", 83.5625, 0.0025),
    (259689222, "USDINR24JUNFUT", 83.5650, 0.0025),
    (121033991, "CRUDEOIL24JULFUT", 6805.0, 1.0),
    (31132428, "GOLD24JULFUT", 71650.5, 0.5),
]
COUNTS = ["volume_traded", "last_traded_quantity", "total_buy_quantity", "total_sell_quantity"]
OI = ["oi", "oi_day_high", "oi_day_low"]
PRICES = ["average_traded_price", "day_open", "day_high", "day_low", "prev_close"]
LEVELS = [
    f"{side}_{field}_{level}"
    for side in ("buy", "sell")
    for level in range(1, 6)
    for field in ("price", "quantity", "orders")
]


def run(sim: SimProcess, scenario: str, **asked: object):
    result = subprocess.run(
        [sys.executable, str(SCRIPT)],
        input=json.dumps(asdict(sim.ready) | {"scenario": scenario} | asked),
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"TZ": "Asia/Kolkata"},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def rows_of_a_day() -> list[dict[str, object]]:
    """Forty ticks of each instrument, every field different from every other."""
    rows = []
    for number in range(40):
        for at, (token, symbol, price, step) in enumerate(TRADED):
            row: dict[str, object] = {
                "ts_ms": (START_S + number) * 1000 + at,
                "instrument_token": token,
                "symbol": symbol,
            }
            row["last_price"] = price + step * number
            row |= {name: 1000 * number + 10 * at + place for place, name in enumerate(COUNTS + OI, start=1)}
            row |= {name: price + step * (number - place) for place, name in enumerate(PRICES, start=1)}
            for place, name in enumerate(LEVELS):
                row[name] = price + step * (place // 3 - 5) if "price" in name else number + place + 1
            row["last_trade_time"] = (START_S + number - 2) * 1000
            rows.append(row)
    return rows


def expected(row: dict, mode: str) -> dict[str, object]:
    """The official client's dictionary, written down from the table's row."""
    token, price = row["instrument_token"], row["last_price"]
    is_index = token & 0xFF == 9
    tick = {"tradable": not is_index, "mode": mode, "instrument_token": token, "last_price": price}
    if mode == "ltp":
        return tick
    close = row["prev_close"]
    tick["ohlc"] = {"open": row["day_open"], "high": row["day_high"], "low": row["day_low"], "close": close}
    tick["change"] = (price - close) * 100 / close
    if not is_index:
        tick |= {name: row[name] for name in [*COUNTS, "average_traded_price"]}
    if mode == "full":
        tick["exchange_timestamp"] = row["ts_ms"] // 1000
        if not is_index:
            tick |= {name: row[name] for name in OI} | {"last_trade_time": row["last_trade_time"] / 1000}
            tick["depth"] = {
                side: [
                    {field: row[f"{side}_{field}_{level}"] for field in ("price", "quantity", "orders")}
                    for level in range(1, 6)
                ]
                for side in ("buy", "sell")
            }
    return tick


def approximately(tick: object) -> object:
    """Floats to nine digits: the table's are decimal fractions, the client's quotients."""
    if isinstance(tick, dict):
        return {key: approximately(value) for key, value in tick.items()}
    if isinstance(tick, list):
        return [approximately(value) for value in tick]
    return pytest.approx(tick, rel=1e-9) if isinstance(tick, float) else tick


@pytest.mark.parametrize("packets_per_frame", [1, 100])
def test_every_field_of_every_tick_is_what_the_table_says(tmp_path: Path, packets_per_frame: int):
    rows, path = rows_of_a_day(), tmp_path / "ticks.csv"
    path.write_text("\n".join(",".join(map(str, line)) for line in [rows[0].keys(), *(row.values() for row in rows)]))
    modes = {"full": [408065, 256265, 579587, 31132428], "quote": [259689222], "ltp": [121033991]}
    mode_of = {token: mode for mode, tokens in modes.items() for token in tokens}
    with launch(SimOptions(source=str(path), speed=0, packets_per_frame=packets_per_frame)) as sim:
        found = run(sim, "ticks", modes=modes, count=len(rows))
        ledger = sim.ledger()
    assert len(found) == len(rows) == ledger["totals"]["live"]
    for tick, row in zip(found, rows, strict=True):
        assert tick == approximately(expected(row, mode_of[row["instrument_token"]]))


def test_session_profile_instruments_quotes_and_errors():
    with launch(SimOptions()) as sim:
        found = run(sim, "rest")
        assert sim.status()["state"] == "running"
    assert found["session"]["access_token"] != sim.access_token, "a login ends the session before it"
    assert found["profile"]["broker"] == "ZERODHA"
    assert len(found["all"]) == sim.ready.instruments
    infy = next(row for row in found["nse"] if row["tradingsymbol"] == "INFY")
    assert (infy["instrument_token"], infy["tick_size"], infy["lot_size"]) == (408065, 0.1, 1)
    keys = {"NSE:INFY", "NSE:NIFTY 50", "NSE:M&M", "408065"}
    for name in ("quote", "ohlc", "ltp"):
        assert keys <= set(found[name])
        assert "NSE:NOPE" not in found[name]
        assert found[name]["NSE:INFY"]["instrument_token"] == 408065
    book = found["quote"]["NSE:INFY"]["depth"]
    assert book["buy"][0]["price"] < book["sell"][0]["price"]
    assert found["errors"] == [
        [403, "Token is invalid or has expired."],
        [400, "At most 500 instruments can be asked for at once."],
        [429, "Too many requests"],
        [403, "Incorrect `api_key` or `access_token`."],
    ]
    assert found["logout"] is True


def test_candles_and_what_is_refused_of_them():
    with launch(SimOptions(instruments=60, rate=0.1)) as sim:
        found = run(sim, "historical", token=408065)
    minute, day = found["minute"], found["day"]
    assert len(day) == 5
    assert len(minute) == 5 * 375
    at_0915 = datetime(2026, 11, 2, 9, 15, tzinfo=IST).timestamp()
    assert minute[0] == minute[0] | {"date": at_0915}
    assert set(minute[0]) == {"date", "open", "high", "low", "close", "volume"}
    assert set(day[0]) == {"date", "open", "high", "low", "close", "volume", "oi"}
    assert sum(row["volume"] for row in minute) == sum(row["volume"] for row in day)
    assert (day[0]["open"], day[-1]["close"]) == (minute[0]["open"], minute[-1]["close"])
    (today,), quote = found["today"], found["quote"]
    assert today["open"] == quote["ohlc"]["open"]
    assert (today["date"] + 19_800) % 86_400 == 0
    assert today["volume"] <= quote["volume"]
    assert found["errors"] == [
        [400, "invalid token"],
        [400, "interval exceeds max limit: 60 days"],
        [429, "Too many requests"],
    ]


def test_the_ticker_reports_403_429_and_too_many_instruments():
    with launch(SimOptions(instruments=100)) as sim:
        found = run(sim, "refusals")
    assert "403 - Forbidden" in found["denied"][0]
    assert "(429 - " in found["fourth"][0]
    assert found["crowded"] == ["Can't subscribe to more than 3000 instruments."]
    assert found["connected"] == [True, True, True]
