"""Kite's binary message, drawn. Everything on the wire is big-endian.

Message::

    0             2              4
    +-------------+--------------+-----------------+--------------+-----
    | N packets   | length of 1st| packet 1        | length of 2nd| ...
    | u16         | u16          | `length` bytes  | u16          |
    +-------------+--------------+-----------------+--------------+-----

A message of one byte is a heartbeat. The packet's *length* tells what it is; there is no type byte.

LTP (8)::            0 token | 4 last_price
Quote (44)::         0 token | 4 last_price | 8 last_quantity | 12 average_price | 16 volume | 20 buy_quantity
                     24 sell_quantity | 28 open | 32 high | 36 low | 40 close
Full (184)::         quote | 44 last_trade_time | 48 oi | 52 oi_day_high | 56 oi_day_low | 60 exchange_timestamp
                     64 five buy levels | 124 five sell levels
Level (12)::         0 quantity | 4 price | 8 orders u16 | 10 padding u16
Index quote (28)::   0 token | 4 last_price | 8 high | 12 low | 16 open | 20 close | 24 change
Index full (32)::    index quote | 28 exchange_timestamp

Prices and the index change are signed, quantities, volume and open interest unsigned. Mind the two orders of the day's
prices: a quote says open, high, low, close and an index high, low, open, close.
Source: Kite Connect v3 websocket documentation; lengths and orders as read by all official clients.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from kitecli.market import modes

LTP_LENGTH: Final = 8
INDEX_QUOTE_LENGTH: Final = 28
INDEX_FULL_LENGTH: Final = 32
QUOTE_LENGTH: Final = 44
FULL_LENGTH: Final = 184

PACKET_LENGTHS: Final = (LTP_LENGTH, INDEX_QUOTE_LENGTH, INDEX_FULL_LENGTH, QUOTE_LENGTH, FULL_LENGTH)

HEARTBEAT_LENGTH: Final = 1
COUNT_BYTES: Final = 2
LENGTH_BYTES: Final = 2

DEPTH_OFFSET: Final = 64
DEPTH_BYTES: Final = 120

MODES: Final = modes.MODES
MODE_CODES: Final = MappingProxyType({"ltp": 1, "quote": 2, "full": 3})
MODE_NAMES: Final = MappingProxyType({1: "ltp", 2: "quote", 3: "full"})
