"""A market's candles agree with its ticks, to the share and the tick of price."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from kitecli.clock import NS_PER_S
from kitecli.market.calendar import midnight_s
from kitecli.market.tick import FLAG_INDEX
from kitecli.sim.history import MarketHistory, TableHistory
from kitecli.sim.market import SyntheticMarket
from kitecli.sim.minutes import minutes_of, roll_up
from kitecli.sim.shipped import shipped_calendar
from kitecli.sim.source import join, take_ticks
from kitecli.sim.tape import TableSource
from kitecli.sim.universe import build_universe

DAY = date(2026, 11, 20)
MIDNIGHT_S = midnight_s(DAY)
UNIVERSE = build_universe(DAY, 90)


class Running:
    """A market that began at ``start_s`` and what it sent, a second at a time; then perhaps, after a rest, again."""

    def __init__(self, start_s: float, seconds: int, *again_after_s: int) -> None:
        start_ns = round(start_s * NS_PER_S)
        self.market = SyntheticMarket(UNIVERSE, seed=3, rate=2.0, start_ns=start_ns)
        self.history = MarketHistory(self.market, 3, shipped_calendar)
        everything = np.arange(len(UNIVERSE))
        self.first = self.market.cached(everything)
        batches = []
        for second in [after + one for after in (0, *again_after_s) for one in range(1, seconds + 1)]:
            batches.append(self.market.advance(start_ns + second * NS_PER_S))
            self.history.take(batches[-1])
        self.sent = join([self.first, *batches])
        self.last = self.market.cached(everything).ticks

    def today(self, slot: int) -> np.ndarray:
        return self.history.minutes(slot, MIDNIGHT_S, MIDNIGHT_S + 86_399)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    one = Running(MIDNIGHT_S + 11 * 3600 + 58.5, 4, 120)
    yield one
    one.history.close()


def test_streamed_minutes_are_those_of_the_ticks(running: Running):
    seen = set()
    for slot in range(len(UNIVERSE)):
        ticks = take_ticks(running.sent.ticks, np.flatnonzero(running.sent.slots == slot))
        wanted = minutes_of(ticks)
        found = running.today(slot)[-len(wanted) :]
        assert found["start_s"].tolist() == wanted["start_s"].tolist()
        # The minute it began in holds the end of the flat hour too.
        assert found[1:].tobytes() == wanted[1:].tobytes()
        assert found[0]["close"] == wanted[0]["close"]
        seen.update(found["start_s"] - MIDNIGHT_S - 11 * 3600)
    assert seen == {0, 60, 120, 180}


def test_a_days_candles_are_what_its_ticks_say_of_the_day(running: Running):
    for slot in range(len(UNIVERSE)):
        minutes, tick = running.today(slot), running.last[slot]
        (day,) = roll_up(minutes, np.zeros(minutes.size, np.int64))
        found = [int(day[name]) for name in ("open", "high", "low", "close", "volume")]
        assert found == [int(tick[name]) for name in ("open", "high", "low", "last_price", "volume")]
        if not tick["flags"] & FLAG_INDEX:
            assert day["oi"] <= tick["oi"] + 50_000
        assert (minutes["volume"] >= 0).all()
        assert minutes["start_s"][0] == MIDNIGHT_S + 10 * 3600


def test_the_past_is_joined_without_a_gap_or_a_repeat(running: Running):
    minutes = running.history.minutes(0, MIDNIGHT_S - 7 * 86_400, MIDNIGHT_S + 86_399)
    assert (np.diff(minutes["start_s"]) > 0).all()
    assert minutes["close"][minutes["start_s"] < MIDNIGHT_S][-1] == running.last["close"][0]
    between = running.history.minutes(0, MIDNIGHT_S + 11 * 3600, MIDNIGHT_S + 11 * 3600 + 60)
    assert len(between) == 2


@pytest.mark.parametrize("start_s", [0, 0.5, 30, 59.9, 60, 1810])
def test_a_market_that_began_after_midnight(start_s: float):
    one = Running(MIDNIGHT_S + start_s, 3)
    minutes, tick = one.today(0), one.last[0]
    assert minutes["start_s"][0] == MIDNIGHT_S
    assert minutes["volume"].sum() == tick["volume"]
    assert (minutes["high"].max(), minutes["low"].min()) == (tick["high"], tick["low"])
    one.history.close()


def test_past_midnight_the_next_day_has_its_own():
    one = Running(MIDNIGHT_S - 3, 6)
    today = one.today(0)
    before = one.history.minutes(0, MIDNIGHT_S - 86_400, MIDNIGHT_S - 1)
    assert today["start_s"].tolist() == [MIDNIGHT_S]
    assert today["volume"].sum() + before["volume"].sum() == one.last["volume"][0]
    assert today["open"][0] != before["open"][0]
    one.history.close()


def test_a_tables_candles_are_of_all_its_rows(tmp_path: Path):
    path = tmp_path / "ticks.csv"
    path.write_text(
        "ltt_ms,instrument_token,last_price,volume\n"
        "1719461460000,408065,1573.15,100\n1719461461000,5633,2600,7\n1719461519000,408065,1573.5,150\n"
        "1719461520000,408065,1573.0,175\n"
    )
    source = TableSource(path)
    history = TableHistory(source)
    slot = [row.instrument_token for row in source.instruments].index(408065)
    assert history.minutes(slot, 0, 2**40).tolist() == [
        (1719461460, 157315, 157350, 157315, 157350, 50, 0),
        (1719461520, 157300, 157300, 157300, 157300, 25, 0),
    ]
    assert len(history.minutes(slot, 1719461461, 2**40)) == 1
    history.close()
