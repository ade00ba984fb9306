"""Ticks as lines: what a program that reads them gets."""

import csv
import io
import json

from kitecli.terminal.streams import CSV_COLUMNS, csv_writer, ndjson_writer

LABELS = {408065: "NSE:INFY", 738561: "NSE:RELIANCE", 256265: "NSE:NIFTY 50"}


def test_ndjson_has_the_official_names_a_label_and_the_rings_sequence(feed):
    out = io.StringIO()
    ndjson_writer(out, LABELS)(feed.reader.poll())
    full, quote, index, ltp = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (full["instrument"], full["last_price"], full["mode"]) == ("NSE:INFY", 1573.7, "full")
    assert full["depth"]["buy"][0] == {"quantity": 5, "price": 1573.65, "orders": 0}
    assert full["exchange_timestamp"].endswith("+05:30")
    assert [row["sequence"] for row in (full, quote, index, ltp)] == [0, 1, 2, 3]
    assert "depth" not in quote
    assert "volume_traded" not in index
    assert index["tradable"] is False
    assert (ltp["last_price"], "instrument" in ltp) == (83.1275, False)
    assert full["ts_recv_ns"] == 1_795_344_596_000_000_000


def test_a_snapshot_is_told_from_a_trade(feed, frames):
    out, rows = io.StringIO(), io.StringIO()
    feed.reader.poll()
    feed.expect({408065: "quote"})
    feed.take(frames[0])
    batch = feed.reader.poll()
    ndjson_writer(out, LABELS)(batch)
    csv_writer(rows, LABELS)(batch)
    assert [json.loads(line)["snapshot"] for line in out.getvalue().splitlines()] == [True, False, False, False]
    assert [row["snapshot"] for row in csv.DictReader(io.StringIO(rows.getvalue()))] == ["True", *["False"] * 3]


def test_csv_has_a_header_and_leaves_empty_what_the_mode_does_not_carry(feed):
    out = io.StringIO()
    csv_writer(out, LABELS)(feed.reader.poll())
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["instrument"] for row in rows] == ["NSE:INFY", "NSE:RELIANCE", "NSE:NIFTY 50", ""]
    assert (rows[1]["volume_traded"], rows[2]["volume_traded"], rows[3]["close"]) == ("12345678", "", "")
    assert float(rows[0]["last_price"]) == 1573.7
