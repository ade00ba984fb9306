from __future__ import annotations

import csv
import gzip
import io
import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.errors import DataError
from kitecli.market.book import InstrumentBook
from kitecli.market.columns import index_of_csv
from kitecli.market.instruments import COLUMNS, Instrument, format_instruments, parse_instruments

HEADER = ",".join(COLUMNS)
INFY = '408065,1594,INFY,"INFOSYS, LIMITED",0.0,,0.0,0.1,1,EQ,NSE,NSE'
OPTION = "12073986,47164,NIFTY26FEB25000CE,NIFTY,12.5,2026-02-26,25000.0,0.05,65,CE,NFO-OPT,NFO"


def test_a_row_has_the_types_of_the_official_client():
    infy, option = parse_instruments(f"{HEADER}\n{INFY}\n{OPTION}\n")
    assert infy == Instrument(408065, "1594", "INFY", "INFOSYS, LIMITED", 0.0, None, 0.0, 0.1, 1, "EQ", "NSE", "NSE")
    assert infy.key == "NSE:INFY"
    assert not infy.is_derivative
    assert (option.expiry, option.strike, option.lot_size, option.last_price) == (date(2026, 2, 26), 25000.0, 65, 12.5)
    assert option.is_derivative


def test_line_ends_a_byte_order_mark_and_more_columns_do_not_matter():
    plain = parse_instruments(f"{HEADER}\n{INFY}")
    assert parse_instruments(f"\ufeff{HEADER}\r\n{INFY}\r\n") == plain
    moved = "isin," + HEADER
    assert parse_instruments(f"{moved}\nINE009A01021,{INFY}\n") == plain


def test_the_columns_may_stand_in_another_order():
    swapped = ",".join(reversed(COLUMNS))
    values = ",".join(reversed(next(csv.reader([OPTION]))))
    assert parse_instruments(f"{swapped}\n{values}\n") == parse_instruments(f"{HEADER}\n{OPTION}\n")


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        ("", "lacks instrument_token", "empty"),
        ("<html><title>502</title></html>", "not an instrument master", "HTML page"),
        ('{"status":"error","message":"Too many requests"}', "not an instrument master", "Too many requests"),
        (HEADER.replace("lot_size", "lots") + "\n" + INFY, "lacks lot_size", "lots"),
        (HEADER + "\n", "no rows", "header"),
        ("\n".join([HEADER, INFY, OPTION[:40]]), "cut short", "line 3 has 5 fields of 12"),
        ("\n".join([HEADER, INFY, OPTION[:-1]]), "cut short", "'NF'"),
        ("\n".join([HEADER, OPTION[:40], INFY]), "Line 2", "5 fields of 12"),
        ("\n".join([HEADER, INFY.replace("408065", "abc")]), "Line 2", "instrument_token is 'abc', not a number"),
        ("\n".join([HEADER, INFY, OPTION.replace(",65,", ",6.5,")]), "Line 3", "lot_size is '6.5'"),
        (
            "\n".join([HEADER, OPTION.replace("2026-02-26", "26-02-2026")]),
            "Line 2",
            "expiry is '26-02-2026', not a date",
        ),
        ("\n".join([HEADER, OPTION.replace("2026-02-26", "2026-02-30")]), "Line 2", "expiry is '2026-02-30'"),
        (f"{HEADER}\n{INFY.replace('INFOSYS', 'I' * 200_000)}", "Line 2", "field limit"),
        (f"{HEADER}\n{OPTION.replace('2026-02-26', '20260226')}", "Line 2", "expiry is '20260226'"),
    ],
)
def test_a_file_that_is_not_the_whole_master_is_refused_with_the_reason(text: str, what: str, why: str):
    with pytest.raises(DataError) as refused:
        parse_instruments(text)
    assert what in refused.value.what
    assert why in refused.value.why
    assert refused.value.hint


def test_every_cut_of_a_download_is_refused_or_ends_on_a_whole_row():
    text = "\n".join([HEADER, INFY, OPTION, INFY.replace("408065", "408066"), ""])
    whole = parse_instruments(text)
    for end in range(len(text)):
        try:
            rows = parse_instruments(text[:end])
        except DataError:
            continue
        assert rows == whole[: len(rows)]
        assert text.startswith(text[:end].rstrip("\n") + "\n"), f"cut at {end} read as {rows[-1]}"


names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cs", "Cc"]), max_size=12)
prices = st.floats(0, 1e9, allow_nan=False)
instruments = st.builds(
    Instrument,
    st.integers(1, 2**32 - 1),
    st.integers(1, 2**24).map(str),
    names.filter(str.strip),
    names,
    prices,
    st.none() | st.dates(),
    prices,
    prices,
    st.integers(0, 10**6),
    st.sampled_from(["EQ", "FUT", "CE", "PE"]),
    st.sampled_from(["NSE", "NFO-OPT", "INDICES"]),
    st.sampled_from(["NSE", "BSE", "NFO"]),
)


@given(st.lists(instruments, min_size=1, max_size=5))
def test_what_is_written_reads_back_here_and_in_the_official_client(rows: list[Instrument]):
    from kiteconnect import KiteConnect

    text = format_instruments(rows)
    assert parse_instruments(text) == rows
    theirs = KiteConnect("key")._parse_instruments(text.encode())
    assert [tuple(one[name] for name in COLUMNS) for one in theirs] == [
        tuple(getattr(one, name) or ("" if name == "expiry" else getattr(one, name)) for name in COLUMNS)
        for one in rows
    ]


@pytest.mark.timing
def test_the_whole_market_is_read_and_searched_in_time(market_data):
    path = market_data / "instruments" / "DERIVED_kite_shaped_full_2026-02_from_upstox.csv.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    start = time.process_time()
    rows = parse_instruments(text)
    read_s = time.process_time() - start
    book = InstrumentBook(index=index_of_csv(text.encode(), date(2026, 2, 6)))
    start = time.process_time()
    nearest = book.nearest("INFOSYS")
    miss_s = time.process_time() - start
    assert len(book) == 155_836
    assert sum(1 for _ in csv.reader(io.StringIO(text))) == len(rows) + 1
    assert nearest[0] == "NSE:INFY"
    # 1.2 s and 0.1 s measured on the slowest machine used; the limits leave room for a busy one
    assert read_s < 4
    assert miss_s < 1


def test_real_files_are_read_or_refused_with_the_reason(market_data):
    folder = market_data / "instruments"
    real = gzip.decompress((folder / "kite_nse_eq_indices_2025-10_ktgogineni08.csv.gz").read_bytes()).decode()
    assert InstrumentBook(parse_instruments(real)).resolve("nifty 50").instrument_token == 256265
    saved_by_spreadsheet = next(folder.glob("kite_nfo_plus_fno_equities_2024-04_*"))
    with pytest.raises(DataError, match="spreadsheet"):
        parse_instruments(gzip.decompress(saved_by_spreadsheet.read_bytes()).decode())
    mock = parse_instruments((market_data / "mocks" / "instruments_all.csv").read_bytes().decode())
    assert len(mock) == 99
