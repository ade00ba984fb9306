"""Contracts by words: which expiry, which strikes, and what is said to a mistake."""

from __future__ import annotations

from datetime import date

import pytest

from kitecli.errors import KiteError, SubscriptionError, UnknownInstrument
from kitecli.market.book import InstrumentBook
from kitecli.market.contracts import parse_contracts, rows_of, underlying, underlyings_at_the_money
from tests.market.masters import contract, share

TODAY = date(2026, 2, 9)
EXPIRIES = {
    "26203": "2026-02-03",
    "26210": "2026-02-10",
    "26217": "2026-02-17",
    "26FEB": "2026-02-24",
    "26MAR": "2026-03-30",
}


def market():
    token = iter(range(1000, 9000))
    yield share("NSE:NIFTY 50", 256265, segment="INDICES")
    yield share("NSE:RELIANCE", 738561)
    yield share("BSE:SENSEX", 265, segment="INDICES")
    for name, lot in (("NIFTY", 65), ("RELIANCE", 500)):
        for month, day in (("26FEB", "2026-02-24"), ("26MAR", "2026-03-30"), ("26APR", "2026-04-28")):
            yield contract(f"NFO:{name}{month}FUT", next(token) << 8 | 2, name, day, "FUT", lot=lot)
    for code, day in EXPIRIES.items():
        for strike in range(25000, 26050, 50):
            for kind in ("CE", "PE"):
                yield contract(f"NFO:NIFTY{code}{strike}{kind}", next(token) << 8 | 2, "NIFTY 50", day, kind, strike)
    yield contract("NFO:NIFTYNXT5026FEBFUT", next(token) << 8 | 2, "NIFTYNXT50", "2026-02-24", "FUT")
    yield contract("BFO:SENSEX5026FEBFUT", next(token) << 8 | 5, "SENSEX50", "2026-02-26", "FUT")
    yield contract("BFO:SENSEX26FEBFUT", next(token) << 8 | 5, "SENSEX", "2026-02-26", "FUT")
    for month, day in (("26FEB", "2026-02-27"), ("26APR", "2026-04-03")):
        yield contract(f"MCX:GOLD{month}FUT", next(token) << 8 | 7, "GOLD", day, "FUT")
        yield contract(f"MCX:GOLDM{month}FUT", next(token) << 8 | 7, "GOLDM", day, "FUT")
        yield contract(f"MCX:GOLD{month}150000CE", next(token) << 8 | 7, "GOLD", day, "CE", 150000)


BOOK = InstrumentBook(market())


def prices(*, nifty=25512.0):
    known = {"NSE:NIFTY 50": nifty, "MCX:GOLD26FEBFUT": 151234.0}
    return lambda keys: {key: known[key] for key in keys if key in known}


def found(text, today=TODAY, spot=25512.0):
    wanted = parse_contracts(text)
    return [BOOK.row(row).tradingsymbol for row in rows_of(BOOK, wanted, today, prices(nifty=spot))]


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("NFO:NIFTY:FUT:near", ["NIFTY26FEBFUT"]),
        ("nfo:nifty:next:fut", ["NIFTY26MARFUT"]),
        ("NFO:NIFTY:FUT:far", ["NIFTY26APRFUT"]),
        ("NFO:NIFTY:FUT", ["NIFTY26FEBFUT", "NIFTY26MARFUT", "NIFTY26APRFUT"]),
        ("NFO:NIFTY:weekly:ATM:CE", ["NIFTY2621025500CE"]),
        ("NFO:NIFTY:weekly:ATM", ["NIFTY2621025500CE", "NIFTY2621025500PE"]),
        ("NFO:NIFTY:next:ATM:PE", ["NIFTY2621725500PE"]),
        ("NFO:NIFTY:monthly:ATM+1:PE", ["NIFTY26FEB25500PE", "NIFTY26FEB25550PE"]),
        ("NFO:NIFTY:far:ATM-2:CE", ["NIFTY26FEB25400CE", "NIFTY26FEB25450CE", "NIFTY26FEB25500CE"]),
        ("NFO:NIFTY:2026-03-30:25000:OPT", ["NIFTY26MAR25000CE", "NIFTY26MAR25000PE"]),
        ("NFO:NIFTY:weekly:25000..25100:PE", ["NIFTY2621025000PE", "NIFTY2621025050PE", "NIFTY2621025100PE"]),
        ("NFO:RELIANCE:FUT:near", ["RELIANCE26FEBFUT"]),
        ("BFO:SENSEX:FUT:near", ["SENSEX26FEBFUT"]),
        ("NFO:NIFTYNXT50:near", ["NIFTYNXT5026FEBFUT"]),
        ("MCX:GOLD:near:ATM", ["GOLD26FEB150000CE"]),
        ("MCX:GOLD:near", ["GOLD26FEBFUT", "GOLD26FEB150000CE"]),
    ],
)
def test_words_mean_contracts(text, symbols):
    assert found(text) == symbols


@pytest.mark.parametrize("sign", ["±", "+-", "+/-"])
def test_strikes_on_both_sides_in_three_spellings(sign):
    assert found(f"NFO:NIFTY:weekly:ATM{sign}10:CE") == [f"NIFTY26210{strike}CE" for strike in range(25000, 26050, 50)]
    assert len(found(f"NFO:NIFTY:weekly:ATM{sign}10")) == 42


@pytest.mark.parametrize(
    ("spot", "strike"), [(25524.9, 25500), (25525.1, 25550), (25525, 25500), (1, 25000), (9e9, 26000)]
)
def test_at_the_money_is_the_nearest_strike(spot, strike):
    assert found("NFO:NIFTY:weekly:ATM:CE", spot=spot) == [f"NIFTY26210{strike}CE"]


def test_strikes_end_where_the_listed_ones_do():
    assert found("NFO:NIFTY:weekly:ATM±2:CE", spot=25000) == [
        f"NIFTY26210{strike}CE" for strike in (25000, 25050, 25100)
    ]


def test_a_contract_counts_on_its_last_day_and_not_after():
    assert found("NFO:NIFTY:weekly:ATM:CE", date(2026, 2, 10)) == ["NIFTY2621025500CE"]
    assert found("NFO:NIFTY:weekly:ATM:CE", date(2026, 2, 11)) == ["NIFTY2621725500CE"]
    assert found("NFO:NIFTY:FUT:near", date(2026, 2, 25)) == ["NIFTY26MARFUT"]
    # in the month's last week no weekly stands beside the monthly one
    assert found("NFO:NIFTY:weekly:ATM:CE", date(2026, 2, 1)) == ["NIFTY2620325500CE"]
    assert found("NFO:NIFTY:monthly:ATM:CE", date(2026, 2, 25)) == ["NIFTY26MAR25500CE"]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("NFO:NIFTY:weeky", SubscriptionError, "did you mean weekly?"),
        ("NFO:NIFTY:FTU", SubscriptionError, "did you mean FUT?"),
        ("NFO:NIFTY:@@", SubscriptionError, "NFO:NIFTY:FUT:near"),
        ("NFO:NIFTY:near:next", SubscriptionError, "two expiries"),
        ("NFO:NIFTY:CE:FUT", SubscriptionError, "two types"),
        ("NFO:NIFTY:ATM:25000", SubscriptionError, "two strikes"),
        ("NFO:NIFTY:FUT:ATM", SubscriptionError, "no strike"),
        ("NFO:NIFTY:2026-02-31", SubscriptionError, "no date"),
        ("NFO:NIFTI:near", UnknownInstrument, "Nearest: NIFTY"),
        ("NSE:NIFTY:near", UnknownInstrument, "NSE lists no contracts"),
        ("MXC:GOLD:near", UnknownInstrument, "BFO, BSE, MCX, NFO, NSE"),
        ("NFO:NIFTY:2026-02-11", UnknownInstrument, "2026-02-10, 2026-02-17"),
        ("NFO:NIFTY:weekly:99999", UnknownInstrument, "25900, 25950, 26000"),
        ("NFO:RELIANCE:FUT:weekly", UnknownInstrument, "no weekly expiries"),
        ("NFO:NIFTYNXT50:FUT:far", UnknownInstrument, "1 expiry to come"),
        ("NFO:RELIANCE:CE:near", UnknownInstrument, "expired"),
    ],
)
def test_mistakes_are_named_with_what_may_have_been_meant(text, error, said):
    with pytest.raises(KiteError) as refused:
        found(text)
    assert type(refused.value) is error
    assert said in str(refused.value)


@pytest.mark.parametrize("ask", [None, lambda _: {}, lambda keys: dict.fromkeys(keys, 0.0)])
def test_without_a_spot_price_at_the_money_is_nowhere(ask):
    with pytest.raises(SubscriptionError, match="NSE:NIFTY 50"):
        rows_of(BOOK, parse_contracts("NFO:NIFTY:weekly:ATM"), TODAY, ask)


def test_what_contracts_are_written_on():
    asked = {
        name: underlying(BOOK, *name.split(":"), TODAY)
        for name in ("NFO:NIFTY", "NFO:RELIANCE", "BFO:SENSEX", "MCX:GOLD", "MCX:TIN")
    }
    assert {name: row and row.key for name, row in asked.items()} == {
        "NFO:NIFTY": "NSE:NIFTY 50",
        "NFO:RELIANCE": "NSE:RELIANCE",
        "BFO:SENSEX": "BSE:SENSEX",
        "MCX:GOLD": "MCX:GOLD26FEBFUT",
        "MCX:TIN": None,
    }
    wanted = [parse_contracts(text) for text in ("NFO:NIFTY:near:ATM", "NFO:NIFTY:next:ATM", "MCX:GOLD:FUT:near")]
    assert underlyings_at_the_money(BOOK, wanted, TODAY) == ["NSE:NIFTY 50"]


@pytest.mark.parametrize("text", ["INFY", "NSE:INFY", "NIFTY 50", "408065"])
def test_a_name_is_no_selector(text):
    assert parse_contracts(text) is None
