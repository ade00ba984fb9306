"""Bars as users get them: rupees, UTC times, NaN for what there is none of. One row a bar, oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from math import isnan, nan
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.bars import record
from kitecli.bars.record import AUCTIONS, FLAG_OI, FLAG_VOLUME
from kitecli.clock import ist
from kitecli.errors import UsageError
from kitecli.market.segments import divisor_of, is_index

TABLE_DTYPE: Final = np.dtype(
    [
        ("start", "<M8[ms]"),
        ("end", "<M8[ms]"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),
        ("oi", "<f8"),
        ("vwap", "<f8"),
        ("ticks", "<u4"),
        ("token", "<u4"),
        ("flags", "<u2"),
        ("revision", "u1"),
    ]
)
"""``start``, ``end``: UTC. Prices and ``vwap`` in rupees, ``volume`` and ``oi`` in shares or contracts. ``volume`` and
``vwap`` are NaN for an index and in ltp mode, ``oi`` where the packet carries none, ``vwap`` also where nothing was
traded. ``flags``: :data:`FLAG_NAMES`. ``revision``: how often late ticks have changed it since it was closed."""

FLAG_NAMES: Final = MappingProxyType(
    {
        name.removeprefix("FLAG_").lower(): bit
        for name, bit in vars(record).items()
        if name.startswith("FLAG_") and bit not in (FLAG_VOLUME, FLAG_OI)  # NaN says these
    }
)
"""What may be said of a bar, with its bit: ``open``, ``partial``, ``gap`` … docs/bars.md explains them."""

_PRICES: Final = ("open", "high", "low", "close")
_DIVISORS: Final = np.array([divisor_of(segment) for segment in range(256)], np.float64)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. Times are aware, in IST; ``volume``, ``oi`` and ``vwap`` are None where there is none."""

    instrument_token: int
    start: datetime
    end: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int | None
    oi: int | None
    vwap: float | None
    ticks: int
    flags: tuple[str, ...]
    revision: int


def table_of(bars: NDArray[np.void]) -> NDArray[np.void]:
    """Records ``BAR_DTYPE`` (n,) as rows ``TABLE_DTYPE`` (n,), in their order; a copy."""
    table = np.empty(bars.size, TABLE_DTYPE)
    divisors = _DIVISORS[bars["token"] & 0xFF]
    table["start"] = bars["start_ms"]
    table["end"] = bars["start_ms"] + bars["length_ms"]
    for name in _PRICES:
        table[name] = bars[name] / divisors
    traded = np.where(bars["flags"] & FLAG_VOLUME, bars["volume"], nan)
    table["volume"] = traded
    table["oi"] = np.where(bars["flags"] & FLAG_OI, bars["oi"], nan)
    table["vwap"] = bars["turnover"] / (np.where(traded > 0, traded, nan) * divisors)
    for name in ("ticks", "token", "flags", "revision"):
        table[name] = bars[name]
    return table


def continuous(bars: NDArray[np.void]) -> NDArray[np.void]:
    """Those of ``bars``, records or rows (n,), that aren't of an auction, the post-close, or outside all sessions."""
    others = bars["flags"] & AUCTIONS != 0
    return bars[~others] if others.any() else bars


def flag_names(flags: int) -> tuple[str, ...]:
    """What ``flags`` say, as words."""
    return tuple(name for name, bit in FLAG_NAMES.items() if flags & bit)


def flagged(table: NDArray[np.void], name: str) -> NDArray[np.bool_]:
    """Which rows (n,) carry a flag of :data:`FLAG_NAMES`. Raises :class:`UsageError` for what is none."""
    if name not in FLAG_NAMES:
        raise UsageError(f"{name!r} is no flag of a bar", why=f"the flags are {', '.join(FLAG_NAMES)}")
    carried: NDArray[np.bool_] = table["flags"] & FLAG_NAMES[name] != 0
    return carried


def vwap(table: NDArray[np.void]) -> float:
    """The average price of all that was traded in rows (n,) of one instrument; NaN where nothing was.

    Raises :class:`UsageError` for an index: nothing of it is ever traded.
    """
    if table.size and is_index(int(table["token"][0])):
        raise UsageError("An index has no VWAP", why="it isn't traded, and has no volume", hint="take a future on it")
    traded = table[table["volume"] > 0]
    volume = float(traded["volume"].sum())
    return float((traded["vwap"] * traded["volume"]).sum()) / volume if volume else nan


def bars_of(table: NDArray[np.void]) -> Iterator[Bar]:
    """A :class:`Bar` for each row (n,)."""
    starts, ends = table["start"].astype(np.int64).tolist(), table["end"].astype(np.int64).tolist()
    for row, start_ms, end_ms in zip(table.tolist(), starts, ends, strict=True):
        _, _, open_, high, low, close, volume, oi, mean, ticks, token, flags, revision = row
        yield Bar(
            token,
            ist(start_ms / 1000),
            ist(end_ms / 1000),
            open_,
            high,
            low,
            close,
            _whole(volume),
            _whole(oi),
            None if isnan(mean) else mean,
            ticks,
            flag_names(flags),
            revision,
        )


def _whole(count: float) -> int | None:
    return None if isnan(count) else int(count)
