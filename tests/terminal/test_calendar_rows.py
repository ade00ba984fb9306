"""The calendar as rows, sentences and documents."""

from __future__ import annotations

import json
from datetime import date, datetime

import pytest

from kitecli.clock import IST
from kitecli.errors import UsageError
from kitecli.market.calendar import Calendar
from kitecli.market.calendar.files import read_calendar
from kitecli.settings.calendars import calendar_folders
from kitecli.terminal.calendar_rows import (
    DAY_HEADS,
    NOW_HEADS,
    PERIOD_HEADS,
    Market,
    day_document,
    day_rows,
    day_sources,
    doubts,
    end_warning,
    markets,
    now_document,
    now_rows,
    period_document,
    period_rows,
    state,
    trading,
    upcoming_lines,
)

NSE, CAS, MCX = Market("NSE"), Market("NSE", "cas"), Market("MCX")


@pytest.fixture(scope="module")
def shipped() -> Calendar:
    return read_calendar(calendar_folders()[:1])


def at_s(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=IST).timestamp()


def test_markets_are_segments_with_their_groups_where_asked(shipped: Calendar):
    assert markets(shipped, ["NSE", "NFO"], groups=False) == [NSE, Market("NFO")]
    assert markets(shipped, ["NSE", "NFO"], groups=True) == [NSE, CAS, Market("NFO")]
    with pytest.raises(UsageError):
        markets(shipped, ["XX"], groups=False)


@pytest.mark.parametrize(
    ("moment", "market", "row"),
    [
        ("2026-11-23T11:00", NSE, ("NSE", "open", "closes 15:30 IST", "09:15 – 15:30", "")),
        ("2026-11-23T09:01", NSE, ("NSE", "pre-open", "opens 09:15 IST", "09:15 – 15:30", "")),
        ("2026-11-23T15:29", CAS, ("NSE cas", "closing auction", "opens Wed 25 Nov 09:15 IST", "09:15 – 15:15", "")),
        ("2026-11-23T15:55", NSE, ("NSE", "post-close", "opens Wed 25 Nov 09:15 IST", "09:15 – 15:30", "")),
        ("2026-11-23T12:00", MCX, ("MCX", "open", "closes 23:55 IST", "09:00 – 23:55", "")),
        ("2026-11-24T12:00", MCX, ("MCX", "closed", "opens 17:00 IST", "17:00 – 23:55", "Guru Nanak Jayanti")),
        ("2026-11-08T12:00", NSE, ("NSE", "unknown", "not covered", "hours unknown", "Diwali, Muhurat trading")),
        ("2026-12-31T16:00", NSE, ("NSE", "closed", "not covered", "09:15 – 15:30", "")),
    ],
)
def test_the_row_of_a_moment(shipped: Calendar, moment: str, market: Market, row: tuple[str, ...]):
    assert list(now_rows(shipped, [market], at_s(moment))) == [row]
    assert len(row) == len(NOW_HEADS)


def test_a_day_session_by_session(shipped: Calendar):
    rows = list(day_rows(shipped, [CAS, MCX], date(2026, 11, 24)))
    assert rows == [("NSE cas", "closed", "", "", ""), ("MCX", "continuous", "17:00 IST", "23:55 IST", "evening")]
    auction = list(day_rows(shipped, [CAS], date(2026, 11, 23)))
    assert ("NSE cas", "closing auction", "15:30 IST", "15:35 IST", "matching") in auction
    assert list(day_rows(shipped, [NSE], date(2026, 11, 8))) == [("NSE", "hours unknown", "", "", "")]
    assert all(len(row) == len(DAY_HEADS) for row in auction)


def test_a_period_joins_segments_that_trade_alike(shipped: Calendar):
    every = markets(shipped, shipped.segments, groups=False)
    rows = list(period_rows(shipped, every, date(2026, 11, 9), date(2026, 11, 30)))
    assert rows == [
        ("2026-11-10 Tue", "MCX NCO", "17:00 – 23:55", "Diwali Balipratipada"),
        ("2026-11-10 Tue", "NSE BSE NFO BFO CDS BCD", "closed", "Diwali Balipratipada"),
        ("2026-11-24 Tue", "MCX NCO", "17:00 – 23:55", "Guru Nanak Jayanti"),
        ("2026-11-24 Tue", "NSE BSE NFO BFO CDS BCD", "closed", "Guru Nanak Jayanti"),
    ]
    assert len(rows[0]) == len(PERIOD_HEADS)


def test_groups_are_named_where_they_differ(shipped: Calendar):
    of = markets(shipped, ["NSE", "MCX"], groups=True)
    rows = list(period_rows(shipped, of, date(2026, 11, 10), date(2026, 11, 10)))
    assert [row[1:3] for row in rows] == [
        ("MCX agri-late", "17:00 – 21:00"),
        ("MCX", "17:00 – 23:55"),
        ("NSE MCX agri", "closed"),
    ]


def test_two_sessions_of_a_drill(shipped: Calendar):
    assert trading(shipped, NSE, date(2024, 3, 2)) == "09:15 – 10:00, 11:30 – 12:30"


def test_what_is_not_verified_is_said_once(shipped: Calendar):
    every = markets(shipped, shipped.segments, groups=True)
    said = doubts(shipped, every, date(2026, 1, 1), date(2026, 12, 31))
    assert [line[:10] for line in said] == ["2026-08-26", "2026-11-08"]
    assert "unverified: the hours" in said[1]


def test_where_a_day_is_from(shipped: Calendar):
    (line,) = day_sources(shipped, [NSE, CAS], date(2026, 1, 15))
    assert "NSE/CMTR/72260" in line
    ordinary = day_sources(shipped, [Market("NFO"), MCX], date(2026, 11, 23))
    assert ordinary[0].startswith("hours since 2026-08-03: NSE/FAOP/74467")
    assert "(unverified: " in ordinary[0]
    assert "MCX/TRD/550/2026" in ordinary[1]
    assert day_sources(shipped, [NSE], date(2026, 11, 22)) == []


def test_what_comes_after_today(shipped: Calendar):
    every = markets(shipped, shipped.segments, groups=True)
    assert upcoming_lines(shipped, every, date(2026, 10, 25)) == [
        "next holiday: Tue 10 Nov 2026, Diwali Balipratipada (NSE BSE NFO BFO CDS BCD MCX NCO)",
        "next special session: Sun 08 Nov 2026, Diwali, Muhurat trading (NSE BSE NFO BFO CDS BCD MCX NCO)",
    ]
    assert upcoming_lines(shipped, every, date(2026, 12, 25))[0] == "next holiday: none in the data"


def test_the_end_is_announced_45_days_ahead(shipped: Calendar):
    assert end_warning(shipped, date(2026, 11, 15)) == ""
    warning = end_warning(shipped, date(2026, 11, 16))
    assert "2026-12-31, 45 days" in warning
    assert "2027.yaml" in warning
    assert shipped.rules.home in warning


def test_the_document_of_a_moment(shipped: Calendar):
    found = json.loads(json.dumps(now_document(shipped, [NSE, MCX], at_s("2026-11-24T17:30"))))
    assert found["now"] == "2026-11-24T17:30:00+05:30"
    assert found["covers"] == {"from": "2024-01-01", "to": "2026-12-31", "days_left": 37}
    nse, mcx = found["segments"]
    assert (nse["open"], nse["state"], nse["next_open"]) == (False, "closed", "2026-11-25T09:15:00+05:30")
    assert (mcx["open"], mcx["state"], mcx["next_close"]) == (True, "open", "2026-11-24T23:55:00+05:30")
    assert found["next_holiday"]["date"] == "2026-12-25"
    assert found["next_special_session"] is None


def test_the_document_of_a_day(shipped: Calendar):
    found = json.loads(json.dumps(day_document(shipped, [MCX, NSE], date(2026, 11, 24))))
    evening, holiday = found["segments"]
    assert evening["sessions"] == [
        {
            "kind": "continuous",
            "name": "evening",
            "open": "2026-11-24T17:00:00+05:30",
            "close": "2026-11-24T23:55:00+05:30",
            "open_s": 1795519800,
            "close_s": 1795544700,
        }
    ]
    assert (holiday["sessions"], holiday["trading_day"], holiday["occasion"]) == ([], False, "Guru Nanak Jayanti")
    assert holiday["sources"]
    assert holiday["unverified"] is None


def test_unknown_hours_are_null_and_not_none_at_all(shipped: Calendar):
    (muhurat,) = day_document(shipped, [NSE], date(2026, 11, 8))["segments"]
    assert (muhurat["sessions"], muhurat["trading_day"]) == (None, True)
    assert state(shipped, NSE, at_s("2026-11-08T18:00")) == "unknown"


def test_the_document_of_a_period(shipped: Calendar):
    found = json.loads(json.dumps(period_document(shipped, [NSE, CAS], date(2026, 11, 1), date(2026, 11, 30))))
    assert found["trading_days"] == {"NSE": 20}
    assert [one["change"] for one in found["occasions"]] == ["unknown", "closed", "closed"]
    assert [one["sessions"] for one in found["occasions"]] == [None, [], []]
