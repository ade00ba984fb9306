"""What a download says while it runs and when it is done."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from kitecli.candles.holes import Found
from kitecli.candles.order import Outcome
from kitecli.candles.plan import Days
from kitecli.errors import BrokerError
from kitecli.terminal.candles import HEADS, candle_progress, notes, outcome_rows, total_line

JAN, NOV = date(2026, 1, 1), date(2026, 11, 20)
CHECKED = Days(JAN, NOV)


def outcome(name: str = "NSE:INFY", *, unsettled: int = 0, candles: int = 5, **found: object) -> Outcome:
    facts = {"first": JAN, "last": NOV, "holes": (), "before": 0, "checked": CHECKED} | found
    return Outcome(name, candles, unsettled, Found(**facts), Path("out") / "a.csv")


REFUSED = Outcome("NSE:BAD", error=BrokerError("The broker refused it", why="invalid token"))


def test_a_row_for_each_that_was_had():
    rows = list(outcome_rows([outcome(), REFUSED, outcome("NSE:NONE", candles=0, first=None, last=None)]))
    assert rows == [
        ("NSE:INFY", "5", "2026-01-01", "2026-11-20", "0", "0", "out/a.csv"),
        ("NSE:NONE", "0", "none", "none", "0", "0", "out/a.csv"),
    ]
    assert all(len(row) == len(HEADS) for row in rows)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (outcome(), []),
        (REFUSED, ["NSE:BAD: The broker refused it: invalid token"]),
        (outcome(holes=(JAN, NOV)), ["NSE:INFY: no candles on 2026-01-01, 2026-11-20"]),
        (
            outcome(holes=(JAN,) * 7),
            ["NSE:INFY: no candles on " + ", ".join(["2026-01-01"] * 5) + " and 2 more trading days"],
        ),
        (outcome(before=9), ["NSE:INFY: nothing before 2026-01-01, 9 trading days: not listed yet, perhaps"]),
        (outcome(first=None, before=9, candles=0), ["NSE:INFY: no candles on any of 9 trading days"]),
        (outcome(first=None, candles=0, checked=None), ["NSE:INFY: no candles"]),
        (
            outcome(checked=None),
            ["1 instrument couldn't be checked for missing days: the calendar has no data for them"],
        ),
        (outcome(unsettled=1), ["the last candle of 1 instrument may still change, and is asked for again next time"]),
    ],
)
def test_what_is_missing_is_said(one: Outcome, said: list[str]):
    assert list(notes([one])) == said


def test_the_figures_of_it_all():
    had = [outcome(candles=123_456), REFUSED, outcome("NSE:B")]
    assert total_line(had, 12, 4.04, "out") == "1,23,461 candles of 2 instruments in out; 12 requests, 4.0 s"
    assert total_line(had[:1], 1, 0, "out").endswith("of 1 instrument in out; 1 request, 0.0 s")
    assert "no request: all was there" in total_line(had[:1], 0, 0, "out")


@pytest.mark.parametrize("width", [40, 60, 120])
def test_the_bar_fits_the_terminal_and_goes_when_it_is_done(width: int):
    screen = io.StringIO()
    said: list[str] = []
    with candle_progress(Console(file=screen, force_terminal=True, width=width), 3, said.append) as progress:
        progress.begin("NFO:NIFTY26NOV25000CE")
        for pause_s in (None, 4, None, None):
            progress.request(pause_s)
    assert "3/3" in screen.getvalue()
    assert said == []
    assert screen.getvalue().rstrip().endswith("\x1b[2K")


def test_without_a_terminal_only_what_is_tried_again_is_said():
    screen = io.StringIO()
    said: list[str] = []
    with candle_progress(Console(file=screen, force_terminal=False), 3, said.append) as progress:
        progress.begin("NSE:INFY")
        progress.request(None)
        progress.request(4)
    assert screen.getvalue() == ""
    assert said == ["kite: the broker is busy or away; trying again in 4 s"]
