"""A table's columns as tick records: found by the names people give them, scaled as the wire has them.

What a table hasn't is zero, as in the broker's packets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError
from kitecli.market.instruments import Instrument
from kitecli.market.segments import DEFAULT_DIVISOR, INDICES, SEGMENTS
from kitecli.market.tick import (
    DEPTH_DTYPE,
    FLAG_DEPTH,
    FLAG_INDEX,
    FLAG_OHLC,
    MODE_FULL,
    MODE_LTP,
    TICK_DTYPE,
)
from kitecli.tables.reading import Columns, as_epoch_ms, as_numbers

Records = NDArray[np.void]

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "token": ("instrument_token", "token"),
    "time": (
        "ts_recv_ns",
        "ltt_ms",
        "ts_ms",
        "time",
        "received",
        "timestamp",
        "exchange_timestamp",
        "last_trade_time",
        "ts",
    ),
    "event": ("exchange_timestamp", "timestamp"),
    "last_price": ("last_price", "ltp", "price"),
    "last_quantity": ("last_traded_quantity", "last_quantity", "ltq"),
    "average_price": ("average_traded_price", "average_price", "atp"),
    "volume": ("volume_traded", "volume"),
    "buy_quantity": ("total_buy_quantity", "buy_quantity"),
    "sell_quantity": ("total_sell_quantity", "sell_quantity"),
    "open": ("day_open", "open"),
    "high": ("day_high", "high"),
    "low": ("day_low", "low"),
    "close": ("prev_close", "previous_close", "close"),
    "oi": ("oi", "open_interest"),
    "oi_day_high": ("oi_day_high",),
    "oi_day_low": ("oi_day_low",),
    "last_trade_time": ("last_trade_time", "ltt_ms"),
    "symbol": ("tradingsymbol", "symbol", "instrument"),
    "mode": ("mode",),
    "connection": ("connection",),
}
"""What we call a column, and what others do, likeliest first. ``time`` is when a row is played, or was received."""
REQUIRED: Final = ("token", "time", "last_price")
PRICES: Final = ("last_price", "average_price", "open", "high", "low", "close")
COUNTS: Final = ("last_quantity", "volume", "buy_quantity", "sell_quantity", "oi")
_SIDES: Final = {"buy": ("buy", "bid"), "sell": ("sell", "ask", "offer")}
_FIELDS: Final = {"price": ("price",), "quantity": ("quantity", "qty"), "orders": ("orders",)}


def match(name: str, columns: Columns) -> dict[str, str]:
    """Our names to the table's. Raises DataError for a table, called ``name``, that lacks what a tick needs."""
    found = {
        ours: next(alias for alias in aliases if alias in columns)
        for ours, aliases in ALIASES.items()
        if any(alias in columns for alias in aliases)
    }
    missing = [ours for ours in REQUIRED if ours not in found]
    if missing:
        raise DataError(
            f"{name} lacks " + " and ".join(f"a column {' or '.join(ALIASES[ours])}" for ours in missing),
            why="a tick needs its instrument, its time and its price",
            hint=f"Its columns are {', '.join(columns)}; rename those that mean it",
        )
    return found


def depth_columns(columns: Columns) -> dict[tuple[str, str, int], str]:
    """(side, field, level) to the table's column; empty unless both best prices are there."""
    found: dict[tuple[str, str, int], str] = {}
    lower = {name.lower(): name for name in columns}
    for side, sides in _SIDES.items():
        for field, fields in _FIELDS.items():
            for level in range(5):
                spellings = (
                    spelling
                    for one in sides
                    for other in fields
                    for spelling in (f"{one}_{other}_{level + 1}", f"{one}_{level + 1}_{other}")
                )
                if name := next((lower[spelling] for spelling in spellings if spelling in lower), None):
                    found[side, field, level] = name
    return found if ("buy", "price", 0) in found and ("sell", "price", 0) in found else {}


def divisors(tokens: NDArray[np.uint32]) -> NDArray[np.float64]:
    """(n,) what the wire's prices are divided by."""
    table = np.full(256, DEFAULT_DIVISOR, np.float64)
    for segment in SEGMENTS.values():
        table[segment.code] = segment.divisor
    found: NDArray[np.float64] = table[tokens & 0xFF]
    return found


def tick_records(table: str, columns: Columns, names: Mapping[str, str], mode: int | NDArray[np.uint8]) -> Records:
    """(n,) TICK_DTYPE of the columns :func:`match` found, in one ``mode`` or a mode for each row.

    Raises DataError for a table, called ``table``, without rows, and for values that the wire can't hold.
    """
    tokens = as_numbers(columns[names["token"]], names["token"])
    if not tokens.size:
        raise DataError(f"{table} has no rows", hint="Give a table with ticks in it")
    ticks = np.zeros(tokens.size, TICK_DTYPE)
    ticks["token"] = _within(table, names["token"], tokens, 1, 2**32 - 1)
    scale = divisors(ticks["token"])
    for name in PRICES:
        if name in names:
            prices = np.rint(as_numbers(columns[names[name]], names[name]) * scale)
            ticks[name] = _within(table, names[name], prices, -(2**31), 2**31 - 1)
    for name in COUNTS:
        if name in names:
            counts = as_numbers(columns[names[name]], names[name])
            ticks[name] = _within(table, names[name], counts, 0, 2**32 - 1)
    ticks["ts_event_s"] = as_epoch_ms(columns[names.get("event", names["time"])]) // 1000
    ticks["mode"] = mode
    ticks["flags"] = _flags(ticks)
    return ticks


def _flags(ticks: Records) -> NDArray[np.uint16]:
    mode, index = ticks["mode"], ticks["token"] & 0xFF == INDICES
    found = np.where(mode > MODE_LTP, FLAG_OHLC, 0) | np.where((mode == MODE_FULL) & ~index, FLAG_DEPTH, 0)
    return (found | np.where(index, FLAG_INDEX, 0)).astype(np.uint16)


def _within(table: str, name: str, values: NDArray[np.float64], low: int, high: int) -> NDArray[np.float64]:
    bad = np.flatnonzero((values < low) | (values > high))
    if bad.size:
        raise DataError(
            f"Row {int(bad[0]) + 1} of {table} can't be sent",
            why=f"its {name} doesn't fit the wire's 32 bits ({values[bad[0]]:g})",
            hint="Correct the table; a token is a whole number, a price is in rupees",
        )
    return values


def depth_records(
    columns: Columns,
    names: Mapping[str, str],
    depth_names: Mapping[tuple[str, str, int], str],
    tokens: NDArray[np.uint32],
) -> Records:
    """(n,) DEPTH_DTYPE of the columns :func:`depth_columns` found."""
    depth = np.zeros(len(tokens), DEPTH_DTYPE)
    scale = divisors(tokens)
    for (side, field, level), name in depth_names.items():
        values = as_numbers(columns[name], name)
        depth[side][field][:, level] = np.rint(values * scale) if field == "price" else values
    if "last_trade_time" in names:
        depth["last_trade_time"] = as_epoch_ms(columns[names["last_trade_time"]]) // 1000
    if "oi_day_high" in names:
        depth["oi_day_high"] = as_numbers(columns[names["oi_day_high"]], "oi_day_high")
    if "oi_day_low" in names:
        low = as_numbers(columns[names["oi_day_low"]], "oi_day_low").astype(np.uint32)
        depth["buy"]["pad"][:, 0], depth["buy"]["pad"][:, 1] = low & 0xFFFF, low >> 16
    return depth


def instrument_of(token: int, symbol: str) -> Instrument:
    """What a token and a symbol tell of an instrument; a table knows neither expiry nor strike."""
    segment = SEGMENTS.get(token & 0xFF)
    exchange = segment.exchange if segment else "NSE"
    kind = "EQ"
    if segment and segment.name in ("nfo", "bfo", "cds", "bcd", "mcx", "nco"):
        kind = next((end for end in ("CE", "PE") if symbol.endswith(end)), "FUT")
    suffix = {"EQ": "", "FUT": "-FUT"}.get(kind, "-OPT")
    name = "INDICES" if token & 0xFF == INDICES else exchange + suffix
    return Instrument(token, str(token >> 8), symbol, "", 0.0, None, 0.0, 0.05, 1, kind, name, exchange)
