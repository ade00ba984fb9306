"""A table of real ticks as a source: every row is sent once, in the table's order, at the pace it was recorded.

A recorded source isn't conflated again, and nothing is dropped: a client that doesn't read makes the tape wait.
The mode follows the columns: quotes where there is volume, full where there is depth, last prices otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.clock import IST, ist
from kitecli.errors import DataError, UsageError
from kitecli.market.instruments import Instrument
from kitecli.market.segments import DEFAULT_DIVISOR, INDICES, SEGMENTS
from kitecli.market.tick import (
    DEPTH_DTYPE,
    FLAG_DEPTH,
    FLAG_INDEX,
    FLAG_OHLC,
    MODE_FULL,
    MODE_LTP,
    MODE_QUOTE,
    TICK_DTYPE,
)
from kitecli.sim.source import Batch, Records, Slots, put_depth, put_ticks, take_depth, take_ticks
from kitecli.sim.table import Column, Columns, as_epoch_ms, as_numbers, as_texts, read_table

NS_PER_MS: Final = 1_000_000
BATCH_ROWS: Final = 1000  # what one call gives at most, so that a slow client holds up little

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "token": ("instrument_token", "token"),
    "time": ("ltt_ms", "ts_ms", "time", "timestamp", "exchange_timestamp", "last_trade_time", "ts"),
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
    "symbol": ("tradingsymbol", "symbol"),
}
REQUIRED: Final = ("token", "time", "last_price")
_PRICES: Final = ("last_price", "average_price", "open", "high", "low", "close")
_COUNTS: Final = ("last_quantity", "volume", "buy_quantity", "sell_quantity", "oi")
_SIDES: Final = {"buy": ("buy", "bid"), "sell": ("sell", "ask", "offer")}
_FIELDS: Final = {"price": ("price",), "quantity": ("quantity", "qty"), "orders": ("orders",)}


class TableSource:
    """A :class:`~kitecli.sim.source.Source` of the rows of ``path``, a .csv, .csv.gz or .parquet file.

    ``speed``: times as fast as recorded; 0 is as fast as the clients read. ``start``: "HH:MM[:SS]" of the table's
    first day or an ISO time, IST. Raises DataError for a file that can't be used, naming the columns it lacks;
    EnvironmentProblem where Parquet can't be read; UsageError for a start that isn't in the table.
    """

    lossless = True

    def __init__(self, path: Path, *, speed: float = 1.0, start: str = "") -> None:
        if speed < 0:
            raise UsageError(f"A speed of {speed:g} isn't possible", hint="Give --speed 0 (no pauses) or more")
        columns = read_table(path)
        names = _match(path, columns)
        depth_names = _depth_columns(columns)
        self._speed = speed
        self.mode = MODE_FULL if depth_names else MODE_QUOTE if "volume" in names else MODE_LTP
        self._ticks = _tick_records(path, columns, names, self.mode)
        self._depth = _depth_records(columns, names, depth_names, self._ticks) if depth_names else None
        tokens, firsts, self._slots = np.unique(self._ticks["token"], return_index=True, return_inverse=True)
        symbols = as_texts(columns[names["symbol"]][firsts]) if "symbol" in names else tokens.astype(str)
        self.instruments = [
            _instrument(token, symbol) for token, symbol in zip(tokens.tolist(), symbols.tolist(), strict=True)
        ]
        # Rows that go back in time are sent where they stand, without a pause.
        self._pace_ms = np.maximum.accumulate(as_epoch_ms(columns[names["time"]]))
        self._at = self._position(start)
        self._origin_ms = int(self._pace_ms[self._at])
        self._begun_ns = self._now_ns = 0
        self._board = np.zeros(len(tokens), TICK_DTYPE)
        self._board_depth = None if self._depth is None else np.zeros(len(tokens), DEPTH_DTYPE)

    @property
    def ended(self) -> bool:
        return self._at == len(self._ticks)

    def begin(self, now_ns: int) -> None:
        self._begun_ns = self._now_ns = now_ns

    def advance(self, now_ns: int) -> Batch:
        """The next rows that are due, a thousand at most."""
        self._now_ns = now_ns
        end = min(self._due(now_ns), self._at + BATCH_ROWS)
        rows = slice(self._at, max(end, self._at))
        self._at = rows.stop
        slots, ticks = self._slots[rows], self._ticks[rows]
        depth = None if self._depth is None else self._depth[rows]
        put_ticks(self._board, slots, ticks)
        if depth is not None and self._board_depth is not None:
            put_depth(self._board_depth, slots, depth)
        return Batch(slots, ticks, depth)

    def cached(self, slots: Slots) -> Batch:
        slots = slots[self._board["token"][slots] != 0]
        depth = None if self._board_depth is None else take_depth(self._board_depth, slots)
        return Batch(slots, take_ticks(self._board, slots), depth)

    def next_ns(self) -> int:
        if self.ended:
            return 2**63 - 1
        if not self._speed:
            return self._now_ns
        return self._begun_ns + round((int(self._pace_ms[self._at]) - self._origin_ms) / self._speed * NS_PER_MS)

    def rows_of(self, slot: int) -> Records:
        """All ticks of an instrument, sent already or not."""
        return take_ticks(self._ticks, np.flatnonzero(self._slots == slot))

    def _due(self, now_ns: int) -> int:
        if not self._speed:
            return len(self._ticks)
        elapsed_ms = (now_ns - self._begun_ns) / NS_PER_MS * self._speed
        return int(np.searchsorted(self._pace_ms, self._origin_ms + elapsed_ms, "right"))

    def _position(self, start: str) -> int:
        if not start:
            return 0
        first, last = ist(int(self._pace_ms[0]) / 1000), ist(int(self._pace_ms[-1]) / 1000)
        wanted = _start_time(start, first)
        at = int(np.searchsorted(self._pace_ms, wanted.timestamp() * 1000, "left"))
        if at == len(self._pace_ms):
            raise UsageError(
                f"The table has no ticks from {wanted:%Y-%m-%d %H:%M:%S} IST on",
                why=f"it goes from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}",
                hint="Give --start a time between the two",
            )
        return at


def _start_time(text: str, first: datetime) -> datetime:
    try:
        if "-" in text:
            at = datetime.fromisoformat(text)
            return at if at.tzinfo else at.replace(tzinfo=IST)
        return datetime.combine(first.date(), time.fromisoformat(text), IST)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time to start at", hint="Write --start 09:45, 09:45:30 or 2024-06-27T09:45:30, in IST"
        ) from None


def _match(path: Path, columns: Columns) -> dict[str, str]:
    """Our names to the table's."""
    found = {
        name: next(alias for alias in aliases if alias in columns)
        for name, aliases in ALIASES.items()
        if any(alias in columns for alias in aliases)
    }
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise DataError(
            f"{path.name} lacks " + " and ".join(f"a column {' or '.join(ALIASES[name])}" for name in missing),
            why="a tick needs its instrument, its time and its price",
            hint=f"Its columns are {', '.join(columns)}; rename those that mean it",
        )
    return found


def _depth_columns(columns: Columns) -> dict[tuple[str, str, int], str]:
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


def _divisors(tokens: NDArray[np.uint32]) -> NDArray[np.float64]:
    table = np.full(256, DEFAULT_DIVISOR, np.float64)
    for segment in SEGMENTS.values():
        table[segment.code] = segment.divisor
    divisors: NDArray[np.float64] = table[tokens & 0xFF]
    return divisors


def _tick_records(path: Path, columns: Columns, names: Mapping[str, str], mode: int) -> Records:
    tokens = as_numbers(columns[names["token"]])
    if not tokens.size:
        raise DataError(f"{path.name} has no rows", hint="Give a table with ticks in it")
    ticks = np.zeros(tokens.size, TICK_DTYPE)
    ticks["token"] = _within(path, names["token"], tokens, 1, 2**32 - 1)
    divisors = _divisors(ticks["token"])
    for name in _PRICES:
        if name in names:
            ticks[name] = _wire_prices(path, names[name], columns[names[name]], divisors)
    for name in _COUNTS:
        if name in names:
            ticks[name] = _within(path, names[name], as_numbers(columns[names[name]]), 0, 2**32 - 1)
    ticks["ts_event_s"] = as_epoch_ms(columns[names["time"]]) // 1000
    ticks["mode"] = mode
    index = ticks["token"] & 0xFF == INDICES
    kind = (FLAG_OHLC if mode > MODE_LTP else 0) | (FLAG_DEPTH if mode == MODE_FULL else 0)
    ticks["flags"] = np.where(index, (kind & ~FLAG_DEPTH) | FLAG_INDEX, kind)
    return ticks


def _wire_prices(path: Path, name: str, column: Column, divisors: NDArray[np.float64]) -> NDArray[np.float64]:
    return _within(path, name, np.rint(as_numbers(column) * divisors), -(2**31), 2**31 - 1)


def _within(path: Path, name: str, values: NDArray[np.float64], low: int, high: int) -> NDArray[np.float64]:
    bad = np.flatnonzero((values < low) | (values > high))
    if bad.size:
        raise DataError(
            f"Row {int(bad[0]) + 1} of {path.name} can't be sent",
            why=f"its {name} doesn't fit the wire's 32 bits ({values[bad[0]]:g})",
            hint="Correct the table; a token is a whole number, a price is in rupees",
        )
    return values


def _depth_records(
    columns: Columns, names: Mapping[str, str], depth_names: Mapping[tuple[str, str, int], str], ticks: Records
) -> Records:
    depth = np.zeros(len(ticks), DEPTH_DTYPE)
    divisors = _divisors(ticks["token"])
    for (side, field, level), name in depth_names.items():
        values = as_numbers(columns[name])
        depth[side][field][:, level] = np.rint(values * divisors) if field == "price" else values
    if "last_trade_time" in names:
        depth["last_trade_time"] = as_epoch_ms(columns[names["last_trade_time"]]) // 1000
    if "oi_day_high" in names:
        depth["oi_day_high"] = as_numbers(columns[names["oi_day_high"]])
    if "oi_day_low" in names:
        low = as_numbers(columns[names["oi_day_low"]]).astype(np.uint32)
        depth["buy"]["pad"][:, 0], depth["buy"]["pad"][:, 1] = low & 0xFFFF, low >> 16
    return depth


def _instrument(token: int, symbol: str) -> Instrument:
    """What a token and a symbol tell of an instrument; a table knows neither expiry nor strike."""
    segment = SEGMENTS.get(token & 0xFF)
    exchange = segment.exchange if segment else "NSE"
    kind = "EQ"
    if segment and segment.name in ("nfo", "bfo", "cds", "bcd", "mcx", "nco"):
        kind = next((end for end in ("CE", "PE") if symbol.endswith(end)), "FUT")
    suffix = {"EQ": "", "FUT": "-FUT"}.get(kind, "-OPT")
    name = "INDICES" if token & 0xFF == INDICES else exchange + suffix
    return Instrument(token, str(token >> 8), symbol, "", 0.0, None, 0.0, 0.05, 1, kind, name, exchange)
