"""Fair values of the synthetic market, in rupees: shares walk together, everything else follows from them.

::

    market factor ──beta──> shares, currencies, commodities ──weights──> indices ──> futures ──> options (Black 76)
                  own noise ─┘

A value moves when its instrument ticks, by what accrued since its last tick, so a batch costs what it holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.clock import IST, NS_PER_S
from kitecli.sim.source import Slots
from kitecli.sim.universe import INTEREST, YEAR_DAYS, Listing

Floats = NDArray[np.float64]

SESSION_S: Final = 22_500  # 09:15 to 15:30
MARKET_VOLATILITY: Final = 0.009  # of the common factor, a day
# Logarithms stay within these of the previous close: inside the exchange's 20 per cent band for days on end.
FACTOR_LIMIT: Final = 0.05
LIMIT: Final = 0.15
SMILE: Final = 0.9  # implied volatility rises by this times the squared distance from the money
SKEW: Final = -0.35
YEAR_NS: Final = YEAR_DAYS * 86_400 * NS_PER_S


class FairPrices:
    """``values``: (n,) float64, rupees, by slot. ``closes``: (n,) float64, the previous day's, fixed."""

    def __init__(self, universe: Sequence[Listing], rng: np.random.Generator, start_ns: int) -> None:
        self._rng = rng
        self._factor = 0.0
        self._at_ns = start_ns
        slot_of = {listing.instrument.instrument_token: slot for slot, listing in enumerate(universe)}
        self._walk = _Walk(universe, start_ns)
        self._indices = [
            _Index(slot, listing, slot_of) for slot, listing in enumerate(universe) if listing.kind == "index"
        ]
        self._futures = _Futures(universe, slot_of)
        self._options = _Options(universe, slot_of)
        self.closes = np.array([listing.close for listing in universe], np.float64)
        self.values = self.closes.copy()
        self._follow(np.arange(len(universe)), start_ns)
        self.closes = self.values.copy()  # the options' closes, which nobody wrote down

    def move(self, slots: Slots, now_ns: int) -> None:
        """Bring these slots' values to ``now_ns``. The factor moves on every call, whatever the slots."""
        passed_s = max(0, now_ns - self._at_ns) / NS_PER_S
        self._at_ns = now_ns
        step = MARKET_VOLATILITY * math.sqrt(passed_s / SESSION_S) * self._rng.standard_normal()
        self._factor = min(FACTOR_LIMIT, max(-FACTOR_LIMIT, self._factor + step))
        walking = slots[self._walk.is_member[slots]]
        moved = self._walk.moved(walking, self._factor, now_ns, self._rng)
        self.values[walking] = self.closes[walking] * np.exp(moved)
        self._follow(slots, now_ns)

    def _follow(self, slots: Slots, now_ns: int) -> None:
        for index in self._indices:
            if index.slot in slots:
                index.update(self.values, self.closes)
        self._futures.update(slots, self.values)
        self._options.update(slots, self.values, now_ns)


class _Walk:
    """The instruments that move of themselves: (n,) arrays by slot, of which the others' rows are unused."""

    def __init__(self, universe: Sequence[Listing], start_ns: int) -> None:
        self.is_member = np.array([listing.kind == "walk" for listing in universe], bool)
        self._beta = np.array([listing.beta for listing in universe])
        own = np.array([listing.volatility for listing in universe])
        self._deviation = own / math.sqrt(SESSION_S)  # a square root of a second
        self._own = np.zeros(len(universe))
        self._at_ns = np.full(len(universe), start_ns, np.int64)

    def moved(self, slots: Slots, factor: float, now_ns: int, rng: np.random.Generator) -> Floats:
        """Logarithms of value over close, now."""
        passed_s = (now_ns - self._at_ns[slots]) / NS_PER_S
        self._at_ns[slots] = now_ns
        own = self._own[slots] + self._deviation[slots] * np.sqrt(passed_s) * rng.standard_normal(slots.size)
        own = np.clip(own, -LIMIT, LIMIT)
        self._own[slots] = own
        total: Floats = np.clip(own + self._beta[slots] * factor, -LIMIT, LIMIT)
        return total


class _Index:
    """Level = close × weighted mean of its members' prices over their closes."""

    def __init__(self, slot: int, listing: Listing, slot_of: dict[int, int]) -> None:
        self.slot = slot
        present = [(slot_of[token], weight) for token, weight in listing.members if token in slot_of]
        self._members = np.array([member for member, _ in present], np.intp)
        weights = np.array([weight for _, weight in present])
        self._weights = weights / weights.sum()

    def update(self, values: Floats, closes: Floats) -> None:
        values[self.slot] = closes[self.slot] * (self._weights @ (values[self._members] / closes[self._members]))


class _Futures:
    """Value = underlying's × the ratio of their closes, which holds the carry."""

    def __init__(self, universe: Sequence[Listing], slot_of: dict[int, int]) -> None:
        self._underlying = np.full(len(universe), -1, np.intp)
        self._ratio = np.ones(len(universe))
        for slot, listing in enumerate(universe):
            if listing.kind == "future":
                self._underlying[slot] = slot_of[listing.underlying]
                self._ratio[slot] = listing.close / universe[slot_of[listing.underlying]].close

    def update(self, slots: Slots, values: Floats) -> None:
        chosen = slots[self._underlying[slots] >= 0]
        values[chosen] = values[self._underlying[chosen]] * self._ratio[chosen]


class _Options:
    """Black 76 on the forward, with a smile."""

    def __init__(self, universe: Sequence[Listing], slot_of: dict[int, int]) -> None:
        count = len(universe)
        self._underlying = np.full(count, -1, np.intp)
        self._strike, self._volatility, self._sign = np.ones(count), np.ones(count), np.ones(count)
        self._expiry_ns = np.zeros(count, np.int64)
        for slot, listing in enumerate(universe):
            if listing.kind == "option" and listing.instrument.expiry:
                self._underlying[slot] = slot_of[listing.underlying]
                self._strike[slot] = listing.instrument.strike
                self._volatility[slot] = listing.volatility
                self._sign[slot] = 1.0 if listing.instrument.instrument_type == "CE" else -1.0
                closing = datetime.combine(listing.instrument.expiry, time(15, 30), IST)
                self._expiry_ns[slot] = round(closing.timestamp()) * NS_PER_S

    def update(self, slots: Slots, values: Floats, now_ns: int) -> None:
        chosen = slots[self._underlying[slots] >= 0]
        if not chosen.size:
            return
        years = np.maximum(self._expiry_ns[chosen] - now_ns, 60 * NS_PER_S) / YEAR_NS
        forward = values[self._underlying[chosen]] * np.exp(INTEREST * years)
        strike, sign = self._strike[chosen], self._sign[chosen]
        distance = np.log(strike / forward)
        volatility = np.maximum(self._volatility[chosen] + SKEW * distance + SMILE * distance**2, 0.03)
        spread = volatility * np.sqrt(years)
        first = -distance / spread + spread / 2
        premium = sign * (forward * normal_cdf(sign * first) - strike * normal_cdf(sign * (first - spread)))
        values[chosen] = np.maximum(premium, 0) * np.exp(-INTEREST * years)


def normal_cdf(value: Floats) -> Floats:
    """The normal distribution's, within 8e-8: Abramowitz and Stegun 26.2.17. NumPy has no erf."""
    distance = np.abs(value)
    part = 1 / (1 + 0.2316419 * distance)
    series = part * (
        0.319381530 + part * (-0.356563782 + part * (1.781477937 + part * (-1.821255978 + part * 1.330274429)))
    )
    tail = np.exp(-(distance**2) / 2) / math.sqrt(2 * math.pi) * series
    result: Floats = np.where(value < 0, tail, 1 - tail)
    return result
