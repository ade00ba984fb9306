"""From records to the wire: what the simulated exchange sends. The inverse of the decoder, byte for byte.

The quote packet's eleven words stand in the record in the wire's order (see :mod:`~kitecli.market.tick`), so a packet
is one run of byte swaps; the rest is drawn in :mod:`~kitecli.protocol.layout`. Every row starts with its length, as
it does inside a message::

    0          2
    +----------+------------------+
    | length   | packet           |
    | u16 BE   | `length` bytes   |
    +----------+------------------+
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kitecli.market.segments import INDICES
from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, MODE_LTP, MODE_QUOTE
from kitecli.protocol.layout import DEPTH_BYTES, DEPTH_OFFSET, LENGTH_BYTES

Records = NDArray[np.void]

MAX_PACKETS: Final = 0xFFFF  # the count is a u16

_INDEX: Final = 256  # marks an index's layouts among the kinds
_QUOTE_WORDS: Final = slice(2, 13)  # token ... close, in 4-byte words of the record
_DEPTH_AT: Final = LENGTH_BYTES + DEPTH_OFFSET

_LEVEL: Final = np.dtype([("quantity", ">u4"), ("price", ">i4"), ("orders", ">u2"), ("pad", ">u2")])
_LTP_ROW: Final = np.dtype([("length", ">u2"), ("words", ">u4", (2,))])
_QUOTE_ROW: Final = np.dtype([("length", ">u2"), ("words", ">u4", (11,))])
_INDEX_QUOTE: Final = [
    ("length", ">u2"),
    ("token", ">u4"),
    ("last_price", ">i4"),
    ("high", ">i4"),
    ("low", ">i4"),
    ("open", ">i4"),
    ("close", ">i4"),
    ("change", ">i4"),
]
_INDEX_QUOTE_ROW: Final = np.dtype(_INDEX_QUOTE)
_INDEX_FULL_ROW: Final = np.dtype([*_INDEX_QUOTE, ("exchange_timestamp", ">u4")])
_FULL_ROW: Final = np.dtype(
    [
        ("length", ">u2"),
        ("words", ">u4", (11,)),
        ("last_trade_time", ">u4"),
        ("oi", ">u4"),
        ("oi_day_high", ">u4"),
        ("oi_day_low", ">u4"),
        ("exchange_timestamp", ">u4"),
        ("levels", _LEVEL, (10,)),
    ]
)


def encode_packets(ticks: Records, depth: Records | None = None) -> list[bytes]:
    """One bare packet for each tick, in order.

    ``ticks``: (n,) TICK_DTYPE; ``mode`` and the token's segment choose the layout. ``depth``: (n,) DEPTH_DTYPE, read
    for full ticks that are no index; without it their depth, last trade time and OI extremes are zero, as in Kite's
    packets after the close. Raises ValueError for a mode the wire doesn't know or lengths that differ.
    """
    return [row[LENGTH_BYTES:] for row in _rows(ticks, depth)]


def frame(packets: Sequence[bytes]) -> bytes:
    """One binary message of these packets. Raises ValueError above 65,535, the most its count can say."""
    if len(packets) > MAX_PACKETS:
        raise ValueError(f"{len(packets)} packets in one message; its count holds {MAX_PACKETS}")
    parts = [struct.pack(">H", len(packets))]
    for packet in packets:
        parts += (struct.pack(">H", len(packet)), packet)
    return b"".join(parts)


def encode_frames(ticks: Records, depth: Records | None, packets_per_frame: int) -> list[bytes]:
    """All ticks, in order, as messages of ``packets_per_frame`` packets; the last may hold fewer.

    The same bytes as ``frame(encode_packets(...))`` over each run. Arguments and errors as :func:`encode_packets`.
    """
    if not 1 <= packets_per_frame <= MAX_PACKETS:
        raise ValueError(f"packets_per_frame is {packets_per_frame}; it must be 1 to {MAX_PACKETS}")
    rows = _rows(ticks, depth)
    whole = struct.pack(">H", packets_per_frame)
    if packets_per_frame == 1:
        return [whole + row for row in rows]
    end = len(rows) - len(rows) % packets_per_frame
    frames = [whole + b"".join(rows[at : at + packets_per_frame]) for at in range(0, end, packets_per_frame)]
    if end < len(rows):
        frames.append(struct.pack(">H", len(rows) - end) + b"".join(rows[end:]))
    return frames


def encode_runs(ticks: Records, depth: Records | None, counts: Sequence[int]) -> list[bytes]:
    """All ticks, in order, as messages of ``counts`` packets each, as they came together. Arguments as above.

    Raises ValueError where the counts don't add up to the ticks, or one is no message's.
    """
    if sum(counts) != len(ticks) or not all(1 <= count <= MAX_PACKETS for count in counts):
        raise ValueError(f"{len(ticks)} ticks in messages of {sum(counts)}, each of 1 to {MAX_PACKETS}")
    rows, at = _rows(ticks, depth), 0
    frames = []
    for count in counts:
        frames.append(struct.pack(">H", count) + b"".join(rows[at : at + count]))
        at += count
    return frames


def _kinds(ticks: Records) -> NDArray[np.uint16]:
    """(n,) uint16: the record's mode, plus 256 for an index in quote or full. One number, one layout."""
    mode = ticks["mode"]
    index = (ticks["token"] & 0xFF == INDICES) & (mode != MODE_LTP)
    kinds: NDArray[np.uint16] = mode + index.astype(np.uint16) * np.uint16(_INDEX)
    return kinds


def _rows(ticks: Records, depth: Records | None) -> list[bytes]:
    if depth is not None and len(depth) != len(ticks):
        raise ValueError(f"{len(ticks)} ticks with {len(depth)} depths")
    kinds = _kinds(ticks)
    present = np.unique(kinds).tolist()
    if len(present) == 1:
        return _rows_of(present[0], ticks, depth)
    rows = np.empty(len(ticks), dtype=object)
    for kind in present:
        chosen = np.flatnonzero(kinds == kind)
        rows[chosen] = _rows_of(kind, ticks[chosen], None if depth is None else depth[chosen])
    result: list[bytes] = rows.tolist()
    return result


def _rows_of(kind: int, ticks: Records, depth: Records | None) -> list[bytes]:
    if kind == MODE_FULL:
        rows = _full_rows(ticks, depth)
    elif kind in (MODE_LTP, MODE_QUOTE):
        rows = _word_rows(_LTP_ROW if kind == MODE_LTP else _QUOTE_ROW, ticks)
    elif kind in (MODE_QUOTE + _INDEX, MODE_FULL + _INDEX):
        rows = _index_rows(_INDEX_FULL_ROW if kind == MODE_FULL + _INDEX else _INDEX_QUOTE_ROW, ticks)
    else:
        raise ValueError(f"mode {kind & 0xFF} isn't ltp (1), quote (2) or full (3)")
    size = rows.dtype.itemsize
    rows["length"] = size - LENGTH_BYTES
    data = rows.tobytes()
    return [data[at : at + size] for at in range(0, len(data), size)]


def _words(ticks: Records) -> NDArray[np.uint32]:
    words: NDArray[np.uint32] = np.ascontiguousarray(ticks).view("<u4").reshape(len(ticks), 16)
    return words[:, _QUOTE_WORDS]


def _word_rows(dtype: np.dtype[Any], ticks: Records) -> Records:
    rows = np.empty(len(ticks), dtype)
    rows["words"] = _words(ticks)[:, : dtype["words"].shape[0]]
    return rows


def _index_rows(dtype: np.dtype[Any], ticks: Records) -> Records:
    rows = np.empty(len(ticks), dtype)
    for name in ("token", "last_price", "high", "low", "open", "close"):
        rows[name] = ticks[name]
    rows["change"] = ticks["last_price"] - ticks["close"]
    if dtype is _INDEX_FULL_ROW:
        rows["exchange_timestamp"] = ticks["ts_event_s"]
    return rows


def _full_rows(ticks: Records, depth: Records | None) -> Records:
    rows = np.zeros(len(ticks), _FULL_ROW) if depth is None else np.empty(len(ticks), _FULL_ROW)
    rows["words"] = _words(ticks)
    rows["oi"] = ticks["oi"]
    rows["exchange_timestamp"] = ticks["ts_event_s"]
    if depth is not None:
        _fill_depth(rows, np.ascontiguousarray(depth, DEPTH_DTYPE))  # arithmetic on records makes them native-endian
    return rows


def _fill_depth(rows: Records, depth: Records) -> None:
    rows["last_trade_time"] = depth["last_trade_time"]
    rows["oi_day_high"] = depth["oi_day_high"]
    pad = depth["buy"]["pad"]
    rows["oi_day_low"] = pad[:, 0].astype(np.uint32) | pad[:, 1].astype(np.uint32) << 16
    count = len(rows)
    wire = rows.view(np.uint8).reshape(count, _FULL_ROW.itemsize)
    wire[:, _DEPTH_AT:] = depth.view(np.uint8).reshape(count, depth.dtype.itemsize)[:, :DEPTH_BYTES]
    rows["levels"]["pad"] = 0  # our record keeps oi_day_low there; the wire sends zeros
