from __future__ import annotations

import base64
import json
import math
import pickle
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kiteconnect import KiteTicker

from kitecli.market import tick as records
from kitecli.market import view
from kitecli.market.tick import DEPTH_DTYPE, FLAG_INDEX, FLAG_OHLC, FLAG_SNAPSHOT, MODE_QUOTE, TICK_DTYPE
from kitecli.market.view import Tick, ticks_of
from kitecli.protocol.decoder import decode_frame

OFFICIAL = KiteTicker("key", "token")
SEGMENT_CODES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13]
TIME_NAMES = ("last_trade_time", "exchange_timestamp")


def message(*packets: bytes) -> bytes:
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(one)) + one for one in packets)


def ticks(*packets: bytes) -> list[Tick]:
    frame = decode_frame(message(*packets), ts_recv_ns=7, connection=2)
    return list(ticks_of(frame.ticks, frame.depth))


def only(packet: bytes) -> Tick:
    (tick,) = ticks(packet)
    return tick


tokens = st.builds(
    lambda number, segment: number << 8 | segment, st.integers(0, 2**24 - 1), st.sampled_from(SEGMENT_CODES)
)
prices = st.integers(0, 2**31 - 1)  # negative ones are a documented difference, tested on their own
quantities = st.integers(0, 2**32 - 1)
levels = st.tuples(quantities, prices, st.integers(0, 2**16 - 1))
quote_fields = st.tuples(tokens, prices, quantities, prices, *[quantities] * 3, *[prices] * 4)
packets = st.one_of(
    st.tuples(tokens, prices).map(lambda fields: struct.pack(">II", *fields)),
    st.tuples(tokens, *[prices] * 6).map(lambda fields: struct.pack(">7I", *fields)),
    st.tuples(tokens, *[prices] * 6, quantities).map(lambda fields: struct.pack(">8I", *fields)),
    quote_fields.map(lambda fields: struct.pack(">11I", *fields)),
    st.tuples(quote_fields, *[quantities] * 5, st.lists(levels, min_size=10, max_size=10)).map(
        lambda parts: (
            struct.pack(">11I", *parts[0])
            + struct.pack(">5I", *parts[1:6])
            + b"".join(struct.pack(">IIH2x", *level) for level in parts[6])
        )
    ),
)


def with_our_times(official: dict[str, object]) -> dict[str, object]:
    """The documented difference in times: theirs are naive in the host's zone, and 0 is 1970."""
    shown = dict(official)
    for name in set(TIME_NAMES) & set(shown):
        theirs = shown[name]
        epoch_s = theirs.timestamp() if isinstance(theirs, datetime) else 0
        shown[name] = datetime.fromtimestamp(epoch_s, UTC) if epoch_s else None
    return shown


@given(st.lists(packets, max_size=4))
def test_ticks_are_the_official_client_s_field_by_field(some: list[bytes]):
    ours = [tick.to_dict() for tick in ticks(*some)]
    theirs = [with_our_times(one) for one in OFFICIAL._parse_binary(message(*some))]
    assert ours == theirs


@given(packets)
def test_attributes_and_dictionary_say_the_same(packet: bytes):
    tick = only(packet)
    shown = tick.to_dict()
    names = {name for name, value in vars(Tick).items() if isinstance(value, property) and not name.startswith("_")}
    ours_alone = {"open", "high", "low", "close", "change_percent", "snapshot", "connection", "ts_recv_ns"}
    for name in names - ours_alone:
        assert getattr(tick, name) == shown.get(name), name


def test_prices_are_signed_where_the_official_client_s_are_not():
    crude = struct.pack(">Ii", 0x107, -3763)
    assert only(crude).last_price == -37.63
    assert OFFICIAL._parse_binary(message(crude))[0]["last_price"] == 42949635.33
    book = struct.pack(">11I", 0x107, *[0] * 10) + bytes(20) + struct.pack(">IiH2x", 1, -5, 1) + bytes(108)
    depth = only(book).depth
    assert depth
    assert depth["buy"][0] == {"quantity": 1, "price": -0.05, "orders": 1}


@pytest.mark.parametrize(
    ("token", "raw", "price"),
    [
        (31132428, 3782000, 378.20),  # NCO, from the official clients' change requests
        (31188748, 2916000, 291.60),
        (31503116, 268500000, 26850.00),
        (33539084, 84940000, 8494.00),
        (0x103, 727550000, 72.755),
        (0x106, 727500, 72.75),
        (408065, 157370, 1573.7),
    ],
)
def test_the_divisor_is_the_segment_s(token: int, raw: int, price: float):
    assert only(struct.pack(">Ii", token, raw)).last_price == price


def test_times_are_indian_whatever_the_host_s_zone():
    code = (
        "import struct,time; time.tzset()\n"
        "from kitecli.market.view import ticks_of; from kitecli.protocol.decoder import decode_frame\n"
        "frame = decode_frame(struct.pack('>HH8I', 1, 32, 265, *[0] * 6, 1625461887))\n"
        "print(next(ticks_of(frame.ticks)).exchange_timestamp.isoformat())"
    )
    for zone in ("UTC", "America/New_York"):
        shown = subprocess.run(
            [sys.executable, "-c", code], env={"TZ": zone}, capture_output=True, text=True, check=True
        )
        assert shown.stdout.strip() == "2021-07-05T10:41:27+05:30"


def test_no_time_is_none():
    tick = only(struct.pack(">8I", 265, *[0] * 7))
    assert tick.exchange_timestamp is None
    assert tick.to_dict()["exchange_timestamp"] is None
    assert tick.to_json_dict()["exchange_timestamp"] is None


def test_an_ltp_tick_compares_false_and_never_raises():
    tick = only(struct.pack(">II", 408065, 157370))
    assert math.isnan(tick.change_percent)
    assert not tick.change_percent > 1
    assert not tick.change_percent < 1
    assert (tick.change, tick.close, tick.volume_traded, tick.oi, tick.depth, tick.ohlc) == (None,) * 6
    assert (tick.mode, tick.tradable) == ("ltp", True)


def test_a_close_of_zero_is_no_change():
    tick = only(struct.pack(">11I", 408065, 157370, *[1] * 8, 0))
    assert (tick.change, tick.change_percent) == (0, 0)


def test_an_index_has_no_quantities_and_no_book():
    quote = only(struct.pack(">7I", 256265, 2340685, 2344195, 2329595, 2334445, 2326485, 14200))
    assert (quote.mode, quote.tradable, quote.change) == ("quote", False, 0.6103628435171514)
    assert (quote.open, quote.high, quote.low, quote.close) == (23344.45, 23441.95, 23295.95, 23264.85)
    assert (quote.volume_traded, quote.last_traded_quantity, quote.oi, quote.depth) == (None,) * 4
    full = only(struct.pack(">8I", 256265, *[1] * 6, 1625461887))
    assert (full.mode, full.oi, full.depth, full.last_trade_time) == ("full", None, None, None)
    assert full.exchange_timestamp
    assert full.exchange_timestamp.utcoffset() == timedelta(hours=5, minutes=30)


def test_a_tick_says_where_it_came_from():
    frame = decode_frame(message(struct.pack(">II", 265, 1), struct.pack(">II", 521, 2)), ts_recv_ns=99, connection=1)
    first, second = ticks_of(frame.ticks, frame.depth, 40)
    assert (first.ts_recv_ns, first.connection, first.sequence, second.sequence) == (99, 1, 40, 41)
    assert [tick.sequence for tick in ticks_of(frame.ticks, None, np.array([7, 30]))] == [7, 30]
    assert not first.snapshot
    frame.ticks["flags"] |= FLAG_SNAPSHOT
    assert Tick.from_row(frame.ticks[0]).snapshot
    assert Tick.from_row(frame.ticks[0]).sequence is None


def test_a_tick_outlives_the_memory_it_was_read_from():
    frame = decode_frame(message(struct.pack(">46I", 408065, 157370, *[3] * 44)))
    tick = Tick.from_row(frame.ticks[0], frame.depth[0])
    before = tick.to_dict()
    frame.ticks[:], frame.depth[:] = np.zeros(1, TICK_DTYPE), np.zeros(1, DEPTH_DTYPE)
    assert tick.to_dict() == before
    assert pickle.loads(pickle.dumps(tick)).to_dict() == before


def test_depth_left_over_from_another_tick_is_not_shown():
    row, leftover = np.zeros(1, TICK_DTYPE), np.ones(1, DEPTH_DTYPE)
    row["mode"], row["flags"] = MODE_QUOTE, FLAG_OHLC
    for tick in (Tick.from_row(row[0], leftover[0]), *ticks_of(row, leftover)):
        assert (tick.depth, tick.last_trade_time, tick.oi_day_high, tick.oi_day_low) == (None,) * 4


def test_every_other_row_of_an_array_is_read_as_itself():
    frame = decode_frame(message(*[struct.pack(">46I", 408065, at, *[at] * 44) for at in range(6)]))
    assert [tick.oi_day_low for tick in ticks_of(frame.ticks[::2], frame.depth[::2])] == [0, 2, 4]


def test_json_has_a_label_first_and_iso_times():
    tick = only(struct.pack(">46I", 408065, 157370, *[1625461887] * 44))
    shown = json.loads(json.dumps(tick.to_json_dict("NSE:INFY")))
    assert next(iter(shown.items())) == ("instrument", "NSE:INFY")
    assert shown["last_trade_time"] == shown["exchange_timestamp"] == "2021-07-05T10:41:27+05:30"
    assert "instrument" not in tick.to_json_dict()


def test_its_representation_is_short():
    assert repr(only(struct.pack(">II", 408065, 157370))) == "<Tick 408065 ltp 1573.7>"
    assert repr(only(struct.pack(">11I", 408065, 101, *[1] * 8, 100))) == "<Tick 408065 quote 1.01 +1.00%>"


def test_it_reads_the_record_as_the_dtype_lays_it_out():
    assert view.RECORD.size == TICK_DTYPE.itemsize
    row = np.zeros(1, TICK_DTYPE)
    for number, name in enumerate(TICK_DTYPE.names, start=1):
        row[name] = number
    assert view.RECORD.unpack(row[0]) == tuple(range(1, 18))
    ours = (view._FULL, view._SNAPSHOT, view._INDEX, view._DEPTH, view._OHLC)
    assert ours == (records.MODE_FULL, FLAG_SNAPSHOT, FLAG_INDEX, records.FLAG_DEPTH, FLAG_OHLC)


@pytest.mark.parametrize("kind", ["quote", "full"])
def test_the_broker_s_own_packets_read_as_its_own_json(market_data, kind: str):
    packet = base64.b64decode((market_data / "mocks" / f"ticker_{kind}.packet").read_text())
    expected = json.loads((market_data / "mocks" / f"ticker_{kind}.json").read_text())
    renamed = {
        "last_quantity": "last_traded_quantity",
        "average_price": "average_traded_price",
        "volume": "volume_traded",
        "buy_quantity": "total_buy_quantity",
        "sell_quantity": "total_sell_quantity",
        "timestamp": "exchange_timestamp",
    }
    # The file's change is in rupees, and in the quote file of another packet: the official Python client says percent.
    expected["change"] = {"quote": 0.3412425054216186, "full": 0.3763235106518747}[kind]
    assert only(packet).to_json_dict() == {renamed.get(name, name): value for name, value in expected.items()}


def test_a_view_needs_no_numpy():
    code = "import sys, kitecli.market.view; print('numpy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


@pytest.mark.timing
def test_making_ticks_is_cheap():
    frame = decode_frame(message(*[struct.pack(">46I", 408065, *[3] * 45)] * 500))
    best_ns = min(_cost_ns(frame.ticks, frame.depth) for _ in range(9)) / 500
    # 0.6 us measured, of the official client's 20 to 50; the limit leaves room for a busy machine
    assert best_ns < 5_000


def _cost_ns(rows: np.ndarray, depth: np.ndarray) -> int:
    start = time.process_time_ns()
    for tick in ticks_of(rows, depth):
        _ = tick.last_price
    return time.process_time_ns() - start
