"""Ticks as the official client's dictionaries: its keys, their order, its types; prices in rupees.

They differ from what that client (kiteconnect 5.2.2) makes of the same packets in one thing: prices are signed, so a
negative one is −37.63 and not 42949635.33.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from struct import Struct
from typing import Any, Final

from kitecli.clock import ist
from kitecli.market.segments import INDICES
from kitecli.market.tick import FLAG_DEPTH, FLAG_INDEX, FLAG_SNAPSHOT, MODE_FULL, MODE_LTP, MODE_QUOTE
from kitecli.market.view import (
    DEPTH_TAIL,
    DEPTH_TAIL_AT,
    DIVISORS,
    MODE_NAMES,
    OI_DAY_LOW_HALVES,
    OPAQUE_DEPTH,
    RECORD,
)
from kitecli.ring.reader import Batch

TickDict = dict[str, Any]  # Any: numbers, times, dictionaries; scripts know which by the key
_Record = tuple[int, ...]

_SIDE: Final = Struct(">" + 5 * "IiH2x")  # of a depth; drawn in kitecli.protocol.layout

_TIMES_KEPT: Final = 4096
"""Ticks of one second share its datetime, which takes 0.4 us to make; an hour of seconds is plenty."""


@dataclass(slots=True)
class Message:
    """The ticks of one message of the broker's that a script asked for: their places in the batch, and the mode each is
    shown in. ``stamp``: its ``ts_recv_ns`` and connection, by which messages are told apart.
    """

    stamp: tuple[int, int]
    places: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)

    @property
    def connection(self) -> int:
        return self.stamp[1]


class Rows:
    """A batch, copied out of the reader's arrays: dictionaries can be made of it while the next one is read."""

    def __init__(self, batch: Batch) -> None:
        self.records: list[_Record] = list(RECORD.iter_unpack(batch.ticks.tobytes()))
        assert batch.depth is not None  # of the port's promises
        self.books: list[bytes] = batch.depth.view(OPAQUE_DEPTH).tolist()

    def messages(self, wanted: Mapping[int, int]) -> Iterator[Message]:
        """The ticks of the tokens in ``wanted`` (token → mode's code), message by message.

        A feed is shared: a token comes in the richest mode anybody asked for, and is shown in no richer one than this
        script did. What came in a poorer mode stays as it came.
        """
        message = Message((-1, -1))
        for place, record in enumerate(self.records):
            if record[0] != message.stamp[0] or record[15] != message.stamp[1]:
                if message.places:
                    yield message  # whose callback may change what is wanted of the next one
                message = Message((record[0], record[15]))
            mode = wanted.get(record[1])
            if mode is not None:
                message.places.append(place)
                message.modes.append(min(mode, _mode_of(record)))
        if message.places:
            yield message


def _mode_of(record: _Record) -> int:
    """The mode it can be shown in. A full tick whose depth was lost is a quote: scripts count on the key."""
    mode, flags = record[14], record[16]
    return MODE_QUOTE if mode == MODE_FULL and not flags & (FLAG_DEPTH | FLAG_INDEX) else mode


class TickDictionaries:
    """Makes them. ``aware``: times in IST, None where the broker sent none; otherwise naive ones in the host's zone, as
    the official client has it. ``mark_snapshots``: with a key ``snapshot`` more.
    """

    def __init__(self, *, aware: bool = False, mark_snapshots: bool = False) -> None:
        self._aware = aware
        self._mark_snapshots = mark_snapshots
        self._times: dict[int, datetime | None] = {}

    def of(self, rows: Rows, message: Message) -> list[TickDict]:
        places = zip(message.places, message.modes, strict=True)
        return [self.one(rows.records[place], rows.books[place], mode) for place, mode in places]

    def one(self, record: _Record, book: bytes, mode: int) -> TickDict:
        """``record``: a ``TICK_DTYPE`` as integers; ``book``: the 128 bytes of its depth; ``mode``: to show it in."""
        if mode == MODE_LTP:
            tick = _ltp(record)
        elif record[16] & FLAG_INDEX:
            tick = _index(record, mode)
            if mode == MODE_FULL:
                tick["exchange_timestamp"] = self._time(record[13])
        else:
            tick = _quote(record, mode)
            if mode == MODE_FULL:
                self._add_full(tick, record, book)
        if self._mark_snapshots:
            tick["snapshot"] = bool(record[16] & FLAG_SNAPSHOT)
        return tick

    def _add_full(self, tick: TickDict, record: _Record, book: bytes) -> None:
        last_trade_s, oi_day_high = DEPTH_TAIL.unpack_from(book, DEPTH_TAIL_AT)
        low, high = OI_DAY_LOW_HALVES.unpack_from(book)
        tick["last_trade_time"] = self._time(last_trade_s)
        tick["oi"] = record[12]
        tick["oi_day_high"] = oi_day_high
        tick["oi_day_low"] = low | high << 16
        tick["exchange_timestamp"] = self._time(record[13])
        divisor = DIVISORS[record[1] & 0xFF]
        tick["depth"] = {"buy": _side(book, 0, divisor), "sell": _side(book, _SIDE.size, divisor)}

    def _time(self, epoch_s: int) -> datetime | None:
        try:
            return self._times[epoch_s]
        except KeyError:
            if len(self._times) >= _TIMES_KEPT:
                self._times.clear()
        made = self._times[epoch_s] = self._made(epoch_s)
        return made

    def _made(self, epoch_s: int) -> datetime | None:
        if self._aware:
            return ist(epoch_s) if epoch_s else None
        return datetime.fromtimestamp(epoch_s)  # noqa: DTZ006 - naive, in the host's zone, 1970 for none: as officially


def _ltp(record: _Record) -> TickDict:
    token = record[1]
    segment = token & 0xFF
    return {
        "tradable": segment != INDICES,
        "mode": "ltp",
        "instrument_token": token,
        "last_price": record[2] / DIVISORS[segment],
    }


def _index(record: _Record, mode: int) -> TickDict:
    token = record[1]
    segment = token & 0xFF
    divisor = DIVISORS[segment]
    price, close = record[2] / divisor, record[11] / divisor
    return {
        "tradable": segment != INDICES,
        "mode": MODE_NAMES[mode],
        "instrument_token": token,
        "last_price": price,
        "ohlc": {
            "high": record[9] / divisor,
            "low": record[10] / divisor,
            "open": record[8] / divisor,
            "close": close,
        },
        "change": (price - close) * 100 / close if close else 0,
    }


def _quote(record: _Record, mode: int) -> TickDict:
    _, token, last, last_quantity, average, volume, buying, selling, opened, high, low, closed, *_ = record
    segment = token & 0xFF
    divisor = DIVISORS[segment]
    price, close = last / divisor, closed / divisor
    return {
        "tradable": segment != INDICES,
        "mode": MODE_NAMES[mode],
        "instrument_token": token,
        "last_price": price,
        "last_traded_quantity": last_quantity,
        "average_traded_price": average / divisor,
        "volume_traded": volume,
        "total_buy_quantity": buying,
        "total_sell_quantity": selling,
        "ohlc": {"open": opened / divisor, "high": high / divisor, "low": low / divisor, "close": close},
        "change": (price - close) * 100 / close if close else 0,
    }


def _side(book: bytes, offset: int, divisor: int) -> list[dict[str, Any]]:
    """Five levels, spelt out: a loop over them takes a third longer."""
    q0, p0, o0, q1, p1, o1, q2, p2, o2, q3, p3, o3, q4, p4, o4 = _SIDE.unpack_from(book, offset)
    return [
        {"quantity": q0, "price": p0 / divisor, "orders": o0},
        {"quantity": q1, "price": p1 / divisor, "orders": o1},
        {"quantity": q2, "price": p2 / divisor, "orders": o2},
        {"quantity": q3, "price": p3 / divisor, "orders": o3},
        {"quantity": q4, "price": p4 / divisor, "orders": o4},
    ]
