from __future__ import annotations

import time

import numpy as np
import pytest

from kitecli.bars.intervals import Interval
from kitecli.bars.record import FLAG_CLOSING, FLAG_OUTSIDE, FLAG_POST_CLOSE, FLAG_PREOPEN, FLAG_UNSCHEDULED
from kitecli.bars.timeline import EMPTY, Phase, Timeline, Timelines, bucket_of, span_of, timeline_of
from kitecli.market.calendar.files import read_calendar
from kitecli.settings.calendars import calendar_folders
from tests.bars.stage import INDEX, ms, timelines, wall

NSE, NFO, MCX = (timelines().each[timeline_of(token, 99)] for token in (1, 2, 7))
CAS = timelines().each[timelines().groups["NSE", "cas"]]
GRACE_MS = 1500


def day_of_bars(timeline: Timeline, interval: str, day: str) -> list[tuple[str, str, int]]:
    """Start, end and flags of every bar there can be on a day."""
    found, at_ms = [], ms(f"{day} 00:00:00")
    while at_ms < ms(f"{day} 00:00:00") + 86_400_000:
        bucket = bucket_of(timeline, Interval.parse(interval), at_ms, GRACE_MS)
        found.append((wall(bucket.start_ms), wall(bucket.end_ms), bucket.flags))
        at_ms = bucket.until_ms
    return found


def trading(timeline: Timeline, interval: str, day: str) -> list[tuple[str, str]]:
    return [(start, end) for start, end, flags in day_of_bars(timeline, interval, day) if not flags]


def test_hours_begin_with_the_session_and_the_last_bar_ends_with_it():
    hours = trading(NFO, "1h", "2024-06-27")
    assert hours[:2] == [("09:15:00", "10:15:00"), ("10:15:00", "11:15:00")]
    assert hours[-1] == ("15:15:00", "15:30:00")
    assert len(hours) == 7


@pytest.mark.parametrize(
    ("interval", "count"), [("1m", 375), ("5m", 75), ("15m", 25), ("45m", 9), ("2h", 4), ("day", 1)]
)
def test_a_day_has_as_many_bars_as_the_session_has_room_for(interval: str, count: int):
    assert len(trading(NFO, interval, "2024-06-27")) == count


def test_every_moment_of_three_years_is_in_one_bar():
    for timeline in timelines().each[1:]:
        assert (np.diff(timeline.starts_ms) > 0).all()
        assert timeline.starts_ms[0] == ms("2024-01-01 00:00:00")
        assert timeline.starts_ms[-1] == ms("2027-01-01 00:00:00")
        assert timeline.kinds[-1] == Phase.UNSCHEDULED
        joined = (timeline.kinds[1:] == timeline.kinds[:-1]) & (timeline.kinds[1:] != Phase.OUTSIDE)
        assert not joined.any(), "what adjoins is one span"


def test_auctions_and_what_is_outside_are_a_bar_each():
    assert [bar for bar in day_of_bars(NSE, "1m", "2026-08-04") if bar[2]] == [
        ("00:00:00", "09:00:00", FLAG_OUTSIDE),
        ("09:00:00", "09:15:00", FLAG_PREOPEN),
        ("15:30:01", "15:50:00", FLAG_OUTSIDE),  # behind the grace
        ("15:50:00", "16:00:00", FLAG_POST_CLOSE),
        ("16:00:00", "00:00:00", FLAG_OUTSIDE),
    ]


def test_stocks_with_derivatives_close_by_auction():
    bars = day_of_bars(CAS, "1h", "2026-08-04")
    assert [bar for bar in bars if "15:00:00" <= bar[0] < "15:50:00"] == [
        ("15:15:00", "15:35:00", FLAG_CLOSING),
        ("15:35:00", "15:50:00", FLAG_OUTSIDE),
    ]
    assert trading(CAS, "1h", "2026-08-04")[-1] == ("14:15:00", "15:15:00")
    assert trading(CAS, "1h", "2026-07-31")[-1] == ("15:15:00", "15:30:00"), "the day before it came"


def test_an_evening_that_adjoins_a_morning_is_the_same_session():
    bars = trading(MCX, "1h", "2026-08-04")
    assert (bars[0], bars[-1], len(bars)) == (("09:00:00", "10:00:00"), ("23:00:00", "23:30:00"), 15)
    assert trading(MCX, "day", "2026-08-04") == [("09:00:00", "23:30:00")]


def test_a_holiday_of_the_morning_leaves_the_evening():
    assert trading(MCX, "day", "2026-03-03") == [("17:00:00", "23:55:00")]


@pytest.mark.parametrize("timeline", [NSE, NFO])
def test_muhurat_is_one_session_in_the_evening(timeline: Timeline):
    assert trading(timeline, "1h", "2024-11-01") == [("18:00:00", "19:00:00")]


def test_a_saturday_s_two_sessions_have_bars_of_their_own():
    assert trading(NFO, "1h", "2024-03-02") == [("09:15:00", "10:00:00"), ("11:30:00", "12:30:00")]


def test_a_holiday_has_one_bar_for_whatever_comes():
    assert day_of_bars(NSE, "1m", "2026-01-26") == [("00:00:00", "00:00:00", FLAG_OUTSIDE)]


@pytest.mark.parametrize("moment", ["2023-12-31 10:20:30", "2027-01-01 10:20:30", "2026-11-08 18:20:30"])
def test_a_day_whose_hours_nobody_knows_is_divided_from_midnight(moment: str):
    """Before and after the calendar, and the Muhurat day that has no hours yet."""
    bucket = bucket_of(NSE, Interval.parse("1h"), ms(moment), GRACE_MS)
    assert (wall(bucket.start_ms), bucket.flags) == (f"{moment[11:13]}:00:00", FLAG_UNSCHEDULED)
    assert bucket.until_ms == bucket.end_ms == bucket.start_ms + 3_600_000


def test_the_simulator_trades_at_any_hour():
    assert span_of(EMPTY, ms("2026-08-04 23:59:59.999")) == (
        *(ms("2026-08-04 00:00:00"), ms("2026-08-05 00:00:00")),
        *(Phase.UNSCHEDULED, False, False),
    )


def bucket_at(moment: str, interval: str = "1m", timeline: Timeline = NSE) -> tuple[str, str, int]:
    bucket = bucket_of(timeline, Interval.parse(interval), ms(moment), GRACE_MS)
    return wall(bucket.start_ms), wall(bucket.end_ms), bucket.until_ms


def test_what_comes_just_after_the_close_belongs_to_the_last_bar():
    last = ("15:29:00", "15:30:00", ms("2026-08-04 15:30:01.500"))
    assert bucket_at("2026-08-04 15:29:59.999") == bucket_at("2026-08-04 15:30:01.499") == last
    assert bucket_at("2026-08-04 15:30:01.500")[:2] == ("15:30:01", "15:50:00")


def test_nothing_waits_for_the_grace_where_a_session_goes_on():
    assert bucket_at("2026-08-04 15:28:59")[2] == ms("2026-08-04 15:29:00")
    assert bucket_at("2026-08-04 09:14:59")[2] == ms("2026-08-04 09:15:00")
    assert bucket_at("2026-08-04 15:14:59", timeline=CAS)[2] == ms("2026-08-04 15:15:00")


def test_bars_by_count_begin_with_their_tick_but_in_auctions():
    assert bucket_at("2026-08-04 10:00:07", "500t")[:2] == ("10:00:07", "15:30:00")
    assert bucket_at("2026-08-04 09:07:00", "500v")[:2] == ("09:00:00", "09:15:00")


def test_timelines_are_found_by_segment_and_group():
    each = timelines().each
    assert len(each[0].starts_ms) == 0
    assert each[timeline_of(INDEX, 99)] is NSE
    assert timeline_of(12, 99) == 8
    assert timeline_of(8, 99) == timeline_of(0, 99) == timeline_of(77, 99) == 0, "segments without hours of theirs"
    assert timeline_of(7, 1) == 0, "no timelines, so no hours"
    assert set(timelines().groups) == {("NSE", "cas"), ("BSE", "cas"), ("MCX", "agri"), ("MCX", "agri-late")}
    assert trading(each[timelines().groups["MCX", "agri"]], "day", "2026-08-04") == [("09:00:00", "17:00:00")]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="changes this process's zone")
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "Asia/Kolkata"])
def test_timelines_do_not_depend_on_the_host_s_zone(monkeypatch: pytest.MonkeyPatch, zone: str):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        there = Timelines.of(read_calendar(calendar_folders()[:1]))
    finally:
        monkeypatch.undo()
        time.tzset()
    for mine, theirs in zip(timelines().each, there.each, strict=True):
        assert (mine.starts_ms == theirs.starts_ms).all()
        assert (mine.kinds == theirs.kinds).all()
