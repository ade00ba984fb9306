"""Messages written out by hand from the protocol's tables, with what a decoder must make of each.

Packets are spelt as their words, in the order of the broker's documentation; nothing here uses our encoder or the
dtypes under test. Prices are expected as the wire's signed integers, and in rupees where the divisor is the point.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

LTP, QUOTE, FULL = 1, 2, 3
INDEX_FLAG, DEPTH_FLAG, OHLC_FLAG = 2, 4, 8

FIELDS = (
    *("token", "last_price", "last_quantity", "average_price", "volume", "buy_quantity", "sell_quantity"),
    *("open", "high", "low", "close", "oi", "ts_event_s", "mode", "flags"),
)
DAMAGE = ("empty", "truncated", "missing", "unknown_length", "trailing")


@dataclass(frozen=True)
class Vector:
    """One message. ``ticks`` are the expected ones, whole; ``rupees`` holds values of ``Tick.to_dict()``, by tick."""

    name: str
    message: bytes
    ticks: tuple[dict[str, object], ...] = ()
    rupees: tuple[dict[str, object], ...] = ()
    damage: dict[str, int] = field(default_factory=dict)
    heartbeat: bool = False


def words(*values: int) -> bytes:
    """Big-endian 32-bit words; negative ones in two's complement."""
    return b"".join(struct.pack(">I", value & 0xFFFFFFFF) for value in values)


def message(*packets: bytes, count: int | None = None) -> bytes:
    parts = [struct.pack(">H", len(packets) if count is None else count)]
    for packet in packets:
        parts += [struct.pack(">H", len(packet)), packet]
    return b"".join(parts)


def tick(mode: int, flags: int, **known: object) -> dict[str, object]:
    """A whole tick: what isn't named is zero."""
    return {**dict.fromkeys(FIELDS, 0), "mode": mode, "flags": flags, **known}


# ---- the packets of the official mocks, word by word ----------------------------------------------------------------

INFY_LTP = words(408065, 157315)
INFY_LTP_TICK = tick(LTP, 0, token=408065, last_price=157315)

INFY_QUOTE = words(408065, 157315, 1, 157033, 1175986, 256511, 360503, 156915, 157500, 156105, 156780)
INFY_QUOTE_TICK = tick(
    QUOTE,
    OHLC_FLAG,
    token=408065,
    last_price=157315,
    last_quantity=1,
    average_price=157033,
    volume=1175986,
    buy_quantity=256511,
    sell_quantity=360503,
    open=156915,
    high=157500,
    low=156105,
    close=156780,
)
INFY_QUOTE_SHOWN = {
    "tradable": True,
    "mode": "quote",
    "instrument_token": 408065,
    "last_price": 1573.15,
    "last_traded_quantity": 1,
    "average_traded_price": 1570.33,
    "volume_traded": 1175986,
    "total_buy_quantity": 256511,
    "total_sell_quantity": 360503,
    "ohlc": {"open": 1569.15, "high": 1575.0, "low": 1561.05, "close": 1567.8},
    "change": 0.3412425054216186,
}

INFY_BUY = ((5, 157340, 1), (140, 157300, 2), (2, 157295, 1), (219, 157290, 7), (50, 157285, 1))
INFY_SELL = ((172, 157370, 3), (44, 157375, 3), (302, 157385, 3), (141, 157390, 2), (724, 157395, 5))
INFY_FULL = (
    words(408065, 157370, 7, 157037, 1192471, 256443, 363009, 156915, 157500, 156105, 156780)
    + words(1625461887, 0, 0, 0, 1625461887)
    + b"".join(struct.pack(">IiHH", *level, 0) for level in INFY_BUY + INFY_SELL)
)
INFY_FULL_TICK = tick(
    FULL,
    OHLC_FLAG | DEPTH_FLAG,
    token=408065,
    last_price=157370,
    last_quantity=7,
    average_price=157037,
    volume=1192471,
    buy_quantity=256443,
    sell_quantity=363009,
    open=156915,
    high=157500,
    low=156105,
    close=156780,
    ts_event_s=1625461887,
    last_trade_time=1625461887,
    oi_day_high=0,
    oi_day_low=0,
    buy=INFY_BUY,
    sell=INFY_SELL,
)

NIFTY_INDEX = words(256265, 2340685, 2344195, 2329595, 2334445, 2326485, 14200)
NIFTY_PRICES = {"last_price": 2340685, "high": 2344195, "low": 2329595, "open": 2334445, "close": 2326485}
NIFTY_QUOTE_TICK = tick(QUOTE, INDEX_FLAG | OHLC_FLAG, token=256265, **NIFTY_PRICES)
NIFTY_FULL_TICK = tick(FULL, INDEX_FLAG | OHLC_FLAG, token=256265, ts_event_s=1719475200, **NIFTY_PRICES)

# ---- every field with a value of its own, above 2^31 where the field is unsigned, negative where it is signed --------

HIGH = 0x80000000
EXTREME_BUY = tuple((HIGH + 10 + n, -100 - n, 0xFF00 + n) for n in range(5))
EXTREME_SELL = tuple((HIGH + 20 + n, -200 - n, 0x8000 + n) for n in range(5))
EXTREME_QUOTE_WORDS = (
    *(0xFFFFFF07, -3763, HIGH + 1, -2, HIGH + 3, HIGH + 4, HIGH + 5),
    *(-6, -7, -(2**31), -9),
)
EXTREME_QUOTE_TICK = tick(
    QUOTE,
    OHLC_FLAG,
    token=0xFFFFFF07,
    last_price=-3763,
    last_quantity=HIGH + 1,
    average_price=-2,
    volume=HIGH + 3,
    buy_quantity=HIGH + 4,
    sell_quantity=HIGH + 5,
    open=-6,
    high=-7,
    low=-(2**31),
    close=-9,
)
EXTREME_FULL = (
    words(*EXTREME_QUOTE_WORDS)
    + words(HIGH + 44, HIGH + 48, HIGH + 52, HIGH + 0x5678_0056, HIGH + 60)
    + b"".join(struct.pack(">IiHH", *level, 0) for level in EXTREME_BUY + EXTREME_SELL)
)
EXTREME_FULL_TICK = {
    **EXTREME_QUOTE_TICK,
    "mode": FULL,
    "flags": OHLC_FLAG | DEPTH_FLAG,
    "oi": HIGH + 48,
    "ts_event_s": HIGH + 60,
    "last_trade_time": HIGH + 44,
    "oi_day_high": HIGH + 52,
    "oi_day_low": HIGH + 0x5678_0056,
    "buy": EXTREME_BUY,
    "sell": EXTREME_SELL,
}
EXTREME_INDEX = words(265, -1, -2, -3, -4, -5, -6, HIGH + 28)
EXTREME_INDEX_PRICES = {"last_price": -1, "high": -2, "low": -3, "open": -4, "close": -5}

# The wire's padding means nothing; whatever a server leaves there must not reach oi_day_low.
DIRTY_FULL = INFY_FULL[:64] + b"".join(
    struct.pack(">IiHH", *level, 0xDEAD + number) for number, level in enumerate(INFY_BUY + INFY_SELL)
)


def _priced(token: int, raw: int, rupees: float, name: str) -> Vector:
    return Vector(
        f"divisor of {name}: {token} {raw}",
        message(words(token, raw)),
        (tick(LTP, 0, token=token, last_price=raw),),
        ({"last_price": rupees},),
    )


SOUND = (
    Vector("ltp", message(INFY_LTP), (INFY_LTP_TICK,), ({"last_price": 1573.15, "mode": "ltp", "tradable": True},)),
    Vector(
        "ltp, every byte spelt out",
        bytes.fromhex("0001 0008 00063a01 00026683"),
        (INFY_LTP_TICK,),
    ),
    Vector("quote", message(INFY_QUOTE), (INFY_QUOTE_TICK,), (INFY_QUOTE_SHOWN,)),
    Vector(
        "full",
        message(INFY_FULL),
        (INFY_FULL_TICK,),
        ({"last_price": 1573.7, "change": 0.3763235106518747, "oi": 0, "mode": "full"},),
    ),
    Vector(
        "index in quote mode: high, low, open, close",
        message(NIFTY_INDEX),
        (NIFTY_QUOTE_TICK,),
        (
            {
                "tradable": False,
                "ohlc": {"open": 23344.45, "high": 23441.95, "low": 23295.95, "close": 23264.85},
                "change": 0.6103628435171514,
            },
        ),
    ),
    Vector("index in full mode", message(NIFTY_INDEX + words(1719475200)), (NIFTY_FULL_TICK,)),
    Vector("index in ltp mode", message(words(256265, 2340685)), (tick(LTP, 0, token=256265, last_price=2340685),)),
    Vector(
        "the length tells the layout, not the segment",
        message(words(408065, 1, 2, 3, 4, 5, 6)),
        (tick(QUOTE, INDEX_FLAG | OHLC_FLAG, token=408065, last_price=1, high=2, low=3, open=4, close=5),),
    ),
    Vector(
        "a quote packet of an index token",
        message(words(265, *range(1, 11))),
        (tick(QUOTE, OHLC_FLAG, token=265, **dict(zip(FIELDS[1:11], range(1, 11), strict=True))),),
    ),
    Vector("quote, high and negative", message(words(*EXTREME_QUOTE_WORDS)), (EXTREME_QUOTE_TICK,)),
    Vector("full, high and negative", message(EXTREME_FULL), (EXTREME_FULL_TICK,)),
    Vector(
        "index, negative",
        message(EXTREME_INDEX),
        (tick(FULL, INDEX_FLAG | OHLC_FLAG, token=265, ts_event_s=HIGH + 28, **EXTREME_INDEX_PRICES),),
    ),
    Vector(
        "ltp, the two ends of a price",
        message(words(1, -(2**31)), words(1, 2**31 - 1)),
        (
            tick(LTP, 0, token=1, last_price=-(2**31)),
            tick(LTP, 0, token=1, last_price=2**31 - 1),
        ),
    ),
    Vector(
        "negative price on MCX",
        message(words(0x107, -3763)),
        (tick(LTP, 0, token=0x107, last_price=-3763),),
        ({"last_price": -37.63},),
    ),
    Vector(
        "close 0 is change 0",
        message(words(408065, 157370, *[1] * 8, 0)),
        (tick(QUOTE, OHLC_FLAG, token=408065, last_price=157370, **dict.fromkeys(FIELDS[2:10], 1)),),
        ({"change": 0},),
    ),
    Vector("padding with something in it", message(DIRTY_FULL), (INFY_FULL_TICK,)),
    Vector(
        "all lengths in one message, in the wire's order",
        message(INFY_FULL, NIFTY_INDEX, INFY_LTP, NIFTY_INDEX + words(1719475200), INFY_QUOTE, INFY_LTP),
        (INFY_FULL_TICK, NIFTY_QUOTE_TICK, INFY_LTP_TICK, NIFTY_FULL_TICK, INFY_QUOTE_TICK, INFY_LTP_TICK),
    ),
    Vector("many of one length", message(*[INFY_QUOTE] * 50), (INFY_QUOTE_TICK,) * 50),
    Vector("two full packets", message(INFY_FULL, EXTREME_FULL), (INFY_FULL_TICK, EXTREME_FULL_TICK)),
    Vector("heartbeat", b"\x00", heartbeat=True),
    Vector("heartbeat of another value", b"\xff", heartbeat=True),
    Vector("count 0", b"\x00\x00"),
    _priced(31132428, 3782000, 378.20, "NCO"),
    _priced(31188748, 2916000, 291.60, "NCO"),
    _priced(31503116, 268500000, 26850.00, "NCO"),
    _priced(33539084, 84940000, 8494.00, "NCO"),
    _priced(0x103, 727550000, 72.755, "CDS"),
    _priced(0x106, 727500, 72.75, "BCD"),
    *(_priced(0x100 | segment, 123456, 1234.56, "the rest") for segment in (1, 2, 4, 5, 7, 8, 9)),
    _priced(0x10D, 123456, 1234.56, "a segment nobody knows"),
)

UNKNOWN_LENGTHS = (0, 1, 7, 9, 16, 27, 29, 31, 33, 43, 45, 183, 185, 1000)

DAMAGED = (
    Vector("no bytes", b"", damage={"empty": 1}),
    *(
        Vector(
            f"unknown length {length} between sound packets",
            message(INFY_LTP, bytes(length), INFY_QUOTE),
            (INFY_LTP_TICK, INFY_QUOTE_TICK),
            damage={"unknown_length": 1},
        )
        for length in UNKNOWN_LENGTHS
    ),
    Vector("nothing but an unknown length", message(bytes(12)), damage={"unknown_length": 1}),
    Vector(
        "three unknown lengths",
        message(bytes(3), INFY_LTP, bytes(99), bytes(45)),
        (INFY_LTP_TICK,),
        damage={"unknown_length": 3},
    ),
    Vector(
        "last packet short by a byte",
        message(INFY_LTP, INFY_QUOTE)[:-1],
        (INFY_LTP_TICK,),
        damage={"truncated": 1},
    ),
    Vector("only packet short by a byte", message(INFY_FULL)[:-1], damage={"truncated": 1}),
    Vector(
        "cut right after a packet",
        message(INFY_LTP, INFY_QUOTE)[:12],
        (INFY_LTP_TICK,),
        damage={"missing": 1},
    ),
    Vector(
        "cut in the middle of a length",
        message(INFY_LTP, INFY_QUOTE)[:13],
        (INFY_LTP_TICK,),
        damage={"missing": 1},
    ),
    Vector(
        "cut right after a length",
        message(INFY_LTP, INFY_QUOTE, INFY_QUOTE)[:14],
        (INFY_LTP_TICK,),
        damage={"truncated": 1, "missing": 1},
    ),
    Vector("count alone", b"\x00\x03", damage={"missing": 3}),
    Vector("count and half a length", b"\x00\x03\x00", damage={"missing": 3}),
    Vector(
        "count promises more",
        message(INFY_LTP, INFY_QUOTE, count=5),
        (INFY_LTP_TICK, INFY_QUOTE_TICK),
        damage={"missing": 3},
    ),
    Vector(
        "count at its most",
        message(INFY_FULL, INFY_FULL, count=65535),
        (INFY_FULL_TICK,) * 2,
        damage={"missing": 65533},
    ),
    Vector(
        "count promises less",
        message(INFY_LTP, INFY_QUOTE, count=1),
        (INFY_LTP_TICK,),
        damage={"trailing": 1},
    ),
    Vector("count 0 before a packet", message(INFY_LTP, count=0), damage={"trailing": 1}),
    Vector("one byte too many", message(INFY_LTP) + b"\x00", (INFY_LTP_TICK,), damage={"trailing": 1}),
    Vector("count 0 and a byte", b"\x00\x00\x07", damage={"trailing": 1}),
    Vector(
        "what follows the last packet is not read",
        message(INFY_QUOTE) + b"\xff\xff" + INFY_LTP,
        (INFY_QUOTE_TICK,),
        damage={"trailing": 1},
    ),
    Vector(
        "a length that lies: nothing behind it can be trusted",
        message(INFY_LTP, INFY_LTP)[:12] + b"\xff\xff" + INFY_LTP,
        (INFY_LTP_TICK,),
        damage={"truncated": 1},
    ),
    Vector(
        "unknown length, cut",
        message(INFY_LTP, bytes(300), INFY_LTP)[:100],
        (INFY_LTP_TICK,),
        damage={"truncated": 1, "missing": 1},
    ),
    Vector(
        "equal lengths but the last header lies",
        message(*[INFY_LTP] * 4)[:-10] + struct.pack(">H", 4) + INFY_LTP,
        (INFY_LTP_TICK,) * 3,
        damage={"unknown_length": 1, "trailing": 1},
    ),
)

VECTORS = (*SOUND, *DAMAGED)
