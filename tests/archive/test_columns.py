"""Records as columns: rupees, names, and nothing where a mode carries nothing."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.archive.columns import columns_of
from kitecli.market.view import ticks_of as views_of
from kitecli.protocol.decoder import decode_frame
from kitecli.protocol.encoder import encode_frames
from tests.archive.stores import ticks_of


@pytest.fixture(scope="module")
def decoded():
    return decode_frame(encode_frames(*ticks_of(33), packets_per_frame=9)[0])


def test_every_column_is_what_a_tick_shows(decoded):
    columns = columns_of(decoded.ticks, decoded.depth)
    for row, tick in enumerate(views_of(decoded.ticks, decoded.depth)):
        for name, (values, there) in columns.items():
            if name in ("connection", "exchange_timestamp", "last_trade_time") or name[-2:-1] == "_":
                continue
            shown = getattr(tick, name)
            assert (shown is None) == (there is not None and not there[row]), (name, row)
            assert shown is None or values[row] == shown, (name, row)


def test_depth_and_times_belong_to_full_ticks(decoded):
    columns = columns_of(decoded.ticks, decoded.depth)
    full, *_ = views_of(decoded.ticks, decoded.depth)
    for side in ("buy", "sell"):
        for level, shown in enumerate(full.depth[side], start=1):
            for field in ("price", "quantity", "orders"):
                values, there = columns[f"{side}_{field}_{level}"]
                assert there.tolist() == [True, False, False]
                assert values[0] == shown[field]
    assert columns["oi_day_low"][0][0] == full.oi_day_low == 70_000
    times, there = columns["exchange_timestamp"]
    assert there.tolist() == [True, False, False]
    assert times[0] == np.datetime64(int(decoded.ticks["ts_event_s"][0]), "s")


def test_without_depth_there_are_no_columns_of_it(decoded):
    assert not [name for name in columns_of(decoded.ticks, None) if name.startswith(("buy_", "sell_"))]
