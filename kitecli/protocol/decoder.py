"""The reference decoder: Kite's binary message to tick records, in NumPy, to be read and to check the compiled pass by.

It is the specification: ``hot`` must agree with it on every byte, and it imports nothing of ``hot``. Bad input never
raises; the packets that stand before the damage are decoded and the damage is counted by kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
from kitecli.protocol.layout import (
    COUNT_BYTES,
    DEPTH_BYTES,
    FULL_LENGTH,
    HEARTBEAT_LENGTH,
    INDEX_FULL_LENGTH,
    INDEX_QUOTE_LENGTH,
    LENGTH_BYTES,
    LTP_LENGTH,
    PACKET_LENGTHS,
    QUOTE_LENGTH,
)

_LTP: Final = [("token", ">u4"), ("last_price", ">i4")]
_INDEX_QUOTE: Final = [
    *_LTP,
    *((name, ">i4") for name in ("high", "low", "open", "close", "change")),
]
_QUOTE: Final = [
    *_LTP,
    ("last_quantity", ">u4"),
    ("average_price", ">i4"),
    *((name, ">u4") for name in ("volume", "buy_quantity", "sell_quantity")),
    *((name, ">i4") for name in ("open", "high", "low", "close")),
]
_FULL: Final = [
    *_QUOTE,
    *((name, ">u4") for name in ("last_trade_time", "oi", "oi_day_high", "oi_day_low", "ts_event_s")),
    ("levels", "u1", (DEPTH_BYTES,)),
]

_PACKET_DTYPES: Final = {
    LTP_LENGTH: np.dtype(_LTP),
    INDEX_QUOTE_LENGTH: np.dtype(_INDEX_QUOTE),
    INDEX_FULL_LENGTH: np.dtype([*_INDEX_QUOTE, ("ts_event_s", ">u4")]),
    QUOTE_LENGTH: np.dtype(_QUOTE),
    FULL_LENGTH: np.dtype(_FULL),
}

_MODE_AND_FLAGS: Final = {
    LTP_LENGTH: (MODE_LTP, 0),
    INDEX_QUOTE_LENGTH: (MODE_QUOTE, FLAG_INDEX | FLAG_OHLC),
    INDEX_FULL_LENGTH: (MODE_FULL, FLAG_INDEX | FLAG_OHLC),
    QUOTE_LENGTH: (MODE_QUOTE, FLAG_OHLC),
    FULL_LENGTH: (MODE_FULL, FLAG_OHLC | FLAG_DEPTH),
}

assert all(_PACKET_DTYPES[length].itemsize == length for length in PACKET_LENGTHS)


@dataclass(slots=True)
class Damage:
    """What was wrong with a message, counted by kind. All zero for a sound one."""

    empty: int = 0
    """The message had no bytes at all."""
    truncated: int = 0
    """A packet's length reaches past the end of the message."""
    missing: int = 0
    """Packets the count promised and the message doesn't hold."""
    unknown_length: int = 0
    """Packets of a length Kite doesn't define; skipped, what follows them is decoded."""
    trailing: int = 0
    """The message goes on after its last packet."""

    def __bool__(self) -> bool:
        return any(getattr(self, kind.name) for kind in fields(self))

    def as_dict(self) -> dict[str, int]:
        return {kind.name: getattr(self, kind.name) for kind in fields(self)}


@dataclass(slots=True)
class DecodedFrame:
    """The ticks of one message, in the order of its packets.

    ``depth`` has a row for each tick; a row means something where the tick's flags carry ``FLAG_DEPTH``.
    """

    ticks: NDArray[np.void]
    depth: NDArray[np.void]
    damage: Damage = field(default_factory=Damage)
    heartbeat: bool = False


def decode_frame(payload: bytes | memoryview, *, ts_recv_ns: int = 0, connection: int = 0) -> DecodedFrame:
    """Decode one binary websocket message.

    Returns records of :data:`~kitecli.market.tick.TICK_DTYPE` and
    :data:`~kitecli.market.tick.DEPTH_DTYPE`, both stamped and numbered with the arguments. Never raises on bad input.
    """
    data = np.frombuffer(payload, np.uint8)
    if data.size == HEARTBEAT_LENGTH:
        return DecodedFrame(*_blank(0), heartbeat=True)
    offsets, lengths, damage = split_packets(data)
    ticks, depth = _blank(offsets.size)
    ticks["ts_recv_ns"] = ts_recv_ns
    ticks["connection"] = connection
    for length in PACKET_LENGTHS:
        chosen = np.flatnonzero(lengths == length)
        if chosen.size:
            rows = slice(None) if chosen.size == offsets.size else chosen  # a slice spares NumPy a gather per field
            _fill(ticks, depth, rows, _gather(data, offsets[rows], length))
    return DecodedFrame(ticks, depth, damage)


def split_packets(data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64], Damage]:
    """Where the decodable packets of a message stand: their offsets, their lengths, and what was wrong."""
    if data.size < COUNT_BYTES:
        return _nothing(), _nothing(), Damage(empty=1)
    uniform = _split_uniform(data)
    return uniform if uniform is not None else _split_any(data)


def _split_uniform(data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64], Damage] | None:
    """Packets of one length, as bursts have them, need no walk: this makes the reference quick enough to serve."""
    if data.size < COUNT_BYTES + LENGTH_BYTES:
        return None
    count, length = int(data[0]) << 8 | int(data[1]), int(data[2]) << 8 | int(data[3])
    stride = LENGTH_BYTES + length
    if length not in _PACKET_DTYPES or data.size != COUNT_BYTES + count * stride:
        return None
    headers = data[COUNT_BYTES:].reshape(count, stride)[:, :LENGTH_BYTES]
    if not (headers == headers[0]).all():
        return None
    offsets = np.arange(count, dtype=np.int64) * stride + COUNT_BYTES + LENGTH_BYTES
    return offsets, np.full(count, length, np.int64), Damage()


def _split_any(data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64], Damage]:
    message = data.tobytes()
    count, at, damage = int.from_bytes(message[:COUNT_BYTES], "big"), COUNT_BYTES, Damage()
    found: list[tuple[int, int]] = []
    for index in range(count):
        if at + LENGTH_BYTES > len(message):
            damage.missing = count - index
            break
        length = message[at] << 8 | message[at + 1]
        at += LENGTH_BYTES
        if at + length > len(message):
            damage.truncated, damage.missing = 1, count - index - 1
            break
        if length in _PACKET_DTYPES:
            found.append((at, length))
        else:
            damage.unknown_length += 1
        at += length
    else:
        damage.trailing = int(at < len(message))
    spans = np.array(found, np.int64).reshape(-1, 2)
    return spans[:, 0], spans[:, 1], damage


def _gather(data: NDArray[np.uint8], offsets: NDArray[np.int64], length: int) -> NDArray[np.void]:
    """The packets at ``offsets``, side by side, as records of their length's layout."""
    everywhere = np.ndarray((data.size - length + 1,), f"V{length}", data, strides=(1,))
    return everywhere[offsets].view(_PACKET_DTYPES[length])


def _fill(
    ticks: NDArray[np.void], depth: NDArray[np.void], rows: NDArray[np.int64] | slice, packets: NDArray[np.void]
) -> None:
    """Write packets of one length into the rows they belong to."""
    names = packets.dtype.names or ()
    for name in names:
        if name in _TICK_FIELDS:
            ticks[name][rows] = packets[name]
    mode, flags = _MODE_AND_FLAGS[packets.dtype.itemsize]
    ticks["mode"][rows] = mode
    ticks["flags"][rows] = flags
    if flags & FLAG_DEPTH:
        depth.view(_OPAQUE_DEPTH)[rows] = _depth_of(packets).view(_OPAQUE_DEPTH)


_TICK_FIELDS: Final = frozenset(TICK_DTYPE.names or ())
_OPAQUE_DEPTH: Final = np.dtype(f"V{DEPTH_DTYPE.itemsize}")  # NumPy copies a record field by field, five times slower


def _depth_of(packets: NDArray[np.void]) -> NDArray[np.void]:
    rows = np.zeros(packets.size, DEPTH_DTYPE)
    rows.view(np.uint8).reshape(packets.size, -1)[:, :DEPTH_BYTES] = packets["levels"]
    rows["last_trade_time"] = packets["last_trade_time"]
    rows["oi_day_high"] = packets["oi_day_high"]
    # The wire's padding carries nothing; that of the first two levels holds the one field without room elsewhere.
    rows["buy"]["pad"][:, 0] = packets["oi_day_low"] & 0xFFFF
    rows["buy"]["pad"][:, 1] = packets["oi_day_low"] >> 16
    return rows


def _blank(rows: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
    return np.zeros(rows, TICK_DTYPE), np.zeros(rows, DEPTH_DTYPE)


def _nothing() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)
