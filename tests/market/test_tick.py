from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from kitecli.market import tick
from kitecli.market.tick import DEPTH_DTYPE, LEVEL_DTYPE, TICK_DTYPE
from kitecli.protocol.layout import DEPTH_BYTES, QUOTE_LENGTH

# As the module's drawing says. Recordings and other processes hold these bytes: a change here is a change of format.
TICK_OFFSETS = {
    "ts_recv_ns": (0, "<i8"),
    "token": (8, "<u4"),
    "last_price": (12, "<i4"),
    "last_quantity": (16, "<u4"),
    "average_price": (20, "<i4"),
    "volume": (24, "<u4"),
    "buy_quantity": (28, "<u4"),
    "sell_quantity": (32, "<u4"),
    "open": (36, "<i4"),
    "high": (40, "<i4"),
    "low": (44, "<i4"),
    "close": (48, "<i4"),
    "oi": (52, "<u4"),
    "ts_event_s": (56, "<u4"),
    "mode": (60, "|u1"),
    "connection": (61, "|u1"),
    "flags": (62, "<u2"),
}


def offsets(dtype: np.dtype) -> dict[str, tuple[int, str]]:
    return {name: (dtype.fields[name][1], dtype.fields[name][0].str) for name in dtype.names}


def test_the_record_is_as_drawn():
    assert offsets(TICK_DTYPE) == TICK_OFFSETS
    assert TICK_DTYPE.itemsize == 64
    assert TICK_DTYPE.isnative or np.little_endian is False


def test_the_wire_s_quote_stands_in_the_record_in_its_order():
    start, end = TICK_OFFSETS["token"][0], TICK_OFFSETS["oi"][0]
    assert end - start == QUOTE_LENGTH


def test_the_depth_is_the_wire_s_with_three_fields_in_its_room():
    assert offsets(LEVEL_DTYPE) == {
        "quantity": (0, ">u4"),
        "price": (4, ">i4"),
        "orders": (8, ">u2"),
        "pad": (10, "<u2"),
    }
    assert DEPTH_DTYPE.fields["sell"][1] == DEPTH_BYTES // 2
    assert DEPTH_DTYPE.fields["last_trade_time"][1] == DEPTH_BYTES
    assert DEPTH_DTYPE.fields["oi_day_high"][1] == DEPTH_BYTES + 4
    assert DEPTH_DTYPE.itemsize == 128


def test_the_extremes_of_the_wire_fit():
    row = np.zeros(1, TICK_DTYPE)
    row["last_price"], row["volume"], row["ts_recv_ns"] = -(2**31), 2**32 - 1, 2**63 - 1
    assert (row["last_price"][0], row["volume"][0], row["ts_recv_ns"][0]) == (-(2**31), 2**32 - 1, 2**63 - 1)


@pytest.mark.parametrize("prefix", ["FLAG_", "MODE_"])
def test_codes_are_distinct(prefix: str):
    codes = sorted(value for name, value in vars(tick).items() if name.startswith(prefix))
    assert len(codes) >= 3
    assert all(low < high for low, high in pairwise(codes))
    assert prefix == "MODE_" or all(code.bit_count() == 1 for code in codes)
