"""The days before a synthetic market began: invented, seeded, within the calendar's sessions. Sans I/O.

Each instrument walks by itself, backwards from the previous close its ticks tell of, so the last candle before the
market began closes there. The same seed, instrument and day give the same shape; the level follows from that close.
(An index isn't computed from its members here, nor an option from its underlying: that would need all of them at once.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import Final

import numpy as np

from kitecli.errors import HoursUnknown
from kitecli.market.calendar import Calendar, Kind, midnight_s
from kitecli.sim.market import volume_curve
from kitecli.sim.minutes import CANDLE_DTYPE, MINUTE_S, Ints
from kitecli.sim.prices import MARKET_VOLATILITY, SESSION_S, Floats
from kitecli.sim.source import Records
from kitecli.sim.universe import Listing

LISTED_DAYS: Final = 95  # a contract trades for about three months
OPTION_VOLATILITY: Final = 0.08  # a day, of the premium
GAP: Final = 0.3  # of a day's movement happens overnight
MOST_DAYS: Final = 5000
POINTS: Final = 4  # prices within a minute
_HIGHEST: Final = 2**31 - 1
_EVENING: Final = 18 * 3600, 19 * 3600  # of a day whose hours nobody has published, which is Muhurat's


class InventedDays:
    """The days before ``began`` of the instruments of ``universe``.

    ``ticks``: (n,) TICK_DTYPE, one of each, whose previous close and open interest the days end at. ``tick_sizes``:
    (n,) int64, wire units.
    """

    def __init__(
        self,
        universe: Sequence[Listing],
        ticks: Records,
        tick_sizes: Ints,
        seed: int,
        began: date,
        calendar: Calendar,
    ) -> None:
        self._universe = universe
        self._ticks = ticks
        self._tick_sizes = tick_sizes
        self._seed = seed
        self._calendar = calendar
        self._last = min(began - timedelta(days=1), calendar.last)
        futures = {listing.underlying for listing in universe if listing.kind == "future"}
        self._by_auction = futures - {0}
        self._days = cache(self._trading_days)
        self._levels = cache(self._made_levels)

    def minutes(self, slot: int, first: date, last: date, *, continuous: bool = False) -> Records:
        """The minute candles of the days from ``first`` to ``last``, both included; none where there are no data.

        A contract has none from before it was listed, unless ``continuous``.
        """
        since = first if continuous else max(first, self._listed(slot))
        days = self._days(self._universe[slot].instrument.exchange)
        found = [self._day(slot, at) for at, day in enumerate(days, start=1) if since <= day <= last]
        return np.concatenate(found) if found else np.zeros(0, CANDLE_DTYPE)

    def _trading_days(self, exchange: str) -> tuple[date, ...]:
        if exchange not in self._calendar.segments or self._last < self._calendar.first:
            return ()
        return tuple(self._calendar.trading_days(exchange, self._calendar.first, self._last))

    def _listed(self, slot: int) -> date:
        expiry = self._universe[slot].instrument.expiry
        return expiry - timedelta(days=LISTED_DAYS) if expiry else self._calendar.first

    def _made_levels(self, slot: int) -> tuple[Floats, Floats]:
        """(days + 1,) logarithms of a day's close over the last one's, one more before the first; and of interest."""
        listing = self._universe[slot]
        days = len(self._days(listing.instrument.exchange))
        rng = np.random.default_rng([self._seed, listing.instrument.instrument_token])
        # Drawn for every day there may be, so that the same day moves the same whenever the market began.
        moves = rng.standard_normal((2, MOST_DAYS))[:, :days]
        level = np.append(0, np.cumsum(moves[0] * volatility_of(listing)))
        interest = np.append(0, np.cumsum(moves[1] * 0.02))
        return level - level[-1], np.clip(interest - interest[-1], -2, 2)

    def _day(self, slot: int, at: int) -> Records:
        """The day between the levels ``at - 1`` and ``at``."""
        listing = self._universe[slot]
        day = self._days(listing.instrument.exchange)[at - 1]
        starts = self._minute_starts(listing, day)
        rng = np.random.default_rng([self._seed, listing.instrument.instrument_token, day.toordinal()])
        levels, interest = self._levels(slot)
        candles = np.zeros(starts.size, CANDLE_DTYPE)
        candles["start_s"] = starts
        self._put_prices(slot, candles, _bridge(levels[at - 1], levels[at], volatility_of(listing), starts.size, rng))
        if listing.kind == "index":
            return candles
        lot = max(listing.instrument.lot_size, 1)
        candles["volume"] = _volumes(listing.volume, lot, starts.size, rng)
        if listing.instrument.is_derivative:
            path = np.linspace(interest[at - 1], interest[at], starts.size)
            candles["oi"] = int(self._ticks["oi"][slot]) * np.exp(path) // lot * lot
        return candles[candles["volume"] > 0]  # a minute without a trade has no candle

    def _put_prices(self, slot: int, candles: Records, path: Floats) -> None:
        tick_size = int(self._tick_sizes[slot])
        price = np.maximum(np.rint(int(self._ticks["close"][slot]) * np.exp(path) / tick_size), 1) * tick_size
        within = np.minimum(price, _HIGHEST // tick_size * tick_size).astype(np.int64).reshape(-1, POINTS)
        candles["open"], candles["close"] = within[:, 0], within[:, -1]
        candles["high"], candles["low"] = within.max(axis=1), within.min(axis=1)

    def _minute_starts(self, listing: Listing, day: date) -> Ints:
        row = listing.instrument
        group = "cas" if row.instrument_token in self._by_auction and listing.kind == "walk" else ""
        try:
            sessions = self._calendar.sessions_on(row.exchange, day, group)
            spans = [(one.open_s, one.close_s) for one in sessions if one.kind is Kind.CONTINUOUS]
        except HoursUnknown:
            spans = [(midnight_s(day) + _EVENING[0], midnight_s(day) + _EVENING[1])]
        return np.concatenate([np.arange(open_s, close_s, MINUTE_S) for open_s, close_s in spans])


def volatility_of(listing: Listing) -> float:
    """A day's, of everything that moves it."""
    if listing.kind == "option":
        return OPTION_VOLATILITY
    return math.hypot(listing.volatility, (listing.beta or 1.0) * MARKET_VOLATILITY)


def _bridge(before: float, after: float, volatility: float, minutes: int, rng: np.random.Generator) -> Floats:
    """A path from near ``before`` to exactly ``after``, logarithms, POINTS a minute."""
    count = minutes * POINTS
    walk = np.cumsum(rng.standard_normal(count)) * volatility / math.sqrt(count)
    start = before + (after - before) * GAP
    share = np.arange(1, count + 1) / count
    path: Floats = start + (after - start) * share + walk - walk[-1] * share
    return path


def _volumes(usual: int, lot: int, minutes: int, rng: np.random.Generator) -> Floats:
    """Whole lots along the day's curve, a busy day or a quiet one; the last minute has a trade, which is the close."""
    day = usual * math.exp(0.3 * rng.standard_normal())
    volumes: Floats = day * _shares(minutes) * rng.gamma(2, 0.5, minutes) // lot * lot
    volumes[-1] = max(volumes[-1], lot)
    return volumes


@cache
def _shares(minutes: int) -> Floats:
    """Each minute's of a session's volume."""
    return np.array([volume_curve((minute + 0.5) / minutes * SESSION_S) for minute in range(minutes)]) / minutes
