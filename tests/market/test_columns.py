"""Rows become columns; a file in any form becomes an index, with a note of what had to be mended."""

from __future__ import annotations

import gzip
from datetime import date
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.errors import DataError
from kitecli.market.book import InstrumentBook
from kitecli.market.columns import index_of_csv, index_of_file, index_of_rows, scanned_columns
from kitecli.market.instruments import format_instruments, parse_instruments
from tests.market.masters import instruments, share

DAY = date(2026, 11, 20)


@given(st.lists(instruments, max_size=8))
@settings(max_examples=60)
def test_a_book_gives_back_the_rows_it_was_made_of(rows):
    assert list(InstrumentBook(rows)) == rows


def test_an_index_knows_the_file_it_was_built_from():
    csv = format_instruments([share("NSE:INFY", 408065)]).encode()
    index = index_of_csv(csv, DAY)
    assert index.source == sha256(csv).digest()
    assert date.fromordinal(index.day) == DAY


@pytest.mark.parametrize("row", [share("NSE:A", 2**32), share("NSE:A", -1)])
def test_a_token_no_message_could_carry_is_refused(row):
    with pytest.raises(DataError, match="32 bits"):
        index_of_rows([row])


def test_without_the_scanner_the_reference_builds_the_same(monkeypatch: pytest.MonkeyPatch):
    csv = format_instruments([share("NSE:INFY", 408065), share("BSE:ß", 1 << 8 | 4, "Ä")]).encode()
    compiled = bytes(index_of_csv(csv, DAY).image)
    monkeypatch.setenv("KITE_PURE", "1")
    assert scanned_columns(csv) is None
    assert bytes(index_of_csv(csv, DAY).image) == compiled


def test_a_name_that_is_no_utf_8_is_read_with_a_mark_in_its_place():
    csv = format_instruments([share("NSE:A", 257, "CAF@")]).encode().replace(b"CAF@", b"CAF\xe9")
    assert InstrumentBook(index=index_of_csv(csv, DAY)).row(0).name == "CAF\ufffd"


def test_real_masters_load_whichever_way_they_were_saved(market_data):
    folder, books = market_data / "instruments", {}
    for pattern, rows, kinds in (
        ("DERIVED_*", 155_836, []),
        ("kite_nse_*", 8_320, []),
        ("kite_nfo_*", 31_373, ["dates"]),
    ):
        csv = gzip.decompress(next(folder.glob(pattern)).read_bytes())
        index, mended = index_of_file(csv, DAY)
        books[pattern] = InstrumentBook(index=index)
        assert len(index) == rows
        assert [oddity.kind for oddity in mended] == kinds
        if not kinds and rows < 10_000:
            assert list(InstrumentBook(index=index)) == parse_instruments(csv.decode())
    future = books["kite_nfo_*"].resolve("NFO:NIFTY24APRFUT")
    assert (future.expiry, future.lot_size) == (date(2024, 4, 25), 50)
