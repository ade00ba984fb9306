"""Bars as they are closed: each once, in order, and again when a late tick has changed it."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.bars.follow import LongerBars, PublishedBars
from kitecli.bars.intervals import Interval
from kitecli.bars.reader import BarsReader, Instrument
from kitecli.bars.view import BarsView
from kitecli.hot import uncompiled
from tests.bars.stage import GOLD, INDEX, STOCK, Stage, ms, timelines, wall

DAY = "2024-06-27"
TOKENS = (STOCK, GOLD, INDEX)


class Followed(Stage):
    """``now``: our clock; ``market``: the exchange's, the same unless said."""

    def __init__(self, interval, wanted=TOKENS, auctions=False, **more):
        super().__init__(uncompiled.FramePass, "1m", hours=True, **more)
        self.now, self.market, self.rows = f"{DAY} 09:00:00", None, {}
        reader = BarsReader(self.memory, BarsView(self.memory), timelines().each)
        published = PublishedBars(reader, 0, lambda tokens: np.isin(tokens, wanted), auctions=auctions)
        asked = Interval.parse(interval)
        self.bars_of = (
            published
            if interval == "1m"
            else LongerBars(reader, asked, published, self.instrument, lambda: ms(self.now))
        )

    def instrument(self, token):
        row = self.rows.get(token)
        return None if row is None else Instrument(token, row, lambda: ms(self.market or self.now))

    def at(self, time_of_day, price=100, token=STOCK, stamp=""):
        self.rows.setdefault(token, len(self.rows))
        self.now = f"{DAY} {time_of_day}"
        self.tick(self.now, price, 0, token=token, stamp=f"{DAY} {stamp or time_of_day}")

    def told(self):
        return [
            (TOKENS.index(bar["token"]), wall(bar["start_ms"])[:5], int(bar["revision"])) for bar in self.bars_of.poll()
        ]


def test_each_is_told_once():
    stage = Followed("1m")
    stage.at("09:20:00")
    assert stage.told() == []
    stage.at("09:21:00")
    assert stage.told() == [(0, "09:20", 0)]
    assert stage.told() == []


def test_a_revision_is_told_too():
    stage = Followed("1m")
    for at in ("09:20:00", "09:21:00"):
        stage.at(at)
    stage.at("09:21:01", stamp="09:20:59")
    assert stage.told() == [(0, "09:20", 0), (0, "09:20", 1)]


def test_only_what_is_wanted_and_no_auctions_unless_asked_for():
    for auctions in (False, True):
        stage = Followed("1m", (STOCK,), auctions)
        for at in ("09:05:00", "09:20:00", "09:21:00"):
            for token in (STOCK, INDEX):
                stage.at(at, token=token)
        expected = [(0, "09:20", 0)]
        assert stage.told() == ([(0, "09:00", 0), *expected] if auctions else expected)


def test_what_was_overwritten_is_counted():
    stage = Followed("1m", capacity=64)
    for minute in range(101):
        stage.at(f"{10 + minute // 60}:{minute % 60:02}:00")
    assert len(stage.told()) == 64
    assert stage.bars_of.lost == 36


def test_a_longer_bar_is_told_with_its_last_part():
    stage = Followed("5m")
    for minute in range(20, 26):
        stage.at(f"09:{minute}:00")
        assert stage.told() == ([(0, "09:20", 0)] if minute == 25 else [])


def test_a_longer_bar_whose_last_minutes_are_idle_is_told_when_its_time_is_over():
    stage = Followed("5m")
    stage.at("09:20:00")
    stage.sweep(f"{DAY} 09:21:02")
    stage.now = f"{DAY} 09:25:01"
    assert stage.told() == []
    stage.now = f"{DAY} 09:25:02"
    assert stage.told() == [(0, "09:20", 0)]
    assert stage.told() == []


def test_or_with_the_first_part_of_the_next():
    stage = Followed("5m")
    stage.at("09:20:00")
    stage.at("09:26:00")
    stage.at("09:27:00")
    stage.now = f"{DAY} 09:20:00"
    assert stage.told() == [(0, "09:20", 0)]
    stage.at("09:31:00")
    stage.now = f"{DAY} 09:31:02"
    assert stage.told() == [(0, "09:25", 0)]


def test_of_a_day_that_is_played_the_exchange_s_time_counts():
    stage = Followed("5m")
    stage.at("09:20:00")
    stage.sweep(f"{DAY} 09:21:02")
    stage.now, stage.market = "2026-11-20 12:00:00", f"{DAY} 09:24:00"
    assert stage.told() == []
    stage.market = f"{DAY} 09:25:02"
    assert stage.told() == [], "it isn't looked at again at once"
    stage.now = "2026-11-20 12:00:01"
    assert stage.told() == [(0, "09:20", 0)]


def test_a_revised_part_revises_the_longer_bar():
    stage = Followed("5m")
    for minute in range(20, 28):
        stage.at(f"09:{minute}:00")
    assert stage.told() == [(0, "09:20", 0)]
    stage.at("09:27:01", 900, stamp="09:22:30")
    (bar,) = stage.bars_of.poll()
    assert (wall(bar["start_ms"]), bar["high"], bar["revision"], bar["ticks"]) == ("09:20:00", 900, 1, 6)


def test_several_instruments_and_several_bars_at_once():
    stage = Followed("5m")
    for minute in range(20, 36):
        for token in TOKENS:
            stage.at(f"09:{minute}:00", token=token)
    stage.now = f"{DAY} 09:35:30"
    assert sorted(stage.told()) == [(token, f"09:{at}", 0) for token in range(3) for at in (20, 25, 30)]


@pytest.mark.parametrize("interval", ["1m", "5m"])
def test_what_was_closed_before_is_not_told(interval):
    stage = Followed(interval)
    stage.at("09:20:00")
    stage.at("09:26:00")
    stage.bars_of.poll()
    assert stage.told() == []
