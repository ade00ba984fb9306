"""Ticks as the broker's quote interface words them. Sans I/O; shapes as in the broker's own sample responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from kitecli.clock import ist
from kitecli.market.segments import divisor_of
from kitecli.sim.source import Batch, Records, Source

CIRCUIT: Final = 0.1  # of the previous close, each way
_NO_LEVEL: Final = {"price": 0, "quantity": 0, "orders": 0}

# Any: a JSON object, whose values are of every kind.
Quote = dict[str, Any]


class Quotes:
    """Finds instruments by ``EXCHANGE:SYMBOL`` or numeric token and writes down their last tick."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._slots: dict[str, int] = {}
        for slot, instrument in enumerate(source.instruments):
            self._slots[instrument.key] = slot
            self._slots[str(instrument.instrument_token)] = slot

    def full(self, keys: Sequence[str]) -> dict[str, Quote]:
        """By the key as it was asked for; one that is unknown or never ticked is absent."""
        return {key: _full(batch) for key, batch in self._found(keys).items()}

    def ohlc(self, keys: Sequence[str]) -> dict[str, Quote]:
        return {key: _last(batch.ticks) | {"ohlc": _ohlc(batch.ticks)} for key, batch in self._found(keys).items()}

    def ltp(self, keys: Sequence[str]) -> dict[str, Quote]:
        return {key: _last(batch.ticks) for key, batch in self._found(keys).items()}

    def _found(self, keys: Sequence[str]) -> Mapping[str, Batch]:
        batches = {
            key: self._source.cached(np.array([self._slots[key]], np.intp)) for key in keys if key in self._slots
        }
        return {key: batch for key, batch in batches.items() if batch.slots.size}


def _rupees(ticks: Records, name: str) -> float:
    price: float = int(ticks[name][0]) / divisor_of(int(ticks["token"][0]))
    return price


def _last(ticks: Records) -> Quote:
    return {"instrument_token": int(ticks["token"][0]), "last_price": _rupees(ticks, "last_price")}


def _ohlc(ticks: Records) -> Quote:
    return {name: _rupees(ticks, name) for name in ("open", "high", "low", "close")}


def _full(batch: Batch) -> Quote:
    ticks = batch.ticks
    close = _rupees(ticks, "close")
    low_s = int(ticks["ts_event_s"][0])
    return _last(ticks) | {
        "timestamp": _stamp(low_s),
        "last_trade_time": _stamp(low_s if batch.depth is None else int(batch.depth["last_trade_time"][0])),
        "last_quantity": int(ticks["last_quantity"][0]),
        "buy_quantity": int(ticks["buy_quantity"][0]),
        "sell_quantity": int(ticks["sell_quantity"][0]),
        "volume": int(ticks["volume"][0]),
        "average_price": _rupees(ticks, "average_price"),
        "oi": int(ticks["oi"][0]),
        "oi_day_high": 0 if batch.depth is None else int(batch.depth["oi_day_high"][0]),
        "oi_day_low": 0 if batch.depth is None else _oi_day_low(batch.depth),
        "net_change": _rupees(ticks, "last_price") - close if close else 0,
        "lower_circuit_limit": round(close * (1 - CIRCUIT), 2),
        "upper_circuit_limit": round(close * (1 + CIRCUIT), 2),
        "ohlc": _ohlc(ticks),
        "depth": _depth(batch),
    }


def _stamp(epoch_s: int) -> str | None:
    return f"{ist(epoch_s):%Y-%m-%d %H:%M:%S}" if epoch_s else None


def _oi_day_low(depth: Records) -> int:
    pad = depth["buy"]["pad"][0]
    return int(pad[0]) | int(pad[1]) << 16


def _depth(batch: Batch) -> dict[str, list[Quote]]:
    if batch.depth is None:
        return {side: [dict(_NO_LEVEL) for _ in range(5)] for side in ("buy", "sell")}
    divisor = divisor_of(int(batch.ticks["token"][0]))
    return {
        side: [
            {"price": int(level["price"]) / divisor, "quantity": int(level["quantity"]), "orders": int(level["orders"])}
            for level in batch.depth[side][0]
        ]
        for side in ("buy", "sell")
    }
