"""The compiled scanner equals the reference on whatever it doesn't decline, and declines none of Kite's own files."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.market import columns
from kitecli.market.columns import HEADER_LINE, columns_of, scanned_columns
from kitecli.market.instruments import format_instruments, parse_instruments
from tests.market.masters import instruments, share

pytestmark = pytest.mark.skipif(columns._scanner() is None, reason="the scanner isn't built")

INFY = '408065,1594,INFY,"INFOSYS, ""LTD""",0.0,,0.0,0.1,1,EQ,NSE,NSE'


def agrees(csv: bytes) -> bool:
    """Whether the scanner took it; if so, its sections must be the reference's."""
    scanned = scanned_columns(csv)
    if scanned is None:
        return False
    reference = columns_of(parse_instruments(csv.decode("utf-8", "replace")))
    assert {name: bytes(part) for name, part in scanned.items()} == {
        name: bytes(part) for name, part in reference.items()
    }
    return True


@given(st.lists(instruments, min_size=1, max_size=8), st.booleans())
@settings(max_examples=60)
def test_what_we_write_it_reads_as_the_reference_does(rows, crlf):
    text = format_instruments(rows)
    body = text.replace("\n", "\r\n") if crlf else text
    taken = agrees(body.encode())
    plain = all(row.tradingsymbol.isascii() and '"' not in row.exchange_token for row in rows)
    assert taken == plain


@given(
    st.lists(instruments, min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from([*b'0159,."\n\r\0 -+_eE\xc3A', None])), max_size=4),
)
@settings(max_examples=250)
def test_a_damaged_file_is_declined_or_read_as_the_reference_reads_it(rows, damage):
    csv = bytearray(format_instruments(rows).encode())
    for place, byte in damage:
        at = len(HEADER_LINE) + 1 + place % (len(csv) - len(HEADER_LINE) - 1)
        csv[at : at + 1] = b"" if byte is None else bytes([byte])
    agrees(bytes(csv))


@pytest.mark.parametrize(
    "row",
    [
        INFY,
        INFY.replace("408065", "4294967295"),
        INFY.replace("0.1", "1e-7"),
        INFY.replace("0.1", "123456789012345678.5"),
        INFY.replace(",0.1,", ",.5,"),
        INFY.replace(",0.1,", ",5.,"),
        INFY.replace("1594", "01594"),
        '"408065","1594","INFY","","0","2026-02-26","0","0.1","1","EQ","NSE","NSE"',
    ],
)
def test_kite_s_own_forms_are_taken(row):
    assert agrees(HEADER_LINE + b"\n" + row.encode() + b"\n")


@pytest.mark.parametrize(
    "csv",
    [
        b"",
        HEADER_LINE,
        HEADER_LINE + b"\n",
        HEADER_LINE + b"\n" + INFY.encode(),
        HEADER_LINE + b"\n" + INFY.encode()[:-1] + b'"\n',
        HEADER_LINE + b"\n\n" + INFY.encode() + b"\n",
        HEADER_LINE + b"\n" + INFY.replace("408065", "4294967296").encode() + b"\n",
        HEADER_LINE + b"\n" + INFY.replace("0.1", "1.5 x").encode() + b"\n",
        HEADER_LINE + b"\n" + INFY.replace("0.1", "1e-_7").encode() + b"\n",
        HEADER_LINE + b"\n" + INFY.replace("0.0,,0.0", "0.0,26-02-2026,0.0").encode() + b"\n",
        HEADER_LINE + b"\n" + INFY.encode() + b",more\n",
        b"a,b\n1,2\n",
    ],
)
def test_what_is_not_is_left_to_the_reference(csv):
    assert scanned_columns(csv) is None


def test_the_whole_market_is_the_same_by_both(market_data):
    path = next((market_data / "instruments").glob("kite_nse_*"))
    assert agrees(gzip.decompress(path.read_bytes()))
    mocks = (market_data / "mocks" / "instruments_all.csv").read_bytes()
    assert agrees(mocks if mocks.endswith(b"\n") else mocks + b"\n")


def test_long_symbols_that_begin_alike_keep_their_order():
    rows = [share("NSE:" + "A" * 22 + end, 256 * at + 1) for at, end in enumerate(("b", "", "A", "AB", "B", "aa"))]
    assert agrees(format_instruments(rows).encode())
