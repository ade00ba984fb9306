"""The tick as people see it: rupees, aware Indian times and the official client's names, read from a record on demand.

Where it differs from what the official Python client hands out, it does so on purpose:

- prices are signed, so a negative one is −37.63 and not 42949635.33;
- times are aware, in IST, whatever the host's zone; a time of 0, which the broker sends for "none", is None;
- NCO prices are right with every version of that client (its versions before 5.2.2 show them 100 times too large).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import count, repeat
from math import nan
from struct import Struct
from typing import TYPE_CHECKING, Final, TypedDict

from kitecli.clock import ist
from kitecli.market.modes import MODES
from kitecli.market.segments import SEGMENTS, divisor_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A record of kitecli.market.tick.TICK_DTYPE, which the test holds this against. One unpack takes 0.2 us, where
# NumPy's row.item() takes 1.2 us; and a Tick needs no NumPy.
RECORD: Final = Struct("<qIiIiIIIiiiiIIBBH")
(
    _TS_RECV_NS,
    _TOKEN,
    _LAST_PRICE,
    _LAST_QUANTITY,
    _AVERAGE_PRICE,
    _VOLUME,
    _BUY_QUANTITY,
    _SELL_QUANTITY,
    _OPEN,
    _HIGH,
    _LOW,
    _CLOSE,
    _OI,
    _TS_EVENT_S,
    _MODE,
    _CONNECTION,
    _FLAGS,
) = range(17)

# As in kitecli.market.tick.
_FULL: Final = 3
_SNAPSHOT: Final = 1
_INDEX: Final = 2
_DEPTH: Final = 4
_OHLC: Final = 8

OPAQUE_DEPTH: Final = "V128"  # a row of DEPTH_DTYPE as its bytes
_LEVELS: Final = Struct(">" + 10 * "IiH2x")
DEPTH_TAIL: Final = Struct("<II")
DEPTH_TAIL_AT: Final = 120
OI_DAY_LOW_HALVES: Final = Struct("<10xH10xH")  # the padding of the first two buy levels

MODE_NAMES: Final = ("", *MODES)
DIVISORS: Final = tuple(divisor_of(segment) for segment in range(256))


class Ohlc(TypedDict):
    """The day's prices in rupees; ``close`` is the previous session's."""

    open: float
    high: float
    low: float
    close: float


class Level(TypedDict):
    """One step of the book: price in rupees."""

    quantity: int
    price: float
    orders: int


class Depth(TypedDict):
    """Five levels a side, best first; empty levels are zeros, as the broker sends them."""

    buy: list[Level]
    sell: list[Level]


class Tick:
    """One update of one instrument. What its mode doesn't carry is None.

    Keeps the record's integers and converts when asked.
    """

    __slots__ = ("_depth", "_fields", "sequence")

    sequence: int | None
    """The tick's number in the ring, or None where it didn't come out of one."""

    def __init__(self, record: tuple[int, ...], depth: bytes | None = None, sequence: int | None = None) -> None:
        """``record``: the seventeen integers of a ``TICK_DTYPE``; ``depth``: the 128 bytes beside it."""
        self._fields = record
        self._depth = depth
        self.sequence = sequence

    @classmethod
    def from_row(cls, row: np.void, depth: np.void | None = None, sequence: int | None = None) -> Tick:
        """A tick from one row of ``TICK_DTYPE`` and its row of ``DEPTH_DTYPE``; copies both."""
        # A row hands its bytes out without a copy; row.data would take 5 us to describe them first.
        record = RECORD.unpack(row)  # type: ignore[arg-type]
        return cls(record, None if depth is None else depth.tobytes(), sequence)

    # Where it came from

    @property
    def instrument_token(self) -> int:
        return self._fields[_TOKEN]

    @property
    def mode(self) -> str:
        """``ltp``, ``quote`` or ``full``."""
        return MODE_NAMES[self._fields[_MODE]]

    @property
    def tradable(self) -> bool:
        """False for indices."""
        segment = SEGMENTS.get(self._fields[_TOKEN] & 0xFF)
        return segment is None or segment.tradable

    @property
    def snapshot(self) -> bool:
        """True for the cached tick that answers a subscription: no trade happened."""
        return bool(self._fields[_FLAGS] & _SNAPSHOT)

    @property
    def connection(self) -> int:
        """Which of the feed's connections received it, from 0."""
        return self._fields[_CONNECTION]

    @property
    def ts_recv_ns(self) -> int:
        """When its frame was received, nanoseconds since the Unix epoch."""
        return self._fields[_TS_RECV_NS]

    # Prices

    @property
    def last_price(self) -> float:
        fields = self._fields
        return fields[_LAST_PRICE] / DIVISORS[fields[_TOKEN] & 0xFF]

    @property
    def average_traded_price(self) -> float | None:
        return self._rupees(_AVERAGE_PRICE) if self._has_trades else None

    @property
    def open(self) -> float | None:
        return self._rupees(_OPEN) if self._has_ohlc else None

    @property
    def high(self) -> float | None:
        return self._rupees(_HIGH) if self._has_ohlc else None

    @property
    def low(self) -> float | None:
        return self._rupees(_LOW) if self._has_ohlc else None

    @property
    def close(self) -> float | None:
        """The previous session's close."""
        return self._rupees(_CLOSE) if self._has_ohlc else None

    @property
    def ohlc(self) -> Ohlc | None:
        if not self._has_ohlc:
            return None
        return {
            "open": self._rupees(_OPEN),
            "high": self._rupees(_HIGH),
            "low": self._rupees(_LOW),
            "close": self._rupees(_CLOSE),
        }

    @property
    def change(self) -> float | None:
        """Percent of the previous close, 0 where that is 0: the official Python client's ``change``."""
        if not self._has_ohlc:
            return None
        close = self._rupees(_CLOSE)
        return (self._rupees(_LAST_PRICE) - close) * 100 / close if close else 0.0

    @property
    def change_percent(self) -> float:
        """:attr:`change`, but NaN where the mode carries no close: every comparison with it is False, none an error."""
        change = self.change
        return nan if change is None else change

    # Quantities

    @property
    def last_traded_quantity(self) -> int | None:
        return self._fields[_LAST_QUANTITY] if self._has_trades else None

    @property
    def volume_traded(self) -> int | None:
        """The day's volume so far."""
        return self._fields[_VOLUME] if self._has_trades else None

    @property
    def total_buy_quantity(self) -> int | None:
        return self._fields[_BUY_QUANTITY] if self._has_trades else None

    @property
    def total_sell_quantity(self) -> int | None:
        return self._fields[_SELL_QUANTITY] if self._has_trades else None

    @property
    def oi(self) -> int | None:
        """Open interest."""
        return self._fields[_OI] if self._has_trades and self._is_full else None

    @property
    def oi_day_high(self) -> int | None:
        book = self._book
        return DEPTH_TAIL.unpack_from(book, DEPTH_TAIL_AT)[1] if book else None

    @property
    def oi_day_low(self) -> int | None:
        book = self._book
        if not book:
            return None
        low, high = OI_DAY_LOW_HALVES.unpack_from(book)
        return int(low | high << 16)

    # Times

    @property
    def exchange_timestamp(self) -> datetime | None:
        """When the exchange sent it, to the second, in IST."""
        return _time(self._fields[_TS_EVENT_S]) if self._is_full else None

    @property
    def last_trade_time(self) -> datetime | None:
        """When the instrument last traded, to the second, in IST."""
        book = self._book
        return _time(DEPTH_TAIL.unpack_from(book, DEPTH_TAIL_AT)[0]) if book else None

    # The book

    @property
    def depth(self) -> Depth | None:
        book = self._book
        if not book:
            return None
        divisor = DIVISORS[self._fields[_TOKEN] & 0xFF]
        values = _LEVELS.unpack_from(book)
        levels: list[Level] = [
            {"quantity": values[at], "price": values[at + 1] / divisor, "orders": values[at + 2]}
            for at in range(0, 30, 3)
        ]
        return {"buy": levels[:5], "sell": levels[5:]}

    def to_dict(self) -> dict[str, object]:
        """The tick as the official client hands it out: its keys, its shapes, only what the mode carries."""
        names = SHAPES[self._fields[_MODE], bool(self._fields[_FLAGS] & _INDEX)]
        return {name: getattr(self, name) for name in names}

    def to_json_dict(self, label: str | None = None) -> dict[str, object]:
        """:meth:`to_dict` fit for JSON: times in ISO 8601 with +05:30, ``instrument`` first where a label is given."""
        plain = {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in self.to_dict().items()
        }
        return {"instrument": label, **plain} if label else plain

    def __repr__(self) -> str:
        change = self.change
        moved = "" if change is None else f" {change:+.2f}%"
        return f"<Tick {self.instrument_token} {self.mode} {self.last_price}{moved}>"

    @property
    def _book(self) -> bytes | None:
        """The bytes of depth, if they belong to this tick: a reader's depth row may be a leftover."""
        return self._depth if self._fields[_FLAGS] & _DEPTH else None

    @property
    def _is_full(self) -> bool:
        return self._fields[_MODE] == _FULL

    @property
    def _has_ohlc(self) -> bool:
        return bool(self._fields[_FLAGS] & _OHLC)

    @property
    def _has_trades(self) -> bool:
        """Whether quantities came with it: in quote and full mode, never for an index."""
        return self._fields[_FLAGS] & (_OHLC | _INDEX) == _OHLC

    def _rupees(self, field: int) -> float:
        return self._fields[field] / DIVISORS[self._fields[_TOKEN] & 0xFF]


def ticks_of(
    ticks: NDArray[np.void], depth: NDArray[np.void] | None = None, sequences: NDArray[np.int64] | int | None = None
) -> Iterator[Tick]:
    """A :class:`Tick` for each row of ``TICK_DTYPE`` (n,) and, beside it, ``DEPTH_DTYPE`` (n,).

    Cheaper than :meth:`Tick.from_row` one by one. ``sequences``: a number for each row (n,), or the first one's,
    from which the others are numbered upwards.
    """
    records = RECORD.iter_unpack(ticks.tobytes())
    books = repeat(None) if depth is None else depth.view(OPAQUE_DEPTH).tolist()
    return map(Tick, records, books, _numbers(sequences))


def _numbers(sequences: NDArray[np.int64] | int | None) -> Iterable[int | None]:
    if sequences is None:
        return repeat(None)
    return count(sequences) if isinstance(sequences, int) else sequences.tolist()


def _time(epoch_s: int) -> datetime | None:
    return ist(epoch_s) if epoch_s else None


# What the official client (kiteconnect 5.2.2) puts into a tick, by mode and whether it is an index packet.
_LTP_SHAPE: Final = ("tradable", "mode", "instrument_token", "last_price")
_INDEX_SHAPE: Final = (*_LTP_SHAPE, "ohlc", "change")
_QUOTE_SHAPE: Final = (
    *_LTP_SHAPE,
    "last_traded_quantity",
    "average_traded_price",
    "volume_traded",
    "total_buy_quantity",
    "total_sell_quantity",
    "ohlc",
    "change",
)
_FULL_SHAPE: Final = (
    *_QUOTE_SHAPE,
    "last_trade_time",
    "oi",
    "oi_day_high",
    "oi_day_low",
    "exchange_timestamp",
    "depth",
)
SHAPES: Final = {
    (1, False): _LTP_SHAPE,
    (1, True): _LTP_SHAPE,
    (2, False): _QUOTE_SHAPE,
    (2, True): _INDEX_SHAPE,
    (3, False): _FULL_SHAPE,
    (3, True): (*_INDEX_SHAPE, "exchange_timestamp"),
}
