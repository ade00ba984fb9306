"""The tick as we hold it: a fixed 64-byte record, and 128 bytes of depth beside it in full mode.

Record, little-endian, prices as the wire's signed integers (divide by :func:`~.segments.divisor_of`)::

    0       8         12          16             20             24        28            32             36
    +-------+---------+-----------+--------------+--------------+---------+-------------+--------------+
    |recv_ns| token   | last_price| last_quantity| average_price| volume  | buy_quantity| sell_quantity|
    | i64   | u32     | i32       | u32          | i32          | u32     | u32         | u32          |
    +-------+---------+-----------+--------------+--------------+---------+-------------+--------------+
    36      40        44          48             52             56        60     61          62     64
    +-------+---------+-----------+--------------+--------------+---------+------+-----------+------+
    | open  | high    | low       | close        | oi           | event_s | mode | connection| flags|
    | i32   | i32     | i32       | i32          | u32          | u32     | u8   | u8        | u16  |
    +-------+---------+-----------+--------------+--------------+---------+------+-----------+------+

The eleven fields from ``token`` to ``close`` stand in the order of the wire's quote packet, so that decoding
one is a single run of byte swaps (ADR 0001).

Depth, the wire's own 120 bytes (big-endian, decoded when somebody looks), and three fields in the room it leaves::

    0                    60                    120               124           128
    +--------------------+---------------------+-----------------+-------------+
    | 5 buy levels       | 5 sell levels       | last_trade_time | oi_day_high |
    | 12 bytes each      | 12 bytes each       | u32 LE          | u32 LE      |
    +--------------------+---------------------+-----------------+-------------+
    level: quantity u32 BE | price i32 BE | orders u16 BE | pad u16 LE
    oi_day_low = buy[0].pad | buy[1].pad << 16
"""

from __future__ import annotations

from typing import Final

import numpy as np

MODE_LTP: Final = 1
MODE_QUOTE: Final = 2
MODE_FULL: Final = 3

FLAG_SNAPSHOT: Final = 1  # the cached packet that answers a subscription; no trade
FLAG_INDEX: Final = 2
FLAG_DEPTH: Final = 4  # the 128 bytes beside this record belong to it
FLAG_OHLC: Final = 8  # open, high, low and close came with the packet

TICK_DTYPE: Final = np.dtype(
    [
        ("ts_recv_ns", "<i8"),
        ("token", "<u4"),
        ("last_price", "<i4"),
        ("last_quantity", "<u4"),
        ("average_price", "<i4"),
        ("volume", "<u4"),
        ("buy_quantity", "<u4"),
        ("sell_quantity", "<u4"),
        ("open", "<i4"),
        ("high", "<i4"),
        ("low", "<i4"),
        ("close", "<i4"),
        ("oi", "<u4"),
        ("ts_event_s", "<u4"),
        ("mode", "u1"),
        ("connection", "u1"),
        ("flags", "<u2"),
    ]
)

LEVEL_DTYPE: Final = np.dtype([("quantity", ">u4"), ("price", ">i4"), ("orders", ">u2"), ("pad", "<u2")])

DEPTH_DTYPE: Final = np.dtype(
    [
        ("buy", LEVEL_DTYPE, (5,)),
        ("sell", LEVEL_DTYPE, (5,)),
        ("last_trade_time", "<u4"),
        ("oi_day_high", "<u4"),
    ]
)

assert TICK_DTYPE.itemsize == 64
assert DEPTH_DTYPE.itemsize == 128
