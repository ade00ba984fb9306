"""Bars and ticks as pandas or polars frames, for who has one of them; neither is imported before it is asked for."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.table import flag_names
from kitecli.clock import IST
from kitecli.errors import EnvironmentProblem, UsageError
from kitecli.market.modes import MODES
from kitecli.market.segments import divisor_of
from kitecli.market.tick import FLAG_INDEX, FLAG_OHLC, FLAG_SNAPSHOT, MODE_FULL

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    Frame: TypeAlias = pd.DataFrame | pl.DataFrame

FrameKind: TypeAlias = Literal["pandas", "polars"]
KINDS: Final = ("pandas", "polars")
INDIA: Final = "Asia/Kolkata"
"""polars wants a zone's name, and carries the zones with it."""

_NUMBERS: Final = ("open", "high", "low", "close", "volume", "oi", "vwap", "ticks", "revision")
_PRICES: Final = ("open", "high", "low", "close")
_QUANTITIES: Final = ("last_quantity", "volume", "buy_quantity", "sell_quantity")
_MODE_NAMES: Final = np.array(("", *MODES))

Columns = dict[str, NDArray[np.generic]]


def bars_frame(table: NDArray[np.void], kind: FrameKind) -> Frame:
    """Rows ``TABLE_DTYPE`` (n,) as a frame: ``start`` and ``end`` in Indian time, flags as words.

    ``start`` is the index of a pandas frame and the first column of one of polars. Raises :class:`UsageError` for
    another kind, :class:`EnvironmentProblem` where the package is missing.
    """
    return _frame(bar_columns(table), kind)


def ticks_frame(ticks: NDArray[np.void], kind: FrameKind) -> Frame:
    """Records ``TICK_DTYPE`` (n,) as a frame: rupees, NaN for what a tick's mode doesn't carry, Indian times.

    ``received`` is the index of a pandas frame and the first column of one of polars. Raises as :func:`bars_frame`.
    """
    return _frame(tick_columns(ticks), kind)


def bar_columns(table: NDArray[np.void]) -> Columns:
    """The columns of :func:`bars_frame`, each (n,); times are UTC here."""
    columns: Columns = {"start": table["start"], "end": table["end"]}
    columns |= {name: table[name] for name in _NUMBERS}
    columns["instrument_token"] = table["token"]
    columns["flags"] = _worded(table["flags"])
    return columns


def tick_columns(ticks: NDArray[np.void]) -> Columns:
    """The columns of :func:`ticks_frame`, each (n,); times are UTC here."""
    divisors = np.array([divisor_of(token) for token in ticks["token"].tolist()], np.float64)
    has_ohlc = ticks["flags"] & FLAG_OHLC != 0
    has_trades = has_ohlc & (ticks["flags"] & FLAG_INDEX == 0)
    is_full = ticks["mode"] == MODE_FULL
    columns: Columns = {"received": ticks["ts_recv_ns"].astype("<M8[ns]")}
    columns["exchange_timestamp"] = _stamps(np.where(is_full, ticks["ts_event_s"], 0))
    columns["instrument_token"] = ticks["token"]
    columns["last_price"] = ticks["last_price"] / divisors
    columns["average_traded_price"] = np.where(has_trades, ticks["average_price"] / divisors, nan)
    columns |= {name: np.where(has_trades, ticks[name], nan) for name in _QUANTITIES}
    columns |= {name: np.where(has_ohlc, ticks[name] / divisors, nan) for name in _PRICES}
    columns["oi"] = np.where(has_trades & is_full, ticks["oi"], nan)
    columns["mode"] = _MODE_NAMES[ticks["mode"]]
    columns["snapshot"] = ticks["flags"] & FLAG_SNAPSHOT != 0
    return columns


def _stamps(seconds: NDArray[np.generic]) -> NDArray[np.datetime64]:
    """The exchange's seconds as times; 0 is none."""
    times = seconds.astype("<M8[s]").astype("<M8[ms]")
    times[seconds == 0] = np.datetime64("NaT")
    return times


def _worded(flags: NDArray[np.uint16]) -> NDArray[np.str_]:
    """The flags of each bar as words with a space between."""
    kinds, at = np.unique(flags, return_inverse=True)
    words: NDArray[np.str_] = np.array([" ".join(flag_names(int(one))) for one in kinds] or [""])[at]
    return words


def _frame(columns: Columns, kind: FrameKind) -> Frame:
    """A frame of columns, the first one of which tells times."""
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of frame", why=f"the choice is {', '.join(KINDS)}", hint="name one")
    try:
        return _of_pandas(columns) if kind == "pandas" else _of_polars(columns)
    except ImportError as cause:
        raise EnvironmentProblem(
            f"{kind} can't be imported",
            why=str(cause),
            hint="pip install 'kitecli[frames]', or leave the frame out: arrays need nothing",
        ) from cause


def _of_pandas(columns: Columns) -> pd.DataFrame:
    import pandas as pd

    made = {
        name: pd.DatetimeIndex(column).tz_localize("UTC").tz_convert(IST) if column.dtype.kind == "M" else column
        for name, column in columns.items()
    }
    return pd.DataFrame(made).set_index(next(iter(columns)))


def _of_polars(columns: Columns) -> pl.DataFrame:
    import polars as pl

    made = {
        name: pl.Series(name, column.tolist(), pl.String) if column.dtype.kind == "U" else column
        for name, column in columns.items()
    }
    times = [name for name, column in columns.items() if column.dtype.kind == "M"]
    return pl.DataFrame(made).with_columns(
        pl.col(times).dt.replace_time_zone("UTC").dt.convert_time_zone(INDIA),
    )
