from __future__ import annotations

import pytest

from kitecli.errors import SubscriptionError, UnknownInstrument
from kitecli.market.book import InstrumentBook
from kitecli.market.instruments import Instrument
from tests.market.masters import contract, share


def row(key: str, token: int, kind: str = "EQ", name: str = "") -> Instrument:
    exchange, symbol = key.split(":")
    return Instrument(token, str(token >> 8), symbol, name, 0.0, None, 0.0, 0.05, 1, kind, exchange, exchange)


BOOK = InstrumentBook(
    [
        row("BSE:INFY", 500209 << 8 | 4, name="INFOSYS LTD."),
        row("NSE:INFY", 408065, name="INFOSYS LIMITED"),
        row("NSE:NIFTY 50", 256265),
        row("NSE:EQWEIGHT", 256 << 8 | 1, name="NIFTY50 EQUAL WEIGHT"),
        row("NSE:NINSYS", 257 << 8 | 1),
        row("BSE:ONLYBSE", 4 << 8 | 4),
        row("MCX:ONLYBSE", 5 << 8 | 7),
        row("CDS:USDINR26MARFUT", 1 << 8 | 3, "FUT"),
        row("BCD:USDINR26MARFUT", 1 << 8 | 6, "FUT"),
        row("MCX:GOLD26APRFUT", 454818 << 8 | 7, "FUT"),
        row("NFO:NIFTY26FEB25000CE", 1 << 8 | 2, "CE"),
        row("NFO:NIFTY26FEB25100CE", 2 << 8 | 2, "CE"),
    ]
)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("NSE:INFY", "NSE:INFY"),
        ("nse:infy", "NSE:INFY"),
        (" bse : Infy ", "BSE:INFY"),
        ("infy", "NSE:INFY"),
        ("nifty 50", "NSE:NIFTY 50"),
        ("onlybse", "BSE:ONLYBSE"),
        ("GOLD26APRFUT", "MCX:GOLD26APRFUT"),
    ],
)
def test_names_find_their_instrument(name: str, key: str):
    assert BOOK.resolve(name).key == key


def test_tokens_find_their_instrument():
    found = BOOK.get(408065)
    assert found
    assert found.key == "NSE:INFY"
    assert BOOK.get(1) is None


def test_a_symbol_of_several_exchanges_is_refused_and_names_them():
    with pytest.raises(SubscriptionError) as refused:
        BOOK.find("USDINR26MARFUT")
    assert "BCD:USDINR26MARFUT, CDS:USDINR26MARFUT" in refused.value.why


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("INFYY", "NSE:INFY"),
        ("BSE:INFYY", "BSE:INFY"),
        ("infosys", "NSE:INFY"),  # a company's name is a common way to miss
        ("NIFTY50", "NSE:NIFTY 50"),
        ("NSE:ONLYBSE", "BSE:ONLYBSE"),
        ("NFO:NIFTY26FEB25010CE", "NFO:NIFTY26FEB25100CE"),
    ],
)
def test_a_miss_names_the_nearest(name: str, nearest: str):
    assert BOOK.find(name) is None
    assert BOOK.nearest(name)[0] == nearest
    with pytest.raises(UnknownInstrument) as refused:
        BOOK.resolve(name)
    assert nearest in refused.value.hint


def test_nonsense_has_no_neighbours_and_still_a_hint():
    with pytest.raises(UnknownInstrument) as refused:
        BOOK.resolve("qqqqqq")
    assert "EXCHANGE:SYMBOL" in refused.value.hint


def test_a_key_that_stands_twice_is_its_first_row():
    assert InstrumentBook([row("NSE:A", 1), row("NSE:A", 2)]).resolve("A").instrument_token == 1


def test_a_book_keeps_the_order_of_the_master():
    assert [one.key for one in BOOK][:2] == ["BSE:INFY", "NSE:INFY"]
    assert len(BOOK) == 12


CHAIN = [
    share("NSE:HDFCBANK", 341249, "HDFC BANK LTD"),
    share("BSE:HDFCBANK", 500180 << 8 | 4, "HDFC BANK LTD."),
    share("NSE:HDFCLIFE", 119553, "HDFC LIFE INS CO LTD"),
    contract("NFO:HDFCBANK26MARFUT", 3 << 8 | 2, "HDFCBANK", "2026-03-30", "FUT"),
    contract("NFO:HDFCBANK26FEBFUT", 4 << 8 | 2, "HDFCBANK", "2026-02-24", "FUT"),
    contract("NFO:NIFTY26FEB25000CE", 5 << 8 | 2, "NIFTY", "2026-02-24", "CE", 25000.0),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hdfc bank", ["NSE:HDFCBANK", "BSE:HDFCBANK", "NFO:HDFCBANK26FEBFUT", "NFO:HDFCBANK26MARFUT"]),
        ("hdfcbank", ["NSE:HDFCBANK", "BSE:HDFCBANK", "NFO:HDFCBANK26FEBFUT", "NFO:HDFCBANK26MARFUT"]),
        ("nifty 25000 ce feb", ["NFO:NIFTY26FEB25000CE"]),
        ("bse:hdfcbank", ["BSE:HDFCBANK"]),
        ("hdfclief", ["NSE:HDFCLIFE"]),
        ("zzzzzz", []),
        ("", []),
    ],
)
def test_search_puts_shares_first_and_sooner_expiries_before_later(text: str, found: list[str]):
    assert [row.key for row in InstrumentBook(CHAIN).search(text)][: len(found) or 9] == found


def test_contracts_are_found_by_what_they_are_on_whatever_the_name_column_says():
    bond = share("NFO:HDFCBANK26", 10 << 8 | 2)
    book = InstrumentBook([*CHAIN, bond, contract("NFO:X5026FEBFUT", 9 << 8 | 2, "", "2026-02-24", "FUT")])
    assert [book.row(row).tradingsymbol for row in book.contracts_on("NFO", "HDFCBANK")] == [
        "HDFCBANK26FEBFUT",
        "HDFCBANK26MARFUT",
    ]
    assert book.contracts_on("NFO", "X") == book.contracts_on("NFO", "HDFC") == []
    assert book.underlyings("NFO") == ["HDFCBANK", "NIFTY", "X50"]


def test_an_exchange_token_finds_its_instruments():
    assert [row.key for row in InstrumentBook(CHAIN).of_exchange_token("1333")] == ["NSE:HDFCBANK"]
