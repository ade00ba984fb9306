"""The historical interface: what it gives, in the broker's words, and what it refuses."""

from __future__ import annotations

from datetime import date

import pytest
from fakes import INFY, INSTRUMENTS, NIFTY, USDINR, FixedHistory, instrument

from kitecli.clock import ist
from kitecli.market.calendar import midnight_s
from kitecli.sim.candles import SIZES_S, Candles, load_spans
from kitecli.sim.sessions import Refusal
from kitecli.sim.shipped import shipped_calendar

DAY = date(2024, 6, 27)
FUTURE = instrument(15_000 << 8 | 2, "INFY24JUNFUT", exchange="NFO", segment="NFO-FUT")
OPEN_S = midnight_s(DAY) + 9 * 3600 + 15 * 60
WHOLE = {"from": "2024-06-27", "to": "2024-06-27 23:59:59"}


def of(history: FixedHistory, instruments=INSTRUMENTS) -> Candles:
    return Candles(instruments, history, load_spans(), shipped_calendar)


def minutes_from(start_s: int, count: int) -> FixedHistory:
    return FixedHistory(*range(start_s, start_s + 60 * count, 60))


def clocks(data: object) -> list[str]:
    assert isinstance(data, dict), data
    return [str(row[0])[11:16] for row in data["candles"]]


def refusal(token: object, interval: str, **fields: str) -> str:
    refused = of(FixedHistory()).answer(str(token), interval, WHOLE | {k.strip("_"): v for k, v in fields.items()})
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.error_type) == (400, "InputException")
    return refused.message


def test_spans_are_the_brokers():
    assert load_spans() == {
        "minute": 60,
        "3minute": 100,
        "5minute": 100,
        "10minute": 100,
        "15minute": 200,
        "30minute": 200,
        "60minute": 400,
        "day": 2000,
    }
    assert set(load_spans()) == set(SIZES_S)


def test_rows_have_the_brokers_form_in_rupees():
    given = of(minutes_from(OPEN_S, 1)).answer(str(INFY), "minute", WHOLE)
    assert given == {"candles": [["2024-06-27T09:15:00+0530", 1573.0, 1574.0, 1572.0, 1573.5, 10]]}
    with_oi = of(minutes_from(OPEN_S, 1)).answer(str(USDINR), "minute", WHOLE | {"oi": "1"})
    assert with_oi == {"candles": [["2024-06-27T09:15:00+0530", 0.01573, 0.01574, 0.01572, 0.015735, 10, 7]]}


@pytest.mark.parametrize(
    ("interval", "starts"),
    [
        ("minute", ["09:15", "09:16", "09:17"]),
        ("3minute", ["09:15", "09:18", "09:21"]),
        ("10minute", ["09:15", "09:25", "09:35"]),
        ("60minute", ["09:15", "10:15", "11:15", "12:15", "13:15", "14:15", "15:15"]),
        ("day", ["00:00"]),
    ],
)
def test_candles_begin_with_the_session(interval: str, starts: list[str]):
    assert clocks(of(minutes_from(OPEN_S, 375)).answer(str(INFY), interval, WHOLE))[: len(starts)] == starts


@pytest.mark.parametrize(
    ("day", "at", "token", "start"),
    [
        (date(2024, 11, 1), 18 * 3600 + 300, INFY, "18:00"),  # Muhurat
        (date(2024, 6, 29), 11 * 3600, INFY, "10:15"),  # a Saturday: where it would be on a weekday
        (date(2030, 1, 1), 11 * 3600, INFY, "10:15"),  # past the calendar
        (DAY, 9 * 3600 + 1800, USDINR, "09:00"),
    ],
)
def test_hours_are_those_of_the_day_and_the_exchange(day: date, at: int, token: int, start: str):
    fields = {"from": f"{day}", "to": f"{day} 23:59:59"}
    assert clocks(of(minutes_from(midnight_s(day) + at, 5)).answer(str(token), "60minute", fields)) == [start]


def test_both_ends_are_included_by_the_candles_start():
    history = minutes_from(OPEN_S, 375)
    fields = {"from": "2024-06-27 09:16:00", "to": "2024-06-27 09:25:00"}
    assert clocks(of(history).answer(str(INFY), "5minute", fields)) == ["09:20", "09:25"]
    assert clocks(of(history).answer(str(INFY), "minute", fields))[::9] == ["09:16", "09:25"]
    last = of(history).answer(str(INFY), "5minute", fields)
    assert isinstance(last, dict)
    assert last["candles"][-1][5] == 50  # whole, although the time asked for ends within it
    assert clocks(of(history).answer(str(INFY), "day", fields)) == ["00:00"]
    assert of(history).answer(str(INFY), "minute", {"from": "2024-06-28", "to": "2024-06-29"}) == {"candles": []}


def test_the_day_candle_sums_the_day():
    data = of(minutes_from(OPEN_S, 375)).answer(str(NIFTY), "day", WHOLE)
    assert data == {"candles": [["2024-06-27T00:00:00+0530", 1573.0, 1948.0, 1572.0, 1947.5, 3750]]}


@pytest.mark.parametrize(("interval", "days"), load_spans().items())
def test_a_span_may_be_this_long_and_no_longer(interval: str, days: int):
    first = ist(midnight_s(date(2024, 1, 1)))
    reach = f"{ist(first.timestamp() + days * 86_400):%Y-%m-%d %H:%M:%S}"
    longer = f"{ist(first.timestamp() + days * 86_400 + 1):%Y-%m-%d %H:%M:%S}"
    fields = {"from": "2024-01-01 00:00:00"}
    assert isinstance(of(FixedHistory()).answer(str(INFY), interval, fields | {"to": reach}), dict)
    assert refusal(INFY, interval, from_="2024-01-01", to=longer) == f"interval exceeds max limit: {days} days"


def test_what_is_refused():
    assert refusal(1, "minute") == refusal("x", "minute") == "invalid token"
    assert refusal(INFY, "7minute") == "invalid interval"
    assert refusal(INFY, "minute", from_="yesterday") == refusal(INFY, "minute", from_="") == "invalid from date"
    assert refusal(INFY, "minute", to="2024-06-31") == "invalid to date"
    assert refusal(INFY, "minute", to="2024-06-26") == "from date cannot be after to date"
    assert refusal(INFY, "day", continuous="1") == "invalid token for continuous data"


def test_continuous_days_are_of_futures_alone():
    from dataclasses import replace

    history = minutes_from(OPEN_S, 3)
    candles = of(history, [replace(FUTURE, instrument_type="FUT")])
    token = str(FUTURE.instrument_token)
    assert clocks(candles.answer(token, "day", WHOLE | {"continuous": "1"})) == ["00:00"]
    assert history.asked == [(0, True)]
    refused = candles.answer(token, "minute", WHOLE | {"continuous": "1"})
    assert isinstance(refused, Refusal)
    assert refused.message == "invalid interval"
