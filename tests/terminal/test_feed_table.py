"""The live table at several widths, as text."""

import io

import pytest
from rich.console import Console

from kitecli.terminal.feed_table import FeedTable

LABELS = {738561: "NSE:RELIANCE", 408065: "NSE:INFY", 256265: "NSE:NIFTY 50", 256003: "CDS:USDINR"}
RECEIVED_NS = 1_795_344_596_000_000_000


def drawn(feed, width=120, height=30, labels=LABELS, **options):
    console = Console(width=width, height=height, force_terminal=True, record=True, file=io.StringIO(), **options)
    table = FeedTable(feed, labels, "4 instruments")
    table.refresh(RECEIVED_NS + 2_000_000_000)
    console.print(table)
    return console.export_text(styles=bool(options))


def test_rows_stand_in_the_order_asked_for_with_rupees_in_indian_grouping(feed):
    lines = drawn(feed).splitlines()
    symbols = [line.split("  ")[0] for line in lines if ":" in line.split("  ")[0]]
    assert symbols == ["NSE:RELIANCE", "NSE:INFY", "NSE:NIFTY 50", "CDS:USDINR"]
    infy = next(line for line in lines if "INFY" in line)
    assert "1,573.70" in infy
    assert "+0.38" in infy
    assert "5 × 1,573.65" in infy
    assert "11.92 L" in infy
    assert "2.0s" in infy
    assert "26,286.95" in next(line for line in lines if "NIFTY" in line)
    assert "83.1275" in next(line for line in lines if "USDINR" in line)


@pytest.mark.parametrize(("width", "there", "gone"), [(120, "VOLUME", "–"), (80, "BID", "VOLUME"), (50, "LTP", "BID")])
def test_a_narrow_terminal_drops_columns_and_wraps_nothing(feed, width, there, gone):
    text = drawn(feed, width)
    assert there in text
    assert gone not in text.splitlines()[1]
    assert all(len(line.rstrip()) <= width for line in text.splitlines())


def test_a_low_terminal_shows_as_many_rows_as_fit_and_says_so(feed):
    text = drawn(feed, height=8)
    assert len(text.splitlines()) <= 8
    assert "2 of 4 instruments" in text


def test_a_few_full_instruments_show_five_levels_where_there_is_room(feed, monkeypatch):
    assert "ORDERS" not in drawn(feed)
    monkeypatch.setattr("kitecli.terminal.feed_table.LADDER_INSTRUMENTS", 4)
    assert drawn(feed).count("ORDERS") == 2
    low = drawn(feed, height=14)
    assert "ORDERS" not in low, "rows come before ladders"
    assert all(label in low for label in LABELS.values())


def test_the_footer_says_what_was_lost(feed):
    list(feed.batches(0.01))
    text = drawn(feed)
    assert "4 ticks · lost 0" in text
    assert "0 of 0 connections up" in text
