from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from kitecli.errors import DataError, SubscriptionError, TooManyInstruments, UnknownInstrument
from kitecli.market.book import InstrumentBook
from kitecli.market.instruments import Instrument
from kitecli.market.selection import (
    Selected,
    Selection,
    Wish,
    parse_watchlist,
    read_watchlist,
    select,
    split_names,
)
from tests.market.masters import contract, share


def row(key: str, token: int, kind: str = "EQ") -> Instrument:
    exchange, symbol = key.split(":")
    return Instrument(token, str(token >> 8), symbol, "", 0.0, None, 0.0, 0.05, 1, kind, exchange, exchange)


INFY, TCS, NIFTY, OPTION, FUTURE, NUMBERED = 408065, 2953217, 256265, 0x102, 0x202, 0x304
BOOK = InstrumentBook(
    [
        row("NSE:TCS", TCS),
        row("NSE:INFY", INFY),
        row("NSE:NIFTY 50", NIFTY),
        row("NFO:NIFTY26FEB25000CE", OPTION, "CE"),
        row("NFO:BANKNIFTY26FEBFUT", FUTURE, "FUT"),
        row("BSE:256265", NUMBERED),
    ]
)


def asked(*names: str) -> list[Wish]:
    return [Wish(name) for name in names]


def tokens(selection: Selection) -> list[int]:
    return [item.token for item in selection]


def test_names_and_tokens_in_the_order_asked_for_each_once():
    chosen = select(BOOK, asked("nse:infy", "Nifty 50", "2953217", "INFY", str(INFY)))
    assert [(one.token, one.label) for one in chosen] == [(INFY, "NSE:INFY"), (NIFTY, "NSE:NIFTY 50"), (TCS, "NSE:TCS")]
    assert len(chosen) == 3
    assert chosen.labels == {INFY: "NSE:INFY", NIFTY: "NSE:NIFTY 50", TCS: "NSE:TCS"}


def test_a_symbol_made_of_digits_wins_over_a_token():
    assert tokens(select(BOOK, asked("256265"))) == [NUMBERED]


def test_where_no_mode_is_given_derivatives_get_theirs_and_the_rest_the_other():
    names = asked("INFY", "NIFTY 50", "NIFTY26FEB25000CE", "BANKNIFTY26FEBFUT")
    assert [one.mode for one in select(BOOK, names)] == ["quote", "quote", "full", "full"]
    other = select(BOOK, names, equity_mode="ltp", futures_mode="quote")
    assert other.modes == {INFY: "ltp", NIFTY: "ltp", OPTION: "quote", FUTURE: "quote"}


def test_the_mode_behind_a_name_wins_over_the_command_s():
    chosen = select(BOOK, [Wish("INFY", "ltp"), Wish("TCS"), Wish("NFO:*")], mode="full")
    assert chosen.modes == {INFY: "ltp", TCS: "full", OPTION: "full", FUTURE: "full"}


def test_named_twice_it_keeps_its_first_place_and_its_last_mode():
    chosen = select(BOOK, [Wish("INFY", "ltp"), Wish("TCS"), Wish("INFY", "full"), Wish("infy"), Wish("*")])
    assert next(iter(chosen)) == Selected(INFY, "NSE:INFY", "full")
    assert len(chosen) == len(BOOK)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("NSE:*", [TCS, INFY, NIFTY]),
        ("nfo:nifty*", [OPTION]),
        ("NIFTY*", [NIFTY, OPTION]),
        ("*:*FUT", [FUTURE]),
        ("N[SF][EO]:*C[SE]", [TCS, OPTION]),
        ("NSE:????", [INFY]),
        ("NSE:INFY", [INFY]),
    ],
)
def test_patterns_choose_in_the_master_s_order(pattern: str, found: list[int]):
    assert tokens(select(BOOK, asked(pattern))) == found


def test_every_unknown_name_is_told_with_its_nearest():
    with pytest.raises(UnknownInstrument) as refused:
        select(BOOK, asked("INFYY", "TCS", "NSE:TCSS", "999", "INFYY", "MCX:*"))
    assert refused.value.what == "Unknown instruments: 'INFYY', 'NSE:TCSS', '999', 'MCX:*'"
    assert "Nearest for INFYY: NSE:INFY" in refused.value.hint
    assert "nearest for NSE:TCSS: NSE:TCS" in refused.value.hint
    assert "999:" not in refused.value.hint


def test_a_name_torn_at_its_space_is_told_about_quotes():
    with pytest.raises(UnknownInstrument) as refused:
        select(BOOK, asked("NIFTY", "50"))
    assert 'quotes: "NIFTY 50"' in refused.value.hint


def test_a_thousand_unknown_names_are_not_all_told():
    with pytest.raises(UnknownInstrument) as refused:
        select(BOOK, [Wish(f"ZZ{number}") for number in range(1000)])
    assert "'ZZ9' and 990 more" in refused.value.what


def test_more_than_the_feed_can_carry_is_refused_with_both_counts():
    assert len(select(BOOK, asked("*"), limit=6)) == 6
    with pytest.raises(TooManyInstruments, match=r"9,001 .* 9,000"):
        select(InstrumentBook([row(f"NSE:S{n}", n << 8 | 1) for n in range(9001)]), asked("NSE:*"))


def test_nothing_asked_for_is_an_error():
    with pytest.raises(SubscriptionError, match="No instrument"):
        select(BOOK, [])


def test_a_watchlist_has_lines_commas_comments_and_modes():
    banks = "\ufeff# banks\nNSE:HDFCBANK full\r\nICICIBANK, NIFTY BANK  Quote,,TCS # both\n\n"
    assert parse_watchlist(banks + "408065\nINFY, ltp\n\tSBIN\tfull\n") == [
        Wish("NSE:HDFCBANK", "full"),
        Wish("ICICIBANK"),
        Wish("NIFTY BANK", "quote"),
        Wish("TCS"),
        Wish("408065"),
        Wish("INFY", "ltp"),
        Wish("SBIN", "full"),
    ]


def test_a_mode_with_no_name_before_it_is_a_name():
    assert split_names("full, INFY") == [Wish("full"), Wish("INFY")]


def test_a_watchlist_is_read_from_its_file(tmp_path: Path):
    path = tmp_path / "mine.txt"
    path.write_text("INFY full\nTCS\n", encoding="utf-8")
    assert select(BOOK, read_watchlist(path)).modes == {INFY: "full", TCS: "quote"}


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), (b"", "no instrument"), (b"\xff\xfe1", "UTF-8")])
def test_a_watchlist_that_is_none_is_refused(tmp_path: Path, content: bytes | None, why: str):
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_watchlist(path)
    assert why in refused.value.why
    assert "mine.txt" in refused.value.what


def test_names_patterns_contracts_and_files_stand_in_one_list(tmp_path: Path):
    token = iter(range(0x502, 0x90002, 256))
    rows = [share("NSE:NIFTY 50", NIFTY, segment="INDICES"), share("NSE:INFY", INFY)]
    for strike in range(25000, 25500, 50):
        for kind in ("CE", "PE"):
            symbol = f"NFO:NIFTY26FEB{strike}{kind}"
            rows.append(contract(symbol, next(token), "NIFTY", "2026-02-24", kind, strike))
    (tmp_path / "my list.txt").write_text("INFY full\nNIFTY 50\n")
    asked_for: list[list[str]] = []

    def prices(keys: list[str]) -> dict[str, float]:
        asked_for.append(keys)
        return {"NSE:NIFTY 50": 25212.0}

    wanted = [
        Wish("NFO:NIFTY:near:ATM±1:CE", "ltp"),
        Wish("NFO:NIFTY:monthly:ATM"),
        Wish(f"@{tmp_path / 'my list.txt'}", "ltp"),
    ]
    chosen = select(InstrumentBook(rows), [*wanted, Wish("NFO:*25450PE")], today=date(2026, 2, 9), prices=prices)
    assert {item.label: item.mode for item in chosen} == {
        "NFO:NIFTY26FEB25150CE": "ltp",
        "NFO:NIFTY26FEB25200CE": "ltp",
        "NFO:NIFTY26FEB25250CE": "ltp",
        "NFO:NIFTY26FEB25200PE": "full",
        "NSE:INFY": "full",
        "NSE:NIFTY 50": "ltp",
        "NFO:NIFTY26FEB25450PE": "full",
    }
    assert asked_for == [["NSE:NIFTY 50"]]  # once for all: the broker allows one call a second


def test_an_exchange_token_is_told_with_the_instrument_token():
    with pytest.raises(
        UnknownInstrument, match="1594 is an exchange token; the instrument token is 408065 of NSE:INFY"
    ):
        select(BOOK, asked("1594"))
