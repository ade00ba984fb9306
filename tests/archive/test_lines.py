"""CSV, read back by the standard library."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from kitecli.archive.lines import csv_writer
from kitecli.archive.reading import batches
from kitecli.store.recording import Recording
from kitecli.store.spans import Span
from tests.archive.stores import INFY, START_NS


def test_a_row_a_tick_in_the_order_received(store: Path):
    out = io.StringIO(newline="")
    with Recording.open(store / "2026-11-20") as recording:
        write = csv_writer(out, {INFY: "NSE:INFY"})
        for batch in batches(recording, (), Span()):
            write(batch)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [int(row["sequence"]) for row in rows] == list(range(1400))
    share, index, currency = rows[:3]
    assert (share["instrument"], index["instrument"]) == ("NSE:INFY", "")
    assert (share["mode"], index["mode"], currency["mode"]) == ("full", "quote", "ltp")
    assert int(share["ts_recv_ns"]) == START_NS
    assert share["exchange_timestamp"] == "2026-11-20T09:15:00+05:30"
    assert (share["buy_price_2"], share["sell_orders_5"], index["buy_price_2"]) == ("1499.9", "3", "")
    assert (currency["last_price"], currency["close"], currency["volume_traded"]) == ("105.4725", "", "")
