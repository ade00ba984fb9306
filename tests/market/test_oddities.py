from __future__ import annotations

from datetime import date

from kitecli.market.book import InstrumentBook
from kitecli.market.columns import index_of_rows
from kitecli.market.mending import Oddity
from kitecli.market.oddities import EXPECTED, report_on
from tests.market.masters import contract, share


def kinds(*rows, day=date(2026, 2, 20)):
    report = report_on(InstrumentBook(index=index_of_rows(rows, day)))
    return {oddity.kind: oddity for oddity in report.oddities if oddity.kind != "partial"}


def test_a_sound_master_has_none():
    rows = [share(f"{name}:A{code}", 5 << 8 | code) for code, name in zip((1, 4, 2, 5, 3, 6, 7), EXPECTED, strict=True)]
    rows.append(share("BSE:SENSEX", 265, segment="INDICES"))
    report = report_on(InstrumentBook(rows))
    assert report.oddities == ()
    assert report.rows == 8
    assert report.segments == {"BCD": 1, "BFO": 1, "BSE": 1, "CDS": 1, "INDICES": 1, "MCX": 1, "NFO": 1, "NSE": 1}


def test_each_oddity_is_told_with_its_count_and_an_example():
    found = kinds(
        share("NSE:A", 257), share("NSE:B", 257), share("NSE:a", 513), share("NSE:FAR", 5 << 8 | 2),
        share("NSE:NO INDEX", 6 << 8 | 9),
        contract("NFO:X26JANFUT", 9 << 8 | 2, "X", "2026-01-27", "FUT"),
    )  # fmt: skip
    assert set(found) == {"token-twice", "symbol-twice", "segment-byte", "expired"}
    assert found["token-twice"].count == 1
    assert found["symbol-twice"].example == "NSE:a (token 513)"
    assert (found["segment-byte"].count, found["segment-byte"].example) == (2, "NSE:FAR (token 1282)")
    assert "2026-02-20" in str(found["expired"])


def test_exchange_tokens_without_the_rule_and_missing_tick_sizes_are_told():
    odd = share("NSE:A", 257)
    other = type(odd)(*(getattr(odd, name) if name != "exchange_token" else "77" for name in odd.__slots__))
    still = type(odd)(*(getattr(odd, name) if name != "tick_size" else 0.0 for name in odd.__slots__))
    assert set(kinds(other)) == {"exchange-token"}
    assert set(kinds(still)) == {"tick-size"}


def test_what_was_mended_stands_first_and_absent_exchanges_last():
    mended = Oddity("dates", "dates", 2, "1-1-2026", "turned")
    report = report_on(InstrumentBook([share("NSE:A", 257)]), (mended,))
    assert report.oddities[0] is mended
    assert report.oddities[-1].kind == "partial"
    assert report.oddities[-1].count == len(EXPECTED) - 1
    assert report.as_dict()["oddities"][0]["count"] == 2
