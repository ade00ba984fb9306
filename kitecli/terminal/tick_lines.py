"""Many ticks as NDJSON at once: column by column, several times as quick as one :class:`Tick` after the other.

The lines are those of :meth:`Tick.to_json_dict`, which the test holds them against, character by character.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kitecli.market.calendar.session import IST_OFFSET_S
from kitecli.market.tick import FLAG_DEPTH, FLAG_INDEX, FLAG_OHLC, FLAG_SNAPSHOT, MODE_FULL, MODE_LTP
from kitecli.market.view import DIVISORS, SHAPES, Tick, ticks_of
from kitecli.ring.reader import Batch

Values = list[Any]  # Any: what "%s" makes JSON of
_SCALE: Final = np.array(DIVISORS, np.float64)
_LEVEL: Final = '{"quantity":%s,"price":%s,"orders":%s}'
_FORMS: Final = {
    "ohlc": '{"open":%s,"high":%s,"low":%s,"close":%s}',
    "depth": f'{{"buy":[{",".join([_LEVEL] * 5)}],"sell":[{",".join([_LEVEL] * 5)}]}}',
}
_INTEGERS: Final = {
    "last_traded_quantity": "last_quantity",
    "volume_traded": "volume",
    "total_buy_quantity": "buy_quantity",
    "total_sell_quantity": "sell_quantity",
    "oi": "oi",
}
_HEAD: Final = 3  # tradable, mode, instrument_token: the same in all lines of an instrument's mode
_BOOL: Final = ("false", "true")


def json_line(tick: Tick, label: str | None) -> str:
    """One tick's line."""
    more = {"sequence": tick.sequence, "ts_recv_ns": tick.ts_recv_ns, "snapshot": tick.snapshot}
    return json.dumps({**tick.to_json_dict(label), **more}, separators=(",", ":")) + "\n"


def json_lines(batch: Batch, labels: Mapping[int, str]) -> list[str]:
    """A line for each tick of a batch, in its order."""
    lines = [""] * len(batch)
    modes, flags = batch.ticks["mode"], batch.ticks["flags"]
    usual = _is_usual(modes, flags, has_depth=batch.depth is not None)
    for (mode, is_index), names in SHAPES.items():
        rows = np.flatnonzero(usual & (modes == mode) & ((flags & FLAG_INDEX != 0) == is_index))
        if rows.size:
            found = _of_shape(names, batch, rows, labels)
            for row, line in zip(rows.tolist(), found, strict=True):
                lines[row] = line
    for row in np.flatnonzero(~usual).tolist():
        depth = None if batch.depth is None else batch.depth[row : row + 1]
        (tick,) = ticks_of(batch.ticks[row : row + 1], depth, batch.sequences[row : row + 1])
        lines[row] = json_line(tick, labels.get(tick.instrument_token))
    return lines


def _is_usual(modes: NDArray[np.uint8], flags: NDArray[np.uint16], *, has_depth: bool) -> NDArray[np.bool_]:
    """Where a tick has all that its mode carries, as whatever the broker sends has."""
    index = flags & FLAG_INDEX != 0
    booked: NDArray[np.bool_] = (modes != MODE_FULL) | index | ((flags & FLAG_DEPTH != 0) & has_depth)
    found: NDArray[np.bool_] = (modes == MODE_LTP) | ((flags & FLAG_OHLC != 0) & booked)
    return found


def _of_shape(names: tuple[str, ...], batch: Batch, rows: NDArray[np.intp], labels: Mapping[int, str]) -> Iterator[str]:
    ticks = batch.ticks[rows]
    depth = None if batch.depth is None else batch.depth[rows]
    line = ",".join(
        f'"{name}":{_FORMS.get(name, "%s")}' for name in (*names[_HEAD:], "sequence", "ts_recv_ns", "snapshot")
    )
    scale = _SCALE[ticks["token"] & 0xFF]
    columns = [column for name in names[_HEAD:] for column in _columns(name, ticks, depth, scale)]
    columns += [
        batch.sequences[rows].tolist(),
        ticks["ts_recv_ns"].tolist(),
        _words(ticks["flags"] & FLAG_SNAPSHOT != 0),
    ]
    heads = _heads(ticks, labels)
    return map(f"%s{line}}}\n".__mod__, zip(heads, *columns, strict=True))


def _heads(ticks: NDArray[np.void], labels: Mapping[int, str]) -> Values:
    known: dict[int, str] = {}
    for token, first in zip(*(found.tolist() for found in np.unique(ticks["token"], return_index=True)), strict=True):
        (tick,) = ticks_of(ticks[first : first + 1])
        whole = tick.to_json_dict(labels.get(token))
        head = {name: whole[name] for name in ("instrument", "tradable", "mode", "instrument_token") if name in whole}
        known[token] = json.dumps(head, separators=(",", ":"))[:-1] + ","
    return [known[token] for token in ticks["token"].tolist()]


def _columns(
    name: str, ticks: NDArray[np.void], depth: NDArray[np.void] | None, scale: NDArray[np.float64]
) -> Iterator[Values]:
    """The values of a field, one column after the other."""
    if name in _INTEGERS:
        yield ticks[_INTEGERS[name]].tolist()
    elif name in _OTHERS:
        yield _OTHERS[name](ticks, scale)
    elif name == "ohlc":
        yield from ((ticks[field] / scale).tolist() for field in ("open", "high", "low", "close"))
    elif depth is not None:
        yield from _of_book(name, depth, scale)


def _change(ticks: NDArray[np.void], scale: NDArray[np.float64]) -> Values:
    last, close = ticks["last_price"] / scale, ticks["close"] / scale
    there = close != 0
    found: Values = np.where(there, (last - close) * 100 / np.where(there, close, 1), 0.0).tolist()
    return found


_OTHERS: Final[Mapping[str, Callable[[NDArray[np.void], NDArray[np.float64]], Values]]] = {
    "last_price": lambda ticks, scale: (ticks["last_price"] / scale).tolist(),
    "average_traded_price": lambda ticks, scale: (ticks["average_price"] / scale).tolist(),
    "change": _change,
    "exchange_timestamp": lambda ticks, _: _times(ticks["ts_event_s"]),
}


def _of_book(name: str, depth: NDArray[np.void], scale: NDArray[np.float64]) -> Iterator[Values]:
    if name == "last_trade_time":
        yield _times(depth["last_trade_time"])
    elif name == "oi_day_high":
        yield depth["oi_day_high"].tolist()
    elif name == "oi_day_low":
        pad = depth["buy"]["pad"].astype(np.uint32)
        yield (pad[:, 0] | pad[:, 1] << 16).tolist()
    else:
        for level in (depth[side][:, at] for side in ("buy", "sell") for at in range(5)):
            yield from (level["quantity"].tolist(), (level["price"] / scale).tolist(), level["orders"].tolist())


def _times(stamps: NDArray[np.uint32]) -> Values:
    clocks = np.datetime_as_string((stamps.astype(np.int64) + IST_OFFSET_S).astype("M8[s]")).tolist()
    return [f'"{clock}+05:30"' if stamp else "null" for clock, stamp in zip(clocks, stamps.tolist(), strict=True)]


def _words(values: NDArray[np.bool_]) -> Values:
    return [_BOOL[value] for value in values.tolist()]
