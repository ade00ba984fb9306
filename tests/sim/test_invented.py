"""The days before a market began could be a market's, and are the same each time."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from kitecli.clock import NS_PER_S, ist
from kitecli.market.calendar import midnight_s
from kitecli.sim.invented import InventedDays
from kitecli.sim.market import SyntheticMarket
from kitecli.sim.shipped import shipped_calendar
from kitecli.sim.universe import build_universe

BEGAN = date(2026, 11, 20)
UNIVERSE = build_universe(BEGAN)
START_NS = (midnight_s(BEGAN) + 11 * 3600) * NS_PER_S
MARKET = SyntheticMarket(UNIVERSE, seed=1, rate=1.0, start_ns=START_NS)
TICKS = MARKET.cached(np.arange(len(UNIVERSE))).ticks
SLOTS = {listing.instrument.key: slot for slot, listing in enumerate(UNIVERSE)}
NIFTY_CALL = next(key for key in SLOTS if key.startswith("NFO:NIFTY2") and key.endswith("CE"))
NIFTY_FUTURE = next(key for key in SLOTS if key.startswith("NFO:NIFTY2") and key.endswith("FUT"))
GOLD = next(key for key in SLOTS if key.startswith("MCX:GOLD"))


def days(seed: int = 1, began: date = BEGAN) -> InventedDays:
    return InventedDays(UNIVERSE, TICKS, MARKET.tick_sizes, seed, began, shipped_calendar())


def clocks(candles: np.ndarray) -> list[str]:
    return [f"{ist(start_s):%H:%M}" for start_s in candles["start_s"].tolist()]


@pytest.mark.parametrize("key", ["NSE:INFY", "NSE:NIFTY 50", NIFTY_CALL, NIFTY_FUTURE, GOLD, "BSE:INFY"])
def test_candles_could_be_a_markets(key: str):
    slot, listing = SLOTS[key], UNIVERSE[SLOTS[key]]
    found = days().minutes(slot, date(2026, 9, 1), date(2026, 11, 30))
    assert len(found) > 5000
    assert (np.diff(found["start_s"]) > 0).all()
    for name in ("open", "close"):
        assert ((found["low"] <= found[name]) & (found[name] <= found["high"])).all()
    for name in ("open", "high", "low", "close"):
        assert (found[name] > 0).all()
        assert (found[name] % MARKET.tick_sizes[slot] == 0).all()
    assert (found["volume"] % max(listing.instrument.lot_size, 1) == 0).all()
    assert (found["volume"] > 0).all() == (listing.kind != "index")
    assert (found["oi"] > 0).all() == listing.instrument.is_derivative


def test_they_end_at_the_previous_close_of_the_ticks():
    found = days()
    for slot in range(len(UNIVERSE)):
        last = found.minutes(slot, BEGAN - timedelta(days=7), BEGAN)[-1]
        assert last["close"] == TICKS["close"][slot], UNIVERSE[slot].instrument.key
        assert ist(int(last["start_s"])).date() == BEGAN - timedelta(days=1)


def test_the_same_seed_gives_the_same_days_in_whatever_pieces():
    slot = SLOTS["NSE:INFY"]
    whole = days().minutes(slot, date(2026, 1, 1), date(2026, 1, 31))
    pieces = days()
    parts = [pieces.minutes(slot, date(2026, 1, day), date(2026, 1, day)) for day in range(1, 32)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert days(seed=2).minutes(slot, date(2026, 1, 1), date(2026, 1, 31)).tobytes() != whole.tobytes()
    # A market that began later has the same days, at another level.
    later = days(began=date(2026, 11, 24)).minutes(slot, date(2026, 1, 1), date(2026, 1, 31))
    assert (later["volume"] == whole["volume"]).all()
    assert later["close"] / later["open"] == pytest.approx(whole["close"] / whole["open"], abs=2e-3)


def test_they_keep_the_calendars_hours():
    found = days()
    for key, day, first, last in [
        ("NSE:NIFTY 50", date(2026, 11, 19), "09:15", "15:29"),
        ("NSE:INFY", date(2026, 11, 19), "09:15", "15:14"),  # closes by auction since August
        ("NSE:INFY", date(2026, 7, 1), "09:15", "15:29"),
        (NIFTY_FUTURE, date(2026, 11, 19), "09:15", "15:39"),
        (GOLD, date(2026, 11, 19), "09:00", "23:54"),
        ("NSE:INFY", date(2025, 10, 21), "13:45", "14:44"),  # Muhurat
        ("NSE:INFY", date(2026, 11, 8), "18:00", "18:59"),  # Muhurat whose hours nobody has published
    ]:
        times = clocks(found.minutes(SLOTS[key], day, day))
        assert (times[0], times[-1]) == (first, last), (key, day)


def test_holidays_weekends_and_days_without_data_have_none():
    slot = SLOTS["NSE:INFY"]
    for first, last in [
        (date(2026, 1, 26), date(2026, 1, 26)),
        (date(2026, 11, 14), date(2026, 11, 15)),
        (date(2020, 1, 1), date(2023, 12, 31)),
        (BEGAN, date(2027, 3, 1)),
    ]:
        assert days().minutes(slot, first, last).size == 0
    assert days(began=date(2024, 1, 1)).minutes(slot, date(2024, 1, 1), BEGAN).size == 0


def test_a_contract_has_none_from_before_it_was_listed_unless_continuous():
    slot = SLOTS[NIFTY_FUTURE]
    span = date(2024, 1, 1), date(2026, 11, 19)
    first = int(days().minutes(slot, *span)["start_s"][0])
    assert date(2026, 8, 1) < ist(first).date() < date(2026, 9, 15)
    assert ist(int(days().minutes(slot, *span, continuous=True)["start_s"][0])).date() == date(2024, 1, 1)
