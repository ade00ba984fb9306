"""Fair values: what moves together, what follows from what, and the formula."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.clock import NS_PER_S
from kitecli.sim.prices import LIMIT, FairPrices, normal_cdf
from kitecli.sim.universe import build_universe

DAY, START_NS = date(2026, 11, 22), 1_795_322_700 * NS_PER_S
UNIVERSE = build_universe(DAY)
SLOT_OF = {listing.instrument.key: slot for slot, listing in enumerate(UNIVERSE)}


def walked(seed: int, steps: int, step_s: float) -> tuple[FairPrices, np.ndarray]:
    prices = FairPrices(UNIVERSE, np.random.default_rng(seed), START_NS)
    everything = np.arange(len(UNIVERSE))
    path = []
    for step in range(1, steps + 1):
        prices.move(everything, START_NS + round(step * step_s * NS_PER_S))
        path.append(prices.values.copy())
    return prices, np.array(path)


@given(st.floats(-8, 8))
def test_normal_distribution(value: float):
    found = normal_cdf(np.array([value]))[0]
    assert found == pytest.approx(0.5 * math.erfc(-value / math.sqrt(2)), abs=1e-7)


def test_shares_move_together_and_the_index_is_their_mean():
    _, path = walked(seed=3, steps=400, step_s=60)
    moves = np.diff(np.log(path), axis=0)
    stocks = [slot for slot, listing in enumerate(UNIVERSE) if listing.kind == "walk" and listing.beta]
    correlations = np.corrcoef(moves[:, stocks].T)[np.triu_indices(len(stocks), 1)]
    assert 0.2 < correlations.mean() < 0.7
    nifty = UNIVERSE[SLOT_OF["NSE:NIFTY 50"]]
    prices = dict(zip((listing.instrument.instrument_token for listing in UNIVERSE), path[-1], strict=True))
    closes = {listing.instrument.instrument_token: listing.close for listing in UNIVERSE}
    total = sum(weight for _, weight in nifty.members)
    mean = sum(weight * prices[token] / closes[token] for token, weight in nifty.members) / total
    assert prices[256265] == pytest.approx(nifty.close * mean)


def test_a_day_moves_a_share_by_one_or_two_per_cent():
    infy = SLOT_OF["NSE:INFY"]
    ends = [np.log(walked(seed, 1, 22_500)[1][0, infy] / UNIVERSE[infy].close) for seed in range(60)]
    assert 0.008 < np.std(ends) < 0.022


def test_puts_and_calls_keep_parity_and_never_have_a_negative_worth():
    prices, _ = walked(seed=5, steps=5, step_s=600)
    spot = prices.values[SLOT_OF["NSE:NIFTY 50"]]
    expiry = UNIVERSE[SLOT_OF["NFO:NIFTY26DEC26000CE"]].instrument.expiry
    assert expiry
    years = ((expiry - DAY).days + 0.25) / 365
    for strike in (25_000, 26_000, 27_000):
        call, put = (prices.values[SLOT_OF[f"NFO:NIFTY26DEC{strike}{kind}"]] for kind in ("CE", "PE"))
        assert call > 0
        assert put > 0
        assert call - put == pytest.approx(spot - strike * math.exp(-0.065 * years), abs=3)


def test_calls_lose_and_puts_gain_with_the_strike():
    prices, _ = walked(seed=6, steps=1, step_s=60)
    strikes = range(25_000, 27_050, 50)
    calls = [prices.values[SLOT_OF[f"NFO:NIFTY26DEC{strike}CE"]] for strike in strikes]
    puts = [prices.values[SLOT_OF[f"NFO:NIFTY26DEC{strike}PE"]] for strike in strikes]
    assert calls == sorted(calls, reverse=True)
    assert puts == sorted(puts)


def test_weeks_of_walking_stay_inside_the_exchanges_band():
    prices, path = walked(seed=7, steps=300, step_s=7200)
    walkers = [slot for slot, listing in enumerate(UNIVERSE) if listing.kind == "walk"]
    assert np.abs(np.log(path[:, walkers] / prices.closes[walkers])).max() <= LIMIT + 1e-9
