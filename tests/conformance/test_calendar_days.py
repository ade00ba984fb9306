"""The calendar against other witnesses: the lists and bars of the data folder, New York's clocks, lists typed again.

The lists of MCX's and the currency market's days below were typed from their sources a second time, month and day, so
that a slip in the data files shows.
"""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kitecli.clock import IST
from kitecli.errors import HoursUnknown
from kitecli.market.calendar import Calendar, Kind
from kitecli.market.calendar.files import read_calendar
from kitecli.settings.calendars import calendar_folders

EQUITY = ("NSE", "BSE", "NFO", "BFO")
YEARS = (2024, 2025, 2026)
MUHURAT = {date(2024, 11, 1): "18:00-19:00", date(2025, 10, 21): "13:45-14:45"}
UNPUBLISHED = date(2026, 11, 8)
FULL_WEEKENDS = {date(2024, 1, 20), date(2025, 2, 1), date(2026, 2, 1)}
DRILLS = {date(2024, 3, 2), date(2024, 5, 18)}
# E: the evening is closed, M: the morning, C: the whole day
MCX = {
    2024: "0101E 0122M 0126C 0308M 0325M 0329C 0411M 0417M 0501M 0520M 0617M 0717M 0815C 1002C 1115M 1120M 1225C",
    2025: "0101E 0226M 0314M 0331M 0410M 0414M 0418C 0501M 0815C 0827M 1002C 1022M 1105M 1225C",
    2026: "0101E 0115M 0126C 0303M 0326M 0331M 0403C 0414M 0501M 0528M 0626M 0914M 1002C 1020M 1110M 1124M 1225C",
}
CURRENCY = {
    2024: "0122 0126 0219 0308 0325 0329 0401 0409 0411 0417 0501 0520 0523 0617 0717 0815 0918 1002 1115 1120 1225",
    2025: "0219 0226 0314 0331 0401 0410 0414 0418 0501 0512 0815 0827 0908 1002 1022 1105 1225",
    2026: "0115 0126 0219 0303 0319 0326 0331 0401 0403 0414 0501 0528 0626 0826 0914 1002 1020 1110 1124 1225",
}


@pytest.fixture(scope="module")
def shipped() -> Calendar:
    return read_calendar(calendar_folders()[:1])


def days_of(year: int) -> Iterator[date]:
    return (date(year, 1, 1) + timedelta(days=offset) for offset in range(366) if offset < 365 or year % 4 == 0)


def day_named(year: int, word: str) -> date:
    return date(year, int(word[:2]), int(word[2:4]))


def trading(calendar: Calendar, segment: str, day: date) -> str:
    sessions = [one for one in calendar.sessions_on(segment, day) if one.kind is Kind.CONTINUOUS]
    return " ".join(f"{one.open:%H:%M}-{one.close:%H:%M}" for one in sessions)


def equity_hours(segment: str, day: date) -> str:
    return "09:15-15:40" if segment in {"NFO", "BFO"} and day >= date(2026, 8, 3) else "09:15-15:30"


@pytest.fixture(scope="module")
def reference(market_data: Path) -> Path:
    folder = market_data / "reference"
    if not folder.is_dir():
        pytest.skip("the market data has no folder of reference lists")
    return folder


@pytest.fixture(scope="module")
def listed_holidays(reference: Path) -> set[date]:
    with (reference / "nse_trading_holidays_1997_2026.csv").open(newline="") as file:
        days = {date.fromisoformat(row["date"]) for row in csv.DictReader(file)}
    return {day for day in days if day.year in YEARS}


@pytest.mark.parametrize("segment", EQUITY)
@pytest.mark.parametrize("year", YEARS)
def test_every_day_of_the_listed_years(shipped: Calendar, listed_holidays: set[date], segment: str, year: int):
    """Closed where the list says so, Muhurat trading apart, and an ordinary day everywhere else."""
    assert listed_holidays
    for day in days_of(year):
        if day == UNPUBLISHED:
            with pytest.raises(HoursUnknown):
                shipped.sessions_on(segment, day)
            continue
        if day in MUHURAT:
            expected = MUHURAT[day]
        elif day in DRILLS:
            expected = "09:15-10:00 11:30-12:30"
        elif day in FULL_WEEKENDS or (day.weekday() < 5 and day not in listed_holidays):
            expected = equity_hours(segment, day)
        else:
            expected = ""
        assert trading(shipped, segment, day) == expected, day


def test_every_listed_special_session(shipped: Calendar, reference: Path):
    with (reference / "nse_special_sessions.csv").open(newline="") as file:
        rows = [(date.fromisoformat(row["date"]), row["session_ist"]) for row in csv.DictReader(file)]
    assert {day for day, _ in rows} <= FULL_WEEKENDS | DRILLS | {UNPUBLISHED}
    for day, words in rows:
        assert day.weekday() >= 5
        for segment in EQUITY:
            assert shipped.is_trading_day(segment, day)
            if day != UNPUBLISHED:
                # The list says the minute of the last bar: 09:15-09:59 is trading until 10:00.
                opens, closes = trading(shipped, segment, day).split(" ")[0].split("-")
                last = f"{datetime.combine(day, time.fromisoformat(closes)) - timedelta(minutes=1):%H:%M}"
                assert words.startswith(f"{opens}-{last}")


def test_minute_bars_of_the_index_fall_into_its_sessions(shipped: Calendar, market_data: Path):
    """58,127 real bars. On 20 January the vendor went on after the close until 18:16; no other minute is outside."""
    path = market_data / "bars" / "sainipankaj15_NIFTY_2024.csv.gz"
    if not path.is_file():
        pytest.skip("the market data has no minute bars of NIFTY")
    with gzip.open(path, "rt", newline="") as file:
        stamps = [_stamp(row) for row in csv.DictReader(file)]
    first, last = min(stamps).date(), max(stamps).date()
    seen = {stamp.date() for stamp in stamps}
    trading_days = set(shipped.trading_days("NSE", first, last))
    assert seen <= trading_days
    assert len(trading_days - seen) == 5  # the vendor lacks five days
    outside = {stamp.date() for stamp in stamps if not shipped.is_open("NSE", stamp)}
    assert outside == {date(2024, 1, 20)}


def _stamp(row: dict[str, str]) -> datetime:
    return datetime.fromisoformat(f"{row['Date']}T{row['Time']}").replace(tzinfo=IST)


@pytest.mark.parametrize("segment", ["MCX", "NCO"])
@pytest.mark.parametrize("year", YEARS)
def test_commodities_close_by_half_days_and_by_new_yorks_clocks(shipped: Calendar, segment: str, year: int):
    changes = {day_named(year, word): word[4] for word in MCX[year].split()}
    for day in days_of(year):
        if day == UNPUBLISHED:
            continue
        evening = f"17:00-{_new_york_close(day)}"
        ordinary = {"E": "09:00-17:00", "M": evening, "C": ""}.get(changes.get(day, ""), f"09:00-17:00 {evening}")
        if day in MUHURAT:
            expected = MUHURAT[day]
        elif day in {date(2025, 2, 1), date(2026, 2, 1)}:
            expected = "09:00-17:00"
        else:
            expected = ordinary if day.weekday() < 5 else ""
        assert trading(shipped, segment, day) == expected, day


def _new_york_close(day: date) -> str:
    """The rule the circulars follow; the data say the days, and no rule."""
    summer = datetime.combine(day, time(20), IST).astimezone(ZoneInfo("America/New_York")).dst()
    return "23:30" if summer else "23:55"


@pytest.mark.parametrize("segment", ["CDS", "BCD"])
@pytest.mark.parametrize("year", YEARS)
def test_the_currency_market_has_holidays_of_its_own(shipped: Calendar, segment: str, year: int):
    holidays = {day_named(year, word) for word in CURRENCY[year].split()}
    for day in days_of(year):
        if day == UNPUBLISHED:
            continue
        ordinary = "09:00-17:00" if day.weekday() < 5 and day not in holidays else ""
        assert trading(shipped, segment, day) == MUHURAT.get(day, ordinary), day


ZONES = ("Asia/Kolkata", "UTC", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu")
ASKED = """
from datetime import date
from kitecli.market.calendar.files import read_calendar
from kitecli.settings.calendars import calendar_folders
calendar = read_calendar(calendar_folders()[:1])
for segment in calendar.segments:
    for day in (date(2024, 3, 2), date(2025, 10, 21), date(2026, 11, 24), date(2026, 12, 31)):
        print(calendar.sessions_on(segment, day), calendar.is_trading_day(segment, day))
    for at_s in range(1_717_200_000, 1_717_900_000, 12_345):
        print(calendar.is_open(segment, at_s), calendar.next_open(segment, at_s), calendar.next_close(segment, at_s))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="TZ sets no zone there")
def test_the_hosts_zone_changes_nothing():
    answers = {
        subprocess.run(
            [sys.executable, "-c", ASKED], env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True
        ).stdout
        for zone in ZONES
    }
    assert len(answers) == 1
    assert "+05:30" in answers.pop()
