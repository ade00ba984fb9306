"""A bar as we hold it: a fixed 72-byte record, prices as the wire's signed integers.

Little-endian::

    0          8          16     20     24     28     32       36    40      44
    +----------+----------+------+------+------+------+--------+-----+-------+-------+
    | start_ms | turnover | open | high | low  | close| volume | oi  | ticks | token |
    | i64      | i64      | i32  | i32  | i32  | i32  | u32    | u32 | u32   | u32   |
    +----------+----------+------+------+------+------+--------+-----+-------+-------+
    48          52                56           60          64      66       67         68    72
    +-----------+-----------------+------------+-----------+-------+--------+----------+-----+
    | length_ms | closed_after_ms | first_key  | last_key  | flags | series | revision | pad |
    | u32       | i32             | u32        | u32       | u16   | u8     | u8       | u32 |
    +-----------+-----------------+------------+-----------+-------+--------+----------+-----+

``turnover``: the sum over its ticks of last price times the volume traded since the tick before. ``length_ms``: from
its start to its end, shorter than the interval where a session ends. ``closed_after_ms``: from its end to when it was
closed, by our clock. ``first_key`` and ``last_key`` order its ticks: the cumulative volume of its first and last one,
or, without volume, their milliseconds after ``start_ms``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

FLAG_OPEN: Final = 1  # still forming
FLAG_PARTIAL: Final = 2  # we came later than its start, or its volume began anew
FLAG_ESTIMATED: Final = 4  # ticks without an exchange stamp were placed by their receive time
FLAG_GAP: Final = 8  # ticks were missed in it; its volume may have been traded earlier, within the outage
FLAG_SYNTHETIC: Final = 16  # nothing traded: the close before, carried on
FLAG_REVISED: Final = 32  # a late tick changed it after it was closed
FLAG_VOLUME: Final = 64  # volume and turnover mean something
FLAG_OI: Final = 128  # open interest means something
FLAG_PREOPEN: Final = 256  # the auction before the session
FLAG_CLOSING: Final = 512  # the auction that closes it
FLAG_POST_CLOSE: Final = 1024  # trades at the closing price
FLAG_OUTSIDE: Final = 2048  # at no hour of any session
FLAG_UNSCHEDULED: Final = 4096  # on a day whose hours aren't known; it starts at midnight's multiples

AUCTIONS: Final = FLAG_PREOPEN | FLAG_CLOSING | FLAG_POST_CLOSE | FLAG_OUTSIDE
"""Bars of these aren't continuous trading; there is one for each whole span."""

BAR_DTYPE: Final = np.dtype(
    [
        ("start_ms", "<i8"),
        ("turnover", "<i8"),
        ("open", "<i4"),
        ("high", "<i4"),
        ("low", "<i4"),
        ("close", "<i4"),
        ("volume", "<u4"),
        ("oi", "<u4"),
        ("ticks", "<u4"),
        ("token", "<u4"),
        ("length_ms", "<u4"),
        ("closed_after_ms", "<i4"),
        ("first_key", "<u4"),
        ("last_key", "<u4"),
        ("flags", "<u2"),
        ("series", "u1"),
        ("revision", "u1"),
        ("pad", "<u4"),
    ]
)

assert BAR_DTYPE.itemsize == 72
