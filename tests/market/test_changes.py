"""Between two days: every difference once, and a reused token never taken for a new name."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.market.book import InstrumentBook
from kitecli.market.changes import Change, changes, tally
from kitecli.market.columns import index_of_rows
from tests.market.masters import contract, instruments, share

FEB = contract("NFO:X26FEBFUT", 300 << 8 | 2, "X", "2026-02-24", "FUT")
MAR = contract("NFO:Y26MARFUT", 300 << 8 | 2, "Y", "2026-03-30", "FUT")


def between(old, new, day=date(2026, 2, 25)):
    books = [InstrumentBook(index=index_of_rows(rows, day)) for rows in (old, new)]
    return [(change.kind, change.key, change.before, change.after) for change in changes(*books)]


def test_nothing_changed():
    assert between([FEB, MAR], [MAR, FEB]) == []


def test_new_gone_and_expired():
    old, new = [FEB, share("NSE:A", 257)], [share("NSE:B", 513)]
    assert between(old, new) == [
        ("new", "NSE:B", "", ""),
        ("gone", "NSE:A", "", ""),
        ("expired", "NFO:X26FEBFUT", "", ""),
    ]


def test_a_share_with_its_exchange_token_is_renamed():
    assert between([share("NSE:ZOMATO", 257)], [share("NSE:ETERNAL", 257)]) == [
        ("renamed", "NSE:ETERNAL", "NSE:ZOMATO", "NSE:ETERNAL")
    ]


def test_a_contract_is_renamed_only_if_its_terms_stay():
    again = contract("NFO:XX26FEBFUT", 300 << 8 | 2, "X", "2026-02-24", "FUT")
    assert between([FEB], [again]) == [("renamed", "NFO:XX26FEBFUT", "NFO:X26FEBFUT", "NFO:XX26FEBFUT")]
    assert between([FEB], [MAR]) == [
        ("token-reused", "NFO:Y26MARFUT", "NFO:X26FEBFUT", "NFO:Y26MARFUT"),
        ("new", "NFO:Y26MARFUT", "", ""),
        ("expired", "NFO:X26FEBFUT", "", ""),
    ]


def test_the_same_number_on_another_exchange_is_another_token():
    assert [kind for kind, *_ in between([share("NSE:A", 257)], [share("BSE:B", 260)])] == ["new", "gone"]


def test_a_token_that_moved_and_terms_that_changed():
    moved = contract("NFO:X26FEBFUT", 301 << 8 | 2, "X", "2026-02-23", "FUT", lot=75)
    assert between([FEB], [moved]) == [
        ("token-moved", "NFO:X26FEBFUT", str(300 << 8 | 2), str(301 << 8 | 2)),
        ("lot-size", "NFO:X26FEBFUT", "65", "75"),
        ("expiry", "NFO:X26FEBFUT", "2026-02-24", "2026-02-23"),
    ]


@given(st.lists(instruments, max_size=6), st.lists(instruments, max_size=6))
@settings(max_examples=50)
def test_new_and_gone_are_the_difference_of_names(old, new):
    found = changes(InstrumentBook(old), InstrumentBook(new), date(2026, 1, 1))
    before, after = ({row.key.upper() for row in rows} for rows in (old, new))
    renamed = {(change.before, change.key) for change in found if change.kind == "renamed"}
    assert {c.key for c in found if c.kind == "new"} | {key for _, key in renamed} == after - before
    assert {c.key for c in found if c.kind in ("gone", "expired")} | {key for key, _ in renamed} == before - after


def test_changes_are_counted_and_shown():
    found = [Change("new", "NSE:A", 257), Change("new", "NSE:B", 513), Change("gone", "NSE:C", 1)]
    assert tally(found) == {"new": 2, "gone": 1}
    assert found[0].cells() == ("new", "NSE:A", "257", "", "")
    assert found[0].as_dict()["token"] == 257
