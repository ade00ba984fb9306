"""Is it open, when does it open and close, which days trade: exact answers, or an error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.clock import IST
from kitecli.errors import HoursUnknown, OutsideCalendar, UsageError
from kitecli.market.calendar import Calendar, Change, Kind, midnight_s

FIRST, LAST = date(2024, 1, 1), date(2026, 12, 31)
MARKETS = [(segment, "") for segment in ("NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "NCO")] + [
    ("NSE", "cas"),
    ("BSE", "cas"),
    ("MCX", "agri"),
    ("MCX", "agri-late"),
]
# The last week is left out where something must come after.
moments = st.integers(midnight_s(FIRST), midnight_s(date(2026, 12, 24)))
days = st.dates(FIRST, LAST)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=IST)


def hours(calendar: Calendar, segment: str, day: str, group: str = "", kind: Kind = Kind.CONTINUOUS) -> str:
    sessions = calendar.sessions_on(segment, date.fromisoformat(day), group)
    return " ".join(f"{one.open:%H:%M}-{one.close:%H:%M}" for one in sessions if one.kind is kind)


# --- dated changes ---


def test_an_ordinary_day_of_2024(shipped: Calendar):
    assert hours(shipped, "NSE", "2024-06-27") == "09:15-15:30"
    assert hours(shipped, "NSE", "2024-06-27", kind=Kind.PREOPEN) == "09:00-09:08 09:08-09:12 09:12-09:15"
    assert hours(shipped, "NSE", "2024-06-27", kind=Kind.POST_CLOSE) == "15:40-16:00"
    assert hours(shipped, "NFO", "2024-06-27") == "09:15-15:30"
    assert hours(shipped, "NFO", "2024-06-27", kind=Kind.PREOPEN) == ""
    assert hours(shipped, "CDS", "2024-06-27") == "09:00-17:00"
    assert hours(shipped, "MCX", "2024-06-27") == "09:00-17:00 17:00-23:30"
    assert hours(shipped, "MCX", "2024-06-27", "agri-late") == "09:00-17:00 17:00-21:00"
    assert hours(shipped, "MCX", "2024-06-27", "agri") == "09:00-17:00"


@pytest.mark.parametrize("segment", ["NFO", "BFO"])
def test_futures_have_a_pre_open_since_december_2025(shipped: Calendar, segment: str):
    assert hours(shipped, segment, "2025-12-05", kind=Kind.PREOPEN) == ""
    assert hours(shipped, segment, "2025-12-08", kind=Kind.PREOPEN) == "09:00-09:08 09:08-09:12 09:12-09:15"


@pytest.mark.parametrize("segment", ["NSE", "BSE"])
def test_stocks_with_derivatives_close_by_auction_since_august_2026(shipped: Calendar, segment: str):
    before, since = "2026-07-31", "2026-08-03"
    assert hours(shipped, segment, before, "cas") == hours(shipped, segment, before) == "09:15-15:30"
    assert hours(shipped, segment, since) == "09:15-15:30"
    assert hours(shipped, segment, since, "cas") == "09:15-15:15"
    auction = hours(shipped, segment, since, "cas", Kind.CLOSING_AUCTION)
    assert auction == "15:15-15:20 15:20-15:25 15:25-15:30 15:30-15:35"
    assert hours(shipped, segment, since, "", Kind.CLOSING_AUCTION) == ""
    assert hours(shipped, segment, since, "cas", Kind.POST_CLOSE) == "15:50-16:00"
    assert hours(shipped, segment, since, "", Kind.POST_CLOSE) == "15:50-16:00"


@pytest.mark.parametrize("segment", ["NFO", "BFO"])
def test_derivatives_trade_until_1540_since_august_2026(shipped: Calendar, segment: str):
    assert hours(shipped, segment, "2026-07-31") == "09:15-15:30"
    assert hours(shipped, segment, "2026-08-03") == "09:15-15:40"


@pytest.mark.parametrize("group", ["", "cas"])
def test_the_cash_pre_open_changed_in_september_2026(shipped: Calendar, group: str):
    assert hours(shipped, "NSE", "2026-09-04", group, Kind.PREOPEN) == "09:00-09:08 09:08-09:12 09:12-09:15"
    assert hours(shipped, "NSE", "2026-09-07", group, Kind.PREOPEN) == "09:00-09:05 09:05-09:10 09:10-09:12 09:12-09:15"
    assert hours(shipped, "NSE", "2026-09-07", group) == ("09:15-15:15" if group else "09:15-15:30")


# --- questions about a moment ---


@pytest.mark.parametrize(
    ("segment", "group", "moment", "expected"),
    [
        ("NSE", "", "2026-11-23T09:14:59", False),
        ("NSE", "", "2026-11-23T09:15:00", True),
        ("NSE", "", "2026-11-23T15:29:59", True),
        ("NSE", "", "2026-11-23T15:30:00", False),
        ("NSE", "cas", "2026-11-23T15:20:00", False),
        ("NFO", "", "2026-11-23T15:39:59", True),
        ("MCX", "", "2026-11-23T17:00:00", True),
        ("MCX", "", "2026-11-24T16:59:59", False),
        ("MCX", "", "2026-11-24T17:00:00", True),
        ("NSE", "", "2026-11-22T11:00:00", False),
        ("NSE", "", "2026-02-01T11:00:00", True),
    ],
)
def test_whether_it_is_open(shipped: Calendar, segment: str, group: str, moment: str, expected: bool):
    assert shipped.is_open(segment, at(moment), group) is expected
    assert shipped.is_open(segment, at(moment).timestamp(), group) is expected
    assert shipped.is_open(segment, int(at(moment).astimezone(UTC).timestamp()), group) is expected


def test_the_session_of_a_moment(shipped: Calendar):
    auction = shipped.session_at("NSE", at("2026-11-23T15:26:00"), "cas")
    assert auction is not None
    assert (auction.kind, auction.name) == (Kind.CLOSING_AUCTION, "limit orders only")
    assert shipped.session_at("NSE", at("2026-11-23T15:40:00"), "cas") is None


def test_what_comes_next(shipped: Calendar):
    friday = at("2026-11-20T20:00")
    assert shipped.next_open("NSE", friday) == at("2026-11-23T09:15")
    assert shipped.next_close("NSE", friday) == at("2026-11-23T15:30")
    assert shipped.next_open("NSE", at("2026-11-23T16:00")) == at("2026-11-25T09:15")
    assert shipped.next_open("MCX", at("2026-11-24T00:30")) == at("2026-11-24T17:00")


def test_an_evening_that_adjoins_a_morning_is_one_trading_time(shipped: Calendar):
    noon = at("2026-11-23T12:00")
    assert shipped.next_close("MCX", noon) == at("2026-11-23T23:55")
    assert shipped.next_open("MCX", noon) == at("2026-11-24T17:00")


def test_a_drill_has_two_opens_and_two_closes(shipped: Calendar):
    assert shipped.next_close("NSE", at("2024-03-02T09:30")) == at("2024-03-02T10:00")
    assert shipped.next_open("NSE", at("2024-03-02T09:30")) == at("2024-03-02T11:30")
    assert shipped.next_close("NFO", at("2024-03-02T10:00")) == at("2024-03-02T12:30")


# --- days ---


def test_trading_days(shipped: Calendar):
    assert shipped.trading_days("NSE", date(2026, 11, 20), date(2026, 11, 25)) == [
        date(2026, 11, 20),
        date(2026, 11, 23),
        date(2026, 11, 25),
    ]
    assert shipped.previous_trading_day("NSE", date(2026, 11, 25)) == date(2026, 11, 23)
    assert shipped.next_trading_day("MCX", date(2026, 11, 23)) == date(2026, 11, 24)
    assert shipped.next_trading_day("NSE", date(2024, 1, 19)) == date(2024, 1, 20)
    # NSE's own count for the year, its four special sessions among them
    assert len(shipped.trading_days("NSE", date(2024, 1, 1), date(2024, 12, 31))) == 249


def test_an_evening_alone_makes_a_trading_day_and_an_auction_does_not(shipped: Calendar):
    assert shipped.is_trading_day("MCX", date(2026, 11, 10))
    assert not shipped.is_trading_day("NSE", date(2026, 11, 10))


def test_why_a_day_is_no_ordinary_one(shipped: Calendar):
    election = shipped.occasion("NSE", date(2026, 1, 15))
    assert election is not None
    assert (election.change, election.name[:19]) == (Change.CLOSED, "Municipal elections")
    assert shipped.occasion("NSE", date(2026, 1, 16)) is None
    assert [one.day.month for one in shipped.occasions("NSE", date(2025, 1, 1), date(2025, 6, 30))] == [
        *(2, 2, 3, 3, 4, 4, 4, 5)
    ]
    assert shipped.basis("NSE", date(2026, 1, 15)) is election
    assert shipped.basis("NSE", date(2026, 1, 17)) is None
    assert shipped.basis("NSE", date(2026, 1, 16)) is shipped.rules.hours_on("NSE", date(2026, 1, 16))


# --- what is refused ---

EVERY_QUESTION: list[Callable[[Calendar, date], object]] = [
    lambda calendar, day: calendar.sessions_on("NSE", day),
    lambda calendar, day: calendar.is_open("NSE", midnight_s(day)),
    lambda calendar, day: calendar.session_at("NSE", midnight_s(day)),
    lambda calendar, day: calendar.next_open("NSE", midnight_s(day)),
    lambda calendar, day: calendar.next_close("NSE", midnight_s(day)),
    lambda calendar, day: calendar.trading_days("NSE", day, day),
    lambda calendar, day: calendar.occasion("NSE", day),
    lambda calendar, day: calendar.basis("NSE", day),
    lambda calendar, day: calendar.covered(day, day),
]


@pytest.mark.parametrize("question", EVERY_QUESTION)
@pytest.mark.parametrize("day", [date(2023, 12, 31), date(2027, 1, 1)])
def test_past_its_data_it_refuses(shipped: Calendar, question: Callable[[Calendar, date], object], day: date):
    with pytest.raises(OutsideCalendar) as raised:
        question(shipped, day)
    assert str(day) in raised.value.what
    assert f"{day.year}.yaml" in raised.value.hint
    assert shipped.rules.home in raised.value.hint


@pytest.mark.parametrize("question", EVERY_QUESTION)
def test_the_last_covered_days_are_answered(shipped: Calendar, question: Callable[[Calendar, date], object]):
    question(shipped, date(2024, 1, 1))
    question(shipped, date(2026, 12, 30))


def test_nothing_after_the_last_close_is_made_up(shipped: Calendar):
    with pytest.raises(OutsideCalendar, match="2027-01-01"):
        shipped.next_open("NSE", at("2026-12-31T09:15"))
    with pytest.raises(OutsideCalendar, match="2027-01-01"):
        shipped.next_trading_day("NSE", date(2026, 12, 31))
    with pytest.raises(OutsideCalendar, match="2023-12-31"):
        shipped.previous_trading_day("CDS", date(2024, 1, 1))


def test_unpublished_hours_are_refused_and_the_day_still_trades(shipped: Calendar):
    muhurat = date(2026, 11, 8)
    with pytest.raises(HoursUnknown, match="Muhurat"):
        shipped.sessions_on("NSE", muhurat)
    with pytest.raises(HoursUnknown):
        shipped.is_open("MCX", at("2026-11-08T18:30"))
    with pytest.raises(HoursUnknown):
        shipped.next_open("NSE", at("2026-11-06T15:30"))
    assert shipped.is_trading_day("NSE", muhurat)
    assert shipped.next_trading_day("NSE", date(2026, 11, 6)) == muhurat


def test_part_of_a_period_is_covered(shipped: Calendar):
    assert shipped.covered(date(2026, 12, 28), date(2027, 1, 3)) == (date(2026, 12, 28), LAST)
    assert shipped.covered(date(2023, 1, 1), date(2024, 1, 7)) == (FIRST, date(2024, 1, 7))


def test_strangers_are_refused_by_name(shipped: Calendar):
    with pytest.raises(UsageError, match="NSEIX") as raised:
        shipped.sessions_on("NSEIX", FIRST)
    assert "NSE, BSE" in raised.value.hint
    with pytest.raises(UsageError, match="agri") as raised:
        shipped.is_open("NSE", 1_700_000_000, "agri")
    assert "cas" in raised.value.hint


# --- properties ---


@pytest.mark.parametrize("market", MARKETS, ids=" ".join)
def test_sessions_are_in_order_disjoint_and_within_their_day(filled: Calendar, market: tuple[str, str]):
    day = FIRST
    while day <= LAST:
        ends_s = midnight_s(day)
        for session in filled.sessions_on(market[0], day, market[1]):
            assert ends_s <= session.open_s < session.close_s
            ends_s = session.close_s
        day += timedelta(days=1)
        assert ends_s <= midnight_s(day)


@settings(max_examples=300)
@given(at_s=moments, market=st.sampled_from(MARKETS))
def test_open_means_within_continuous_trading(filled: Calendar, at_s: int, market: tuple[str, str]):
    segment, group = market
    session = filled.session_at(segment, at_s, group)
    assert filled.is_open(segment, at_s, group) == (session is not None and session.kind is Kind.CONTINUOUS)


@settings(max_examples=300)
@given(at_s=moments, market=st.sampled_from(MARKETS))
def test_next_open_and_close_are_the_edges_of_is_open(filled: Calendar, at_s: int, market: tuple[str, str]):
    segment, group = market

    def is_open(moment_s: float) -> bool:
        return filled.is_open(segment, moment_s, group)

    opens_s, closes_s = (ask(segment, at_s, group).timestamp() for ask in (filled.next_open, filled.next_close))
    assert min(opens_s, closes_s) > at_s
    assert (is_open(opens_s - 1), is_open(opens_s)) == (False, True)
    assert (is_open(closes_s - 1), is_open(closes_s)) == (True, False)
    assert is_open(at_s) == (closes_s < opens_s)


@settings(max_examples=300)
@given(day=st.dates(date(2024, 1, 15), date(2026, 12, 15)), market=st.sampled_from(MARKETS))
def test_neighbouring_trading_days_are_neighbours(filled: Calendar, day: date, market: tuple[str, str]):
    segment = market[0]
    before, after = filled.previous_trading_day(segment, day), filled.next_trading_day(segment, day)
    between = [day] if filled.is_trading_day(segment, day) else []
    assert filled.trading_days(segment, before, after) == [before, *between, after]
