from __future__ import annotations

import io
from datetime import date

import pytest
from rich.console import Console

from kitecli.terminal.instruments import (
    HEADS,
    download_progress,
    instrument_dict,
    instrument_rows,
    terminal_width,
    write_rows,
)
from tests.market.masters import contract, share

ROWS = [
    share("NSE:NIFTY 50", 256265, segment="INDICES"),
    contract("NFO:NIFTY26FEB25000.5CE", 257 << 8 | 2, "NIFTY", "2026-02-24", "CE", 25000.5),
]


def table(width: int | None) -> list[str]:
    out = io.StringIO()
    write_rows(HEADS, instrument_rows(ROWS), out, width)
    return out.getvalue().splitlines()


def test_a_program_gets_every_column_between_tabs():
    assert [line.split("\t") for line in table(None)] == [
        ["NSE:NIFTY 50", "256265", "EQ", "", "", "1", "0.05", "INDICES", "NIFTY 50"],
        ["NFO:NIFTY26FEB25000.5CE", "65794", "CE", "2026-02-24", "25000.5", "65", "0.05", "NFO-OPT", "NIFTY"],
    ]


@pytest.mark.parametrize("width", [10, 25, 40, 60, 80, 200])
def test_a_terminal_gets_the_columns_that_fit_it_and_no_line_is_broken(width: int):
    lines = table(width)
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)
    assert lines[2].startswith("NFO:NIFTY26FEB25000.5CE"[:width])
    assert ("name" in lines[0]) == (width >= 100)
    whole = [["NSE:NIFTY", "50", "256265"], ["NFO:NIFTY26FEB25000.5CE", "65794", "CE", "2026-02-24", "25000.5", "65"]]
    for line, cells in zip(lines[1:], whole, strict=True):
        assert width < 25 or line.split()[: len(cells)] == cells[: len(line.split())]


def test_an_instrument_in_json_has_the_master_s_columns():
    plain = instrument_dict(ROWS[1])
    assert (plain["key"], plain["expiry"], plain["strike"]) == ("NFO:NIFTY26FEB25000.5CE", "2026-02-24", 25000.5)
    assert instrument_dict(ROWS[0])["expiry"] is None
    assert date.fromisoformat(str(plain["expiry"])) == ROWS[1].expiry


def test_progress_is_shown_on_a_terminal_alone():
    with download_progress(Console(file=io.StringIO()), "fetching") as progress:
        assert progress is None
    out = io.StringIO()
    with download_progress(Console(file=out, force_terminal=True, width=80), "fetching") as progress:
        progress(500_000, 1_000_000)
    assert "fetching" in out.getvalue()
    assert "0.5/1.0 MB" in out.getvalue()


def test_a_pipe_has_no_width():
    assert terminal_width() is None
