"""Bars as lines for people and programs."""

import csv
import io
import json

import numpy as np
import pytest

from kitecli.bars.intervals import Interval
from kitecli.terminal.bar_rows import CSV_COLUMNS, csv_writer, ndjson_writer, table_writer
from tests.bars.made_up import INFY, NIFTY, USDINR, bars

LABELS = {INFY: "NSE:INFY", NIFTY: "NSE:NIFTY 50", USDINR: "CDS:USDINR"}
MINUTES = Interval.parse("1m")
ROWS = [(1573.7, 1574.05, 1571, 1572.45), (1572.45, 1573, 1572, 1572.5)]


def written(writer, *tables, labels=LABELS, interval=MINUTES, **more):
    out = io.StringIO()
    write = writer(out, labels, interval, **more)
    for table in tables:
        write(table)
    return out.getvalue()


def test_ndjson_says_everything_of_a_bar():
    table = bars(*ROWS, flags={1: "gap estimated revised"})
    table["revision"][1], table["oi"][1], table["vwap"][1] = 2, 10_000, 1572.481_234_5
    first, second = map(json.loads, written(ndjson_writer, table).splitlines())
    assert first == {
        "start": "2026-11-24T09:15:00+05:30",
        "end": "2026-11-24T09:16:00+05:30",
        "instrument": "NSE:INFY",
        "instrument_token": INFY,
        "interval": "1m",
        "open": 1573.7,
        "high": 1574.05,
        "low": 1571.0,
        "close": 1572.45,
        "volume": 1000,
        "oi": None,
        "vwap": 1572.45,
        "ticks": 7,
        "flags": [],
        "revision": 0,
    }
    assert (second["oi"], second["vwap"], second["revision"]) == (10_000, 1572.4812, 2)
    assert set(second["flags"]) == {"gap", "estimated", "revised"}


def test_an_index_has_null_and_empty_for_what_it_has_none_of():
    table = bars(*ROWS, token=NIFTY, volume=np.nan)
    table["vwap"] = np.nan
    document = json.loads(written(ndjson_writer, table).splitlines()[0])
    assert (document["volume"], document["oi"], document["vwap"]) == (None, None, None)
    row = next(csv.DictReader(io.StringIO(written(csv_writer, table))))
    assert (row["volume"], row["oi"], row["vwap"]) == ("", "", "")


def test_csv_has_one_header_however_often_it_is_written_to():
    text = written(csv_writer, bars(ROWS[0], flags={0: "gap partial"}), bars(ROWS[1]))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["close"] for row in rows] == ["1572.45", "1572.5"]
    assert set(rows[0]["flags"].split(" ")) == {"gap", "partial"}
    assert rows[0]["start"] == "2026-11-24T09:15:00+05:30"


def test_a_table_aligns_prices_and_groups_them_and_says_the_zone():
    text = written(table_writer, bars((150_000, 150_001, 9, 9.5)), labels={INFY: "NSE:INFY"}, width=120)
    head, row = text.splitlines()
    assert head.startswith("start, IST")
    assert row.startswith("24 Nov 09:15")
    assert "1,50,000.00" in row
    assert head.index("close") + len("close") == row.index("9.50") + len("9.50")
    assert "instrument" not in head


def test_later_rows_stand_below_the_heads():
    text = written(table_writer, bars(ROWS[0]), bars(ROWS[1]), labels={INFY: "NSE:INFY"}, width=120)
    head, first, second = text.splitlines()
    end = head.index("close") + len("close")
    assert (first[:end][-8:], second[:end][-8:]) == ("1,572.45", "1,572.50")


def test_what_fits_is_settled_once():
    narrow, wide = bars((1, 1, 1, 1)), bars((12_345_678, 12_345_678, 1, 1))
    lines = written(table_writer, narrow, wide, labels={INFY: "NSE:INFY"}, width=60).splitlines()
    assert lines[0].split() == ["start,", "IST", "open", "high", "low", "close", "volume", "notes"]
    assert lines[2].split()[3:7] == ["1,23,45,678.00", "1,23,45,678.00", "1.00", "1.00"]
    assert len(lines[2]) <= 60, "what is too long now is cut off"


def test_the_heads_wait_for_the_first_bar():
    empty = bars()
    assert written(table_writer, empty, width=60) == ""
    table = bars((150_000, 150_001, 9, 9.5), (1, 1, 1, 1))
    assert written(table_writer, empty, table, width=60) == written(table_writer, table, width=60)


def test_the_longest_name_makes_room_before_it_comes():
    text = written(table_writer, bars(ROWS[0]), bars(ROWS[1], token=NIFTY), width=120)
    head, infy, nifty = text.splitlines()
    assert head.index("start") == infy.index("24 Nov") == nifty.index("24 Nov")


def test_several_instruments_are_named_and_currencies_have_four_decimals():
    text = written(table_writer, bars(ROWS[0]), bars((83.1275,) * 4, token=USDINR), width=120)
    assert text.splitlines()[0].startswith("instrument")
    assert text.splitlines()[1].startswith("NSE:INFY ")
    assert "83.1275" in text.splitlines()[2]


@pytest.mark.parametrize(
    ("width", "there", "gone"),
    [
        (120, {"vwap", "notes", "ticks"}, set()),
        (90, {"low", "notes"}, {"oi"}),
        (50, {"close", "volume"}, {"open", "low"}),
    ],
)
def test_a_narrow_terminal_loses_what_says_least(width, there, gone):
    table = bars(*ROWS, flags={0: "gap partial estimated revised"})
    text = written(table_writer, table, width=width)
    heads = set(text.splitlines()[0].split())
    assert there <= heads
    assert not gone & heads
    assert all(len(line) <= width for line in text.splitlines())


def test_a_program_gets_tabs_without_heads_or_grouping():
    table = bars((150_000, 150_001, 9, 9.5), flags={0: "gap"})
    table["vwap"] = np.nan
    assert written(table_writer, table, labels={INFY: "NSE:INFY"}, width=None) == (
        "2026-11-24T09:15:00+05:30\t150000.00\t150001.00\t9.00\t9.50\t1000\t7\t\t\tgap\n"
    )


def test_bars_finer_than_a_minute_show_their_seconds():
    text = written(table_writer, bars(ROWS[0]), interval=Interval.parse("5s"), width=120)
    assert "24 Nov 09:15:00 " in text
