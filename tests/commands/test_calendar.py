"""``kite calendar``."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime

import pytest
from typer.testing import CliRunner, Result

from kitecli.cli import app
from kitecli.clock import IST, NS_PER_S, SystemClock
from kitecli.commands.calendar import Span, parse_span
from kitecli.errors import UsageError

MONDAY = "2026-11-23T11:00:00"


@pytest.fixture(autouse=True)
def _monday_morning(monkeypatch: pytest.MonkeyPatch) -> None:
    set_now(monkeypatch, MONDAY)


def set_now(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    now_ns = int(datetime.fromisoformat(text).replace(tzinfo=IST).timestamp()) * NS_PER_S
    monkeypatch.setattr(SystemClock, "now_ns", lambda _: now_ns)


def kite(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["calendar", *arguments])


# --- which days are meant ---


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        ("today", "2026-11-25", "2026-11-25"),
        ("TODAY", "2026-11-25", "2026-11-25"),
        ("week", "2026-11-23", "2026-11-29"),
        ("month", "2026-11-01", "2026-11-30"),
        ("2026-12", "2026-12-01", "2026-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2025", "2025-01-01", "2025-12-31"),
        ("2024-02-29", "2024-02-29", "2024-02-29"),
    ],
)
def test_what_the_words_mean(words: str, first: str, last: str):
    span = parse_span(words, date(2026, 11, 25))
    expected = Span(date.fromisoformat(first), date.fromisoformat(last), now=words.lower() == "today")
    assert span == expected


@pytest.mark.parametrize("words", ["", "2026-13", "2026-02-30", "20261110", "10.11.2026", "2026-W45-1", "soon", "0000"])
def test_what_is_no_day(words: str):
    with pytest.raises(UsageError) as raised:
        parse_span(words, date(2026, 11, 25))
    assert "2026-11-10" in raised.value.hint


# --- what is printed ---


def test_now():
    result = kite()
    assert result.exit_code == 0
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[0] == ["NSE", "open", "closes 15:30 IST", "09:15 – 15:30", ""]
    assert [row[0] for row in rows] == ["NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "NCO"]
    assert "Monday 23 November 2026, 11:00:00 IST" in result.stderr
    assert "next holiday: Tue 24 Nov 2026, Guru Nanak Jayanti" in result.stderr


def test_one_segment_shows_its_groups():
    rows = [line.split("\t")[:2] for line in kite("--segment", "nse").stdout.splitlines()]
    assert rows == [["NSE", "open"], ["NSE cas", "open"]]


def test_a_day():
    result = kite("2026-11-24", "--segment", "MCX")
    assert result.stdout.splitlines() == [
        "MCX\tcontinuous\t17:00 IST\t23:55 IST\tevening",
        "MCX agri-late\tcontinuous\t17:00 IST\t21:00 IST\tevening",
        "MCX agri\tclosed\t\t\t",
    ]
    assert "Guru Nanak Jayanti: " in result.stderr
    assert "NSE/COM/71784" in result.stderr


def test_a_year():
    result = kite("2025", "--segment", "NSE")
    assert result.stdout.splitlines()[0] == "2025-02-01 Sat\tNSE\t09:15 – 15:30\tUnion Budget, a Saturday"
    assert len(result.stdout.splitlines()) == 15
    assert "2025-01-01 to 2025-12-31: NSE trades on 249 days" in result.stderr
    assert "2025-10-21 Diwali, Muhurat trading: unverified" in result.stderr


def test_a_week_without_occasions(monkeypatch: pytest.MonkeyPatch):
    set_now(monkeypatch, "2026-11-18T09:00:00")
    result = kite("week")
    assert result.stdout == ""
    assert "Monday to Friday as ever; NSE trades on 5 days" in result.stderr


def test_the_end_of_the_data_is_announced(monkeypatch: pytest.MonkeyPatch):
    assert "the calendar ends on 2026-12-31, 38 days from now" in kite().stderr
    set_now(monkeypatch, "2026-06-01T09:00:00")
    assert "the calendar ends" not in kite().stderr


def test_a_period_across_the_end_says_what_it_left_out(monkeypatch: pytest.MonkeyPatch):
    set_now(monkeypatch, "2026-12-30T09:00:00")
    result = kite("week")
    assert result.exit_code == 0
    assert "covers only 2026-12-28 to 2026-12-31 of it" in result.stderr
    assert "NSE trades on 4 days" in result.stderr


# --- what is refused ---


@pytest.mark.parametrize("arguments", [["2027"], ["2027-01-04"], ["2023-12-29"], ["2027-01", "--json"]])
def test_days_without_data_are_refused(arguments: list[str]):
    result = kite(*arguments)
    assert (result.exit_code, result.stdout) == (6, "")
    assert "doesn't cover 202" in result.stderr
    assert "calendars" in result.stderr


def test_today_past_the_data_is_refused(monkeypatch: pytest.MonkeyPatch):
    set_now(monkeypatch, "2027-01-04T10:00:00")
    result = kite()
    assert (result.exit_code, result.stdout) == (6, "")
    assert "doesn't cover 2027-01-04" in result.stderr


@pytest.mark.parametrize("arguments", [["2026-02-30"], ["soon"], ["--segment", "NASDAQ"]])
def test_bad_arguments_exit_2(arguments: list[str]):
    result = kite(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "next:" in result.stderr


def test_with_json_an_error_is_json():
    assert json.loads(kite("2027", "--json").stderr)["error"] == "outside-calendar"


# --- for programs ---


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ([], {"now", "covers", "segments", "next_holiday", "next_special_session"}),
        (["2026-11-24"], {"date", "segments"}),
        (["2026"], {"from", "to", "trading_days", "occasions"}),
    ],
)
def test_json(arguments: list[str], keys: set[str]):
    result = kite(*arguments, "--json")
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)) == keys


@pytest.mark.skipif(sys.platform == "win32", reason="TZ sets no zone there")
def test_a_real_process_prints_indian_time_anywhere(run_kite):
    printed = {
        run_kite("calendar", "2026-11-24", env={"TZ": zone}).stdout
        for zone in ("America/New_York", "Pacific/Kiritimati")
    }
    assert len(printed) == 1
    assert "MCX\tcontinuous\t17:00 IST\t23:55 IST\tevening" in printed.pop()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("columns", ["40", "120"])
def test_a_terminal_of_any_width_cuts_nothing(columns: str, tmp_path):
    import os
    import pty
    import subprocess

    primary, secondary = pty.openpty()
    env = {**os.environ, "COLUMNS": columns, "TERM": "xterm"}
    command = [sys.executable, "-m", "kitecli", "calendar", "2026-11"]
    done = subprocess.run(command, stdout=secondary, stderr=subprocess.DEVNULL, env=env, timeout=60, check=True)
    os.close(secondary)
    with os.fdopen(primary, "rb") as terminal:
        shown = terminal.read1().decode()
    assert done.returncode == 0
    assert "2026-11-24 Tue" in shown
    assert "…" not in shown
    assert all(len(line) <= int(columns) for line in strip_styles(shown).splitlines())


def strip_styles(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)
