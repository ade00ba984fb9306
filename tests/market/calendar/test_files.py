"""The calendar's files: what the shipped ones hold, what a user's add, and what is refused, with its place."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from kitecli.errors import ConfigError
from kitecli.market.calendar import Calendar, Change
from kitecli.market.calendar.files import read_calendar
from kitecli.settings.calendars import calendar_folders

SHIPPED = calendar_folders()[0]
HOURS = """
weekdays: [mon, tue, wed, thu, fri]
families: {cash: [NSE, BSE]}
groups: {cas: close by auction}
sources: {page: an exchange's page}
hours:
  - segments: [cash]
    from: 2027-01-01
    source: [page]
    sessions: [09:00-09:15 preopen, 09:15-15:30 continuous]
"""
YEAR = """
covers: {from: 2027-01-01, to: 2027-12-31}
sources: {list: a circular}
days:
  - date: 2027-01-26
    name: Republic Day
    closed: [cash]
    source: [list]
"""


def folder(path: Path, hours: str = HOURS, **files: str) -> Path:
    path.mkdir(exist_ok=True)
    for name, text in {"hours": hours, **(files or {"2027": YEAR})}.items():
        (path / f"{name.strip('_')}.yaml").write_text(text)
    return path


def refused(*folders: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        read_calendar(folders)
    assert raised.value.hint
    return str(raised.value)


# --- the shipped files ---


def shipped_entries() -> list[tuple[str, dict[str, object]]]:
    documents = {path.stem: yaml.load(path.read_text(), Loader=yaml.BaseLoader) for path in SHIPPED.glob("*.yaml")}
    return [
        (f"{name} {key} {number}", entry)
        for name, document in sorted(documents.items())
        for key in ("hours", "days")
        for number, entry in enumerate(document.get(key, ()))
    ]


def test_the_shipped_files_cover_three_years():
    shipped = read_calendar([SHIPPED])
    assert (shipped.first, shipped.last) == (date(2024, 1, 1), date(2026, 12, 31))
    assert shipped.segments == ("NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "NCO")


@pytest.mark.parametrize(
    "entry", [entry for _, entry in shipped_entries()], ids=[name for name, _ in shipped_entries()]
)
def test_every_shipped_entry_has_a_source(entry: dict[str, object]):
    assert entry["source"]


def test_no_source_is_left_over_or_empty():
    for path in SHIPPED.glob("*.yaml"):
        document = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
        used = {name for key in ("hours", "days") for entry in document.get(key, ()) for name in entry["source"]}
        assert used == set(document["sources"]), path.name
        assert all(len(text) > 10 for text in document["sources"].values())
        assert document["as_of"] >= "2026-11-22"


def test_what_is_not_verified_is_said_in_words():
    shipped = read_calendar([SHIPPED])
    unknown = [one for one in shipped.rules.occasions.values() if one.change is Change.UNKNOWN]
    assert {one.day for one in unknown} == {date(2026, 11, 8)}
    assert all("hours" in one.unverified for one in unknown)


# --- the form ---


def test_one_year_by_hand(tmp_path: Path):
    calendar = read_calendar([folder(tmp_path)])
    assert (calendar.first, calendar.last) == (date(2027, 1, 1), date(2027, 12, 31))
    assert calendar.segments == ("NSE", "BSE")
    assert not calendar.is_trading_day("BSE", date(2027, 1, 26))
    assert calendar.is_trading_day("BSE", date(2027, 1, 27))
    assert calendar.rules.home == str(tmp_path)


def test_next_year_joins_this_one(tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "2027.yaml").write_text(YEAR.replace("[cash]", "[equity, currency, commodity]"))
    calendar = read_calendar([SHIPPED, mine])
    assert calendar.last == date(2027, 12, 31)
    assert calendar.next_trading_day("MCX", date(2027, 1, 25)) == date(2027, 1, 27)
    assert len(calendar.sessions_on("NSE", date(2027, 1, 27), "cas")) == 10


def test_the_users_word_replaces_what_was_shipped(tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "adhoc.yaml").write_text(
        "sources: {news: seen today}\n"
        "days:\n"
        "  - {date: 2026-11-23, name: Ad hoc, closed: [equity], source: [news]}\n"
        "  - {date: 2026-11-24, name: Moved, sessions: {NSE: regular}, source: [news]}\n"
    )
    calendar = read_calendar([SHIPPED, mine])
    assert not calendar.is_trading_day("NSE", date(2026, 11, 23))
    assert calendar.is_trading_day("MCX", date(2026, 11, 23))
    assert calendar.is_trading_day("NSE", date(2026, 11, 24))
    assert not calendar.is_trading_day("BSE", date(2026, 11, 24))


def test_a_folder_that_is_not_there_is_no_matter(tmp_path: Path):
    assert isinstance(read_calendar([SHIPPED, tmp_path / "none"]), Calendar)


def test_partial_days_regular_and_unknown(tmp_path: Path):
    days = YEAR + (
        "  - {date: 2027-01-30, name: Drill, sessions: {NSE: regular, BSE: unknown}, source: [list]}\n"
        "  - {date: 2027-02-01, name: Half, closed: [NSE late], source: [list]}\n"
    )
    hours = HOURS.replace("09:15-15:30 continuous", "09:15-12:00 continuous early, 12:00-15:30 continuous late")
    calendar = read_calendar([folder(tmp_path, hours, **{"2027": days})])
    assert len(calendar.sessions_on("NSE", date(2027, 1, 30))) == 3
    assert calendar.occasion("BSE", date(2027, 1, 30)).change is Change.UNKNOWN
    assert [session.name for session in calendar.sessions_on("NSE", date(2027, 2, 1))] == ["", "early"]


# --- what is refused ---


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("    source: [list]\n", "", "source must list"),
        ("source: [list]", "source: list", "source must list"),
        ("source: [list]", "source: [other]", "'other' is missing"),
        ("    name: Republic Day\n", "", "'name' is missing"),
        ("closed: [cash]", "closed: [cahs]", "'cahs' is no segment"),
        ("closed: [cash]", "closed: [cash evening]", "no 'evening' to close on 2027-01-26"),
        ("closed: [cash]", "sessions: {cash: irregular}", "'irregular' is neither"),
        ("closed: [cash]", "sessions: {cash: [9:15-15:30 continuous]}", "'9:15-15:30 continuous' is no row"),
        ("closed: [cash]", "sessions: {cash: [15:30-09:15 continuous]}", "ends before it begins"),
        ("closed: [cash]", "sessions: {cash: [09:15-15:30 lively]}", "lively"),
        ("closed: [cash]", "sessions: {cash: [09:15-25:30 continuous]}", "hour"),
        ("closed: [cash]", "sessions: {cash: []}", "sessions must be rows"),
        ("closed: [cash]", "sessions: {cash: [09:00-10:00 preopen, 09:59-11:00 continuous]}", "begins before"),
        ("    closed: [cash]\n", "", "neither closed nor sessions"),
        ("closed: [cash]", "closed: [cash, NSE]", "NSE is given twice"),
        ("closed: [cash]", "shut: [cash]", "no 'shut' here"),
        ("date: 2027-01-26", "date: 2027-02-30", "day"),
        ("date: 2027-01-26", "date: 2028-01-26", "outside what the file covers"),
        ("days:", "holidays:", "no 'holidays'"),
        ("covers: {from: 2027-01-01,", "covers: {since: 2027-01-01,", "'from' is missing"),
        ("to: 2027-12-31}", "to: 2027-12-32}", "covers"),
        ("days:\n", "days:\n  - just words\n", "days, entry 1"),
    ],
)
def test_a_wrong_year_is_refused_at_its_entry(tmp_path: Path, was: str, becomes: str, said: str):
    assert was in YEAR
    words = refused(folder(tmp_path, **{"2027": YEAR.replace(was, becomes)}))
    assert said in words
    assert "2027" in words


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("    source: [page]\n", "", "source must list"),
        ("from: 2027-01-01", "from: 2027-06-01", "has no hours on 2027-01-01"),
        ("from: 2027-01-01", "group: xyz\n    from: 2027-01-01", "no group 'xyz' is described"),
        ("from: 2027-01-01", "group: cas\n    from: 2027-01-01", "has no hours on 2027-01-01"),
        ("tue, wed", "tues, wed", "weekdays"),
        ("segments: [cash]", "segments: [cash, NSE]", "NSE is given twice"),
        ("hours:", "hours", "is not YAML"),
    ],
)
def test_wrong_hours_are_refused(tmp_path: Path, was: str, becomes: str, said: str):
    assert was in HOURS
    assert said in refused(folder(tmp_path, HOURS.replace(was, becomes)))


def test_a_day_given_twice_is_refused(tmp_path: Path):
    twice = YEAR + YEAR.partition("days:\n")[2]
    assert "given twice" in refused(folder(tmp_path, **{"2027": twice}))


def test_a_hole_between_two_years_is_refused(tmp_path: Path):
    later = YEAR.replace("2027", "2029")
    words = refused(folder(tmp_path, **{"2027": YEAR, "2029": later}))
    assert "2028-01-01" in words
    assert "2029-01-01" in words


def test_files_that_say_nothing_are_refused(tmp_path: Path):
    assert "says what it covers" in refused(tmp_path)
    assert "holds no keys" in refused(folder(tmp_path, empty="# nothing yet\n"))


def test_the_line_of_broken_yaml_is_named(tmp_path: Path):
    assert "bad.yaml:3" in refused(folder(tmp_path, bad="days:\n  - [unclosed\n"))


def test_an_unreadable_file_is_named(tmp_path: Path):
    (tmp_path / "2027.yaml").mkdir()
    assert "can't read" in refused(tmp_path)
