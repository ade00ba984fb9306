"""What spreadsheets and data frames make of a master is undone where it can mean one thing only, and told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.errors import DataError
from kitecli.market.columns import index_of_file
from kitecli.market.instruments import COLUMNS, format_instruments, parse_instruments
from kitecli.market.mending import mend
from tests.market.masters import contract, instruments, share

HEADER = ",".join(COLUMNS)
ROWS = [
    share("NSE:INFY", 408065, "INFOSYS"),
    contract("NFO:NIFTY26FEBFUT", 257 << 8 | 2, "NIFTY", "2026-02-24", "FUT"),
    contract("NFO:NIFTY2630525000CE", 258 << 8 | 2, "NIFTY", "2026-03-05", "CE", 25000.0),
]
GOOD = format_instruments(ROWS)


def mended(text: str) -> tuple[list[object], dict[str, int]]:
    body, oddities = mend(text)
    return list(parse_instruments(body)), {oddity.what: oddity.count for oddity in oddities}


@given(st.lists(instruments, min_size=1, max_size=5))
@settings(max_examples=50)
def test_a_file_in_kite_s_own_form_is_left_as_it_is(rows):
    text = format_instruments(rows)
    assert mend(text) == (text, ()) or any(row.lot_size == 0 for row in rows)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (GOOD.replace("2026-02-24", "24-02-2026").replace("2026-03-05", "05-03-2026"), "DD-MM-YYYY"),
        (GOOD.replace("2026-02-24", "24/2/2026").replace("2026-03-05", "5/3/2026"), "DD-MM-YYYY"),
        (GOOD.replace("2026-02-24", "2/24/2026").replace("2026-03-05", "3/5/2026"), "MM-DD-YYYY"),
        (GOOD.replace("2026-02-24", "2026-02-24 00:00:00").replace("0.0,,0.0", "0.0,NaT,0.0"), "with a time"),
        (GOOD.replace("408065", "408065.0").replace(",65,", ",65.0,"), "instrument_token written as floats"),
        (GOOD.replace(",1594,", ",1594.0,"), "exchange_token written as floats"),
        (GOOD.replace(",0.0,2026", ",,2026"), "last_price left blank"),
    ],
)
def test_what_can_mean_one_thing_is_read_as_that_and_told(odd: str, said: str):
    rows, notes = mended(odd)
    assert rows == ROWS
    assert any(said in what for what in notes), notes


def test_every_row_that_was_changed_is_counted():
    _, notes = mended(GOOD.replace("2026-02-24", "24-02-2026").replace("2026-03-05", "05-03-2026"))
    assert list(notes.values()) == [2]


def test_columns_may_be_more_fewer_and_elsewhere():
    lines = [line.split(",") for line in GOOD.splitlines()]
    table = [{**dict(zip(COLUMNS, line, strict=True))} for line in lines]
    kept = ["Unnamed: 0", *(name for name in reversed(COLUMNS) if name not in ("last_price", "name", "exchange_token"))]
    odd = "\n".join(",".join(row.get(name, str(at)) if at else name for name in kept) for at, row in enumerate(table))
    rows, notes = mended(odd.replace("Unnamed: 0", ""))
    assert [(row.key, row.exchange_token, row.name) for row in rows] == [(r.key, r.exchange_token, "") for r in ROWS]
    assert notes == {"columns more than Kite's": 1, "columns missing": 3}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (GOOD.replace("2026-02-24", "04-05-2026").replace("2026-03-05", "05-03-2026"), "could be a day of either"),
        (GOOD.replace("2026-02-24", "24-02-2026").replace("2026-03-05", "03-25-2026"), "contradict"),
        (GOOD.replace("408065", "4.08065E+05"), "not a number"),
        (GOOD.replace(",65,", ",6.5,"), "lot_size is '6.5'"),
        (GOOD.replace("2026-02-24", "31-02-2026").replace("2026-03-05", "05-03-2026"), "expiry"),
        (GOOD.replace("2026-02-24", "24-02-2026").rstrip("\n")[:-1], "line break"),
        ("<html>", "HTML"),
        (GOOD.replace("strike", "strikes"), "strikes"),
    ],
)
def test_what_could_mean_two_things_is_refused(text: str, why: str):
    with pytest.raises(DataError) as refused:
        index_of_file(text.encode(), __import__("datetime").date(2026, 2, 20))
    assert why in refused.value.why
