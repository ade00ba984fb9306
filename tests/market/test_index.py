"""The index answers from its bytes alone, and notices when they aren't what was written."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.errors import DataError
from kitecli.market.columns import index_of_rows
from kitecli.market.index import CHECKSUM, ENTRY, HEADER, SECTIONS, VERSION, MasterIndex
from tests.market.masters import instruments, share

ROWS = [share("NSE:INFY", 408065, "INFOSYS"), share("BSE:INFY", 500209 << 8 | 4), share("NSE:NIFTY 50", 256265)]
DIRECTORY_END = HEADER.size + len(SECTIONS) * ENTRY.size


@given(st.lists(instruments, max_size=12))
@settings(max_examples=60)
def test_every_look_up_finds_what_a_search_row_by_row_finds(rows):
    index = MasterIndex(bytes(index_of_rows(rows).image))
    assert len(index) == len(rows)
    for row, one in enumerate(rows):
        alike = [at for at, other in enumerate(rows) if other.instrument_token == one.instrument_token]
        assert list(index.rows_of_token(one.instrument_token)) == alike
        key = one.exchange.upper(), one.tradingsymbol.upper()
        named = [at for at, other in enumerate(rows) if (other.exchange.upper(), other.tradingsymbol.upper()) == key]
        assert list(index.rows_of_key(*key)) == named
        assert row in index.rows_of_exchange_token(one.exchange_token)
        assert index.exchange_token(row) == one.exchange_token
        begin = one.tradingsymbol.upper()[:2]
        begun = {
            at
            for at, o in enumerate(rows)
            if o.exchange.upper() == key[0] and o.tradingsymbol.upper().startswith(begin)
        }
        assert set(index.rows_beginning(key[0], begin)) == begun
    assert not list(index.rows_of_key("NSE", "\U0010ffff"))
    assert not list(index.rows_of_exchange_token("no such"))


def test_a_file_is_mapped_and_says_whose_day_it_is(tmp_path: Path):
    (tmp_path / "one.index").write_bytes(index_of_rows(ROWS, date(2026, 11, 20), bytes(range(32))).image)
    index = MasterIndex.open(tmp_path / "one.index")
    assert (date.fromordinal(index.day), index.source) == (date(2026, 11, 20), bytes(range(32)))
    assert [index.key(row) for row in range(3)] == ["NSE:INFY", "BSE:INFY", "NSE:NIFTY 50"]
    assert index.exchanges() == {"BSE": (0, 1), "NSE": (1, 3)}
    assert index.kind(2) == ("EQ", "NSE", "NSE")


def test_any_changed_byte_is_noticed_and_so_is_any_cut():
    whole = bytes(index_of_rows(ROWS).image)
    padding = 0
    for at in range(len(whole)):
        try:
            MasterIndex(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]).verify()
            padding += 1
        except DataError:
            pass
    used = sum(len(bytes(index_of_rows(ROWS).column(name))) for name in SECTIONS) + DIRECTORY_END + CHECKSUM.size
    assert padding == len(whole) - used  # only what stands between sections may change
    for size in range(len(whole)):
        with pytest.raises(DataError):
            MasterIndex(whole[:size])


def test_another_version_or_byte_order_is_named(tmp_path: Path):
    whole = bytearray(index_of_rows(ROWS).image)
    whole[8] = VERSION + 1
    with pytest.raises(DataError, match=f"version {VERSION + 1}"):
        MasterIndex(bytes(whole))
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match="empty"):
        MasterIndex.open(tmp_path / "empty")


def test_a_damaged_section_is_noticed_when_it_is_first_used():
    whole = bytearray(index_of_rows(ROWS).image)
    at = bytes(whole).index(b"INFYINFY")
    whole[at] ^= 1
    index = MasterIndex(bytes(whole))
    assert index.token(0) == 408065
    with pytest.raises(DataError, match="symbol_text"):
        index.symbol(0)


def test_beginnings_keep_what_all_have_in_common():
    rows = [
        share(f"NFO:NIFTY26FEB{strike}{kind}", strike << 8 | 2)
        for strike in range(25000, 25100)
        for kind in ("CE", "PE")
    ]
    rows.append(share("NFO:NIFTY26FEBFUT", 0x7FFF02))
    index = index_of_rows(rows)
    assert index.beginnings("NFO", "NIFTY", 60)[:3] == ["NIFTY26FEB2500", "NIFTY26FEB2501", "NIFTY26FEB2502"]
    assert index.beginnings("NFO", "NIFTY", 60)[-1] == "NIFTY26FEBFUT"
    assert index.beginnings("NFO", "NIFTY26FEB25007", 60) == ["NIFTY26FEB25007CE", "NIFTY26FEB25007PE"]
    assert index.beginnings("NFO", "X", 60) == index.beginnings("MCX", "", 60) == []


def test_reading_an_index_imports_nothing_that_takes_long():
    heavy = {"numpy", "dataclasses", "pathlib", "csv", "yaml", "typer", "inspect"}
    load = "before = set(sys.modules); import kitecli.completion; new = set(sys.modules) - before"
    code = f"import sys; {load}; print(sorted({heavy} & new))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
