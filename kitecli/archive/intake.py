"""A file of ticks as the packets that hold them, and what of it no packet has room for.

What is left out is counted by what it is, never dropped in silence::

    ltp     the last price
    quote   and quantities, volume, the day's prices
    full    and open interest, the exchange's times, depth
    index   of any mode: no quantities, no open interest, no depth
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.archive.official import is_official, read_official
from kitecli.clock import NS_PER_S
from kitecli.errors import DataError
from kitecli.market.segments import INDICES
from kitecli.market.tick import MODE_FULL, MODE_LTP, MODE_QUOTE
from kitecli.protocol.layout import MODE_CODES
from kitecli.tables.reading import Column, Columns, as_epoch_ns, as_numbers, as_texts, read_table
from kitecli.tables.ticks import (
    PRICES,
    REQUIRED,
    depth_columns,
    depth_records,
    divisors,
    match,
    tick_records,
)

Records = NDArray[np.void]
_QUANTITIES: Final = ("last_quantity", "average_price", "volume", "buy_quantity", "sell_quantity")
_DAY: Final = ("open", "high", "low", "close")
_OF_FULL: Final = ("oi", "oi_day_high", "oi_day_low", "event", "last_trade_time")
_NOT_OF_INDEX: Final = frozenset({*_QUANTITIES, "oi", "oi_day_high", "oi_day_low", "last_trade_time"})
_WHOLE: Final = ("last_quantity", "volume", "buy_quantity", "sell_quantity", "oi", "oi_day_high", "oi_day_low")
_ROUNDING: Final = 1e-4  # of a wire's step: what float64 makes of a price isn't a finer one


@dataclass(frozen=True, slots=True)
class Intake:
    """``ticks``: (n,) TICK_DTYPE in the file's order, stamped. ``depth``: (n,) DEPTH_DTYPE, None where no tick is full.
    ``symbols``: token → symbol, where the file has them. ``left_out``: what no packet holds, and of how many ticks.
    """

    name: str
    ticks: Records
    depth: Records | None
    symbols: Mapping[int, str]
    stamps: str
    left_out: Counter[str]


def take_in(path: Path, mode: str | None = None) -> Intake:
    """The ticks of a table (.csv, .csv.gz, .parquet) or of saved ticks (pickle, JSON, NDJSON).

    ``mode``: of every packet; None: each tick's own, where the file says it, or the least that holds all columns.
    Raises DataError for a file that can't be used, with the column and row; EnvironmentProblem as ``read_table``.
    """
    if is_official(path):
        columns, left_out = read_official(path)
    else:
        columns, left_out = read_table(path), Counter[str]()
    names, depth_names = match(path.name, columns), depth_columns(columns)
    _check_required(path.name, columns, names)
    modes = _modes(path.name, columns, names, bool(depth_names), mode)
    ticks = tick_records(path.name, columns, names, modes)
    ticks["ts_recv_ns"] = as_epoch_ns(columns[names["time"]])
    if "connection" in names:
        ticks["connection"] = as_numbers(columns[names["connection"]], "connection")
    full = (modes == MODE_FULL) & (ticks["token"] & 0xFF != INDICES)
    depth = depth_records(columns, names, depth_names, ticks["token"]) if full.any() else None
    left_out.update(_without_room(columns, names, ticks))
    left_out.update(_inexact(columns, names, ticks))
    left_out.update(_of_depth(columns, depth_names, full, modes))
    if not is_official(path):
        left_out.update(_unknown(columns, names, depth_names, len(ticks)))
    return Intake(path.name, ticks, depth, _symbols(columns, names, ticks), names["time"], +left_out)


def _check_required(table: str, columns: Columns, names: Mapping[str, str]) -> None:
    for name in REQUIRED:
        empty = np.flatnonzero(_missing(columns[names[name]]))
        if empty.size:
            raise DataError(
                f"Row {int(empty[0]) + 1} of {table} lacks its {names[name]}",
                why=f"{empty.size:,} of {len(columns[names[name]]):,} rows do",
                hint="A tick needs its instrument, its time and its price: leave such rows out",
            )


def _missing(column: Column) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.ma.getmaskarray(column).copy()
    values = np.ma.getdata(column)
    if values.dtype.kind in "UO":
        found |= values == ""
    elif values.dtype.kind == "f":
        found |= np.isnan(values)
    elif values.dtype.kind == "M":
        found |= np.isnat(values)
    return found


def _modes(
    table: str, columns: Columns, names: Mapping[str, str], has_depth: bool, mode: str | None
) -> NDArray[np.uint8]:
    count = len(columns[names["token"]])
    if mode is not None:
        return np.full(count, MODE_CODES[mode], np.uint8)
    if "mode" in names:
        texts = as_texts(columns[names["mode"]])
        unknown = np.flatnonzero(~np.isin(texts, list(MODE_CODES)))
        if unknown.size:
            raise DataError(
                f"Row {int(unknown[0]) + 1} of {table} has an unknown mode, {str(texts[unknown[0]])!r}",
                hint="The modes are ltp, quote and full; --mode gives all rows one",
            )
        return np.select([texts == "full", texts == "quote"], [MODE_FULL, MODE_QUOTE], MODE_LTP).astype(np.uint8)
    beside = {name for name in names if name in _OF_FULL and names[name] != names["time"]}
    quoted = {name for name in names if name in (*_QUANTITIES, *_DAY)}
    return np.full(count, MODE_FULL if beside or has_depth else MODE_QUOTE if quoted else MODE_LTP, np.uint8)


def _without_room(columns: Columns, names: Mapping[str, str], ticks: Records) -> dict[str, int]:
    """Values that a packet of their tick's mode, or an index's packet, has no field for."""
    found = {}
    index = ticks["token"] & 0xFF == INDICES
    for name in (*_QUANTITIES, *_DAY, *_OF_FULL):
        if name not in names or names[name] == names["time"]:
            continue
        homeless = ticks["mode"] < (MODE_FULL if name in _OF_FULL else MODE_QUOTE)
        if name in _NOT_OF_INDEX:
            homeless = homeless | index
        values = (
            as_epoch_ns(columns[names[name]]) if name in ("event", "last_trade_time") else _values(columns, names, name)
        )
        found[f"{names[name]}: no room in their packets"] = int(np.count_nonzero(homeless & (values != 0)))
    return found


def _inexact(columns: Columns, names: Mapping[str, str], ticks: Records) -> dict[str, int]:
    """Values that a packet's field holds less exactly than the file."""
    found = {}
    scale = divisors(ticks["token"])
    for name in PRICES:
        if name in names:
            finer = np.abs(_values(columns, names, name) * scale - ticks[name]) > _ROUNDING
            found[f"{names[name]}: rounded to the broker's step"] = int(np.count_nonzero(finer))
    for name in _WHOLE:
        if name in names:
            values = _values(columns, names, name)
            found[f"{names[name]}: cut to whole numbers"] = int(np.count_nonzero(values % 1))
    carried = ticks["mode"] == MODE_FULL
    for name in ("event", "last_trade_time"):
        column = names.get(name, names["time"] if name == "event" else "")
        if column:
            parts = as_epoch_ns(columns[column]) % NS_PER_S != 0
            kept = ", kept as time of receipt" if column == names["time"] else ""
            found[f"{column}: cut to whole seconds{kept}"] = int(np.count_nonzero(parts & carried))
    return found


def _of_depth(
    columns: Columns,
    depth_names: Mapping[tuple[str, str, int], str],
    full: NDArray[np.bool_],
    modes: NDArray[np.uint8],
) -> dict[str, int]:
    if not depth_names:
        return {"depth: the file has none, so these ticks' books are empty": int(np.count_nonzero(full))}
    best = [as_numbers(columns[depth_names[side, "price", 0]]) != 0 for side in ("buy", "sell")]
    found = {"depth: no room in their packets": int(np.count_nonzero((best[0] | best[1]) & (modes < MODE_FULL)))}
    absent = [field for field in ("quantity", "orders") if ("buy", field, 0) not in depth_names]
    return found | {f"depth: the file has no {field}, which are 0": int(np.count_nonzero(full)) for field in absent}


def _unknown(
    columns: Columns, names: Mapping[str, str], depth_names: Mapping[tuple[str, str, int], str], rows: int
) -> dict[str, int]:
    known = {*names.values(), *depth_names.values(), "exchange_token", "sequence", "snapshot"}
    return {f"{name}: no such field in a packet": rows for name in columns if name not in known}


def _values(columns: Columns, names: Mapping[str, str], name: str) -> NDArray[np.float64]:
    return as_numbers(columns[names[name]], names[name])


def _symbols(columns: Columns, names: Mapping[str, str], ticks: Records) -> dict[int, str]:
    if "symbol" not in names:
        return {}
    tokens, firsts = np.unique(ticks["token"], return_index=True)
    symbols = as_texts(columns[names["symbol"]][firsts]).tolist()
    return {token: symbol.rpartition(":")[2] for token, symbol in zip(tokens.tolist(), symbols, strict=True) if symbol}
