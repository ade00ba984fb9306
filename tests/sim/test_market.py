"""The synthetic market's promises, read off the ticks it gives."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kitecli.clock import NS_PER_S
from kitecli.errors import UsageError
from kitecli.market.tick import FLAG_DEPTH, FLAG_INDEX, MODE_FULL
from kitecli.sim.market import STEP_NS, SyntheticMarket, day_share, volume_curve
from kitecli.sim.source import Batch
from kitecli.sim.universe import build_universe

START_NS = 1_795_322_700 * NS_PER_S
UNIVERSE = build_universe(date(2026, 11, 22))


def market(seed: int = 1, rate: float = 2.0, count: int = 0) -> SyntheticMarket:
    universe = build_universe(date(2026, 11, 22), count) if count else UNIVERSE
    return SyntheticMarket(universe, seed=seed, rate=rate, start_ns=START_NS)


def bytes_of(batches: list[Batch]) -> bytes:
    parts = [batch.ticks for batch in batches], [batch.depth for batch in batches]
    return b"".join(part.tobytes() for kind in parts for part in kind)


def test_the_same_seed_gives_the_same_bytes_however_often_it_is_asked():
    one, other = market(seed=9), market(seed=9)
    at_once = [one.advance(START_NS + 3 * NS_PER_S)]
    in_parts = [other.advance(START_NS + part * 37_000_000) for part in range(1, 81)]
    in_parts.append(other.advance(START_NS + 3 * NS_PER_S))
    assert bytes_of(at_once) == bytes_of(in_parts)
    assert bytes_of(at_once) != bytes_of([market(seed=10).advance(START_NS + 3 * NS_PER_S)])


# An example is seconds of a market: a seed needs no shrinking.
@settings(max_examples=6, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.integers(0, 2**32), st.floats(0.2, 25))
def test_every_tick_could_be_a_markets(seed: int, rate: float):
    source = market(seed, rate)
    batch = source.advance(START_NS + 5 * NS_PER_S)
    depth, ticks = batch.depth, batch.ticks
    assert depth is not None
    tradable = ticks["flags"] & FLAG_INDEX == 0
    assert (ticks["flags"][tradable] & FLAG_DEPTH > 0).all()
    assert (depth["buy"]["price"][tradable, 0] < depth["sell"]["price"][tradable, 0]).all()
    assert (ticks["low"] <= ticks["last_price"]).all()
    assert (ticks["last_price"] <= ticks["high"]).all()
    assert ((ticks["low"] <= ticks["open"]) & (ticks["open"] <= ticks["high"])).all()
    traded = tradable & (ticks["volume"] > 0)
    assert ((ticks["average_price"] >= ticks["low"] - 1) & (ticks["average_price"] <= ticks["high"] + 1))[traded].all()
    sums = {side: depth[side]["quantity"].sum(axis=1, dtype=np.int64) for side in ("buy", "sell")}
    assert (ticks["buy_quantity"] >= sums["buy"]).all()
    assert (ticks["sell_quantity"] >= sums["sell"]).all()
    for slot in np.unique(batch.slots):
        _one_instrument(source, slot, ticks[batch.slots == slot], depth[batch.slots == slot])


def _one_instrument(source: SyntheticMarket, slot: int, ticks: np.ndarray, depth: np.ndarray) -> None:
    instrument = source.instruments[slot]
    assert (ticks["token"] == instrument.instrument_token).all()
    assert (ticks["mode"] == MODE_FULL).all()
    for name in ("volume", "high", "ts_event_s"):
        assert (np.diff(ticks[name].astype(np.int64)) >= 0).all(), (instrument.key, name)
    assert (np.diff(ticks["low"].astype(np.int64)) <= 0).all()
    assert np.unique(ticks["close"]).size == np.unique(ticks["open"]).size == 1
    if instrument.segment != "INDICES":
        _tradable(slot, ticks, depth)
    if instrument.is_derivative:
        low = depth["buy"]["pad"][:, 0] | depth["buy"]["pad"][:, 1].astype(np.uint32) << 16
        assert ((low <= ticks["oi"]) & (ticks["oi"] <= depth["oi_day_high"])).all()


def _tradable(slot: int, ticks: np.ndarray, depth: np.ndarray) -> None:
    instrument = UNIVERSE[slot].instrument
    divisor = {3: 10_000_000, 6: 10_000, 12: 10_000}.get(instrument.instrument_token & 0xFF, 100)
    tick_size = round(instrument.tick_size * divisor)
    for name in ("last_price", "open", "high", "low"):
        assert (ticks[name] % tick_size == 0).all(), (instrument.key, name)
    assert (ticks["volume"] % instrument.lot_size == 0).all()
    assert (ticks["last_quantity"] % instrument.lot_size == 0).all()
    # A trade is at the touch; an update of the book alone leaves the last price where it was.
    moved = np.flatnonzero(np.diff(ticks["volume"].astype(np.int64)) > 0) + 1
    touch = (depth["buy"]["price"][moved, 0], depth["sell"]["price"][moved, 0])
    assert ((ticks["last_price"][moved] == touch[0]) | (ticks["last_price"][moved] == touch[1])).all()


@pytest.mark.parametrize("rate", [0.5, 2.0, 20.0])
def test_the_rate_is_what_was_asked_for(rate: float):
    source = market(rate=rate)
    counts = np.bincount(source.advance(START_NS + 15 * NS_PER_S).slots, minlength=len(UNIVERSE))
    assert counts.mean() == pytest.approx(15 * rate, rel=0.05)
    assert counts.min() >= 15 * rate * 0.6


def test_an_instrument_ticks_at_most_once_a_step():
    source = market(rate=25.0)
    for step in range(1, 100):
        slots = source.advance(START_NS + step * STEP_NS).slots
        assert np.unique(slots).size == slots.size


def test_last_ticks_are_there_before_the_market_moves_and_follow_it():
    source = market()
    everything = np.arange(len(UNIVERSE))
    assert (source.cached(everything).ticks["last_price"] > 0).all()
    batch = source.advance(START_NS + NS_PER_S)
    last = {slot: row for row, slot in enumerate(batch.slots.tolist())}
    cached = source.cached(np.array(list(last)))
    assert cached.ticks.tobytes() == batch.ticks[list(last.values())].tobytes()


def test_hours_asleep_are_not_made_up_for():
    source = market(rate=1.0)
    before = source.advance(START_NS + NS_PER_S).slots.size
    assert source.advance(START_NS + 3600 * NS_PER_S).slots.size == 0
    after = source.advance(START_NS + 3601 * NS_PER_S)
    assert 0.7 * before < after.slots.size < 1.4 * before
    assert after.ticks["ts_event_s"].max() == START_NS // NS_PER_S + 3601


@pytest.mark.parametrize("rate", [0, -1, 25.1, float("nan")])
def test_an_impossible_rate_is_refused(rate: float):
    with pytest.raises(UsageError, match="rate"):
        market(rate=rate)


def test_the_first_of_a_universe_are_a_market_of_their_own():
    for count in (1, 3, 70, 100):
        assert market(count=count).advance(START_NS + NS_PER_S).slots.size > 0


def test_the_days_volume_curve_sums_to_one_day():
    seconds = np.linspace(0, 22_500, 10_001)
    curve = [volume_curve(second) for second in seconds[:-1]]
    assert np.mean(curve) == pytest.approx(1, abs=1e-3)
    assert curve[0] > 1.5
    assert volume_curve(11_250) < 1
    assert day_share(0) == pytest.approx(0)
    assert day_share(22_500) == pytest.approx(1)
