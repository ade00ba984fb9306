"""The newest so many bars of an instrument, of built intervals and of their multiples."""

from __future__ import annotations

import random

import numpy as np
import pytest

from kitecli import hot
from kitecli.bars.intervals import Interval
from kitecli.bars.parts import BarsParts
from kitecli.bars.reader import Ask, BarsReader, Instrument, newest_of_each
from kitecli.bars.record import BAR_DTYPE, FLAG_OPEN, FLAG_PARTIAL, FLAG_PREOPEN, FLAG_SYNTHETIC
from kitecli.bars.view import BarsView
from kitecli.errors import UsageError
from kitecli.hot import uncompiled
from tests.bars.stage import STOCK, Stage, ms, timelines, wall

DAY = "2024-06-27"
EXACT = ["start_ms", "length_ms", "open", "high", "low", "close", "volume", "turnover", "ticks", "oi"]
VIEWS = [
    pytest.param(BarsView, id="reference"),
    pytest.param(
        hot.BarsView, id="compiled", marks=pytest.mark.skipif(not hot.COMPILED, reason="needs the compiled pass")
    ),
]


class Read(Stage):
    """A stage on which one instrument ticks, and a reader of its bars. ``now``: what time it is for who asks."""

    def __init__(self, intervals, view=BarsView, **more):
        super().__init__(uncompiled.FramePass, intervals, **more)
        self.now = f"{DAY} 23:00:00"
        self.asked = 0
        lines = timelines().each if more.get("hours") else ()
        self.reader = BarsReader(self.memory, view(self.memory), lines)

    def market_ms(self):
        self.asked += 1
        return ms(self.now)

    def at(self, time_of_day, price=100, volume=0, **more):
        self.tick(f"{DAY} {time_of_day}", price, volume, stamp=f"{DAY} {time_of_day}", **more)

    def read(self, interval, count=100, **how):
        of = Instrument(STOCK, 0, self.market_ms)
        return self.reader.read(of, Ask(Interval.parse(interval), count, **how))


def starts(bars):
    return [wall(start)[:5] for start in bars["start_ms"]]


@pytest.fixture(params=VIEWS)
def read(request):
    return lambda intervals, **more: Read(intervals, request.param, hours=True, **more)


def test_the_newest_come_last_and_no_more_than_asked_for(read):
    stage = read("1m")
    for minute in range(20, 30):
        stage.at(f"09:{minute}:00", minute)
    assert starts(stage.read("1m", 3)) == ["09:26", "09:27", "09:28"]
    assert starts(stage.read("1m")) == [f"09:{minute}" for minute in range(20, 29)]
    assert stage.read("1m", 0).size == stage.read("1m", -1).size == 0
    assert stage.asked == 0, "nobody needs the time"


def test_of_a_revised_bar_the_newest_record_counts(read):
    stage = read("1m")
    for minute in (20, 21, 22):
        stage.at(f"09:{minute}:00", 100)
    stage.tick(f"{DAY} 09:22:01", 500, 0, stamp=f"{DAY} 09:20:30")
    bars = stage.read("1m")
    assert bars["high"].tolist() == [500, 100]
    assert bars["revision"].tolist() == [1, 0]


def test_a_bar_known_by_its_revision_alone_is_left_out_where_its_neighbours_are_missing():
    records = np.zeros(4, BAR_DTYPE)
    records["start_ms"], records["revision"] = [9, 2, 8, 7], [0, 1, 0, 0]
    minute = Interval.parse("1m")
    assert newest_of_each(records, minute, whole=False)["start_ms"].tolist() == [7, 8, 9]
    assert newest_of_each(records, minute, whole=True)["start_ms"].tolist() == [2, 7, 8, 9]
    assert newest_of_each(records[1:2], minute, whole=False).size == 0


def test_more_is_read_until_there_are_enough(read):
    stage = read("1m")
    for minute in range(15, 59):
        stage.at(f"09:{minute}:00", 100)
    for second in range(20):
        stage.tick(f"{DAY} 09:58:{second + 1:02}", 500 + second, 0, stamp=f"{DAY} 09:57:30")
    bars = stage.read("1m", 20)
    assert starts(bars) == [f"09:{minute}" for minute in range(38, 58)]
    assert bars["revision"].tolist() == [0] * 19 + [20]


def test_the_forming_bar_is_there_if_wanted_and_only_once(read):
    stage = read("1m")
    stage.at("09:20:00", 7)
    assert stage.read("1m").size == 0
    (bar,) = stage.read("1m", forming=True)
    assert (bar["token"], bar["open"], bar["flags"] & FLAG_OPEN) == (STOCK, 7, FLAG_OPEN)
    stage.at("09:21:00", 8)
    assert starts(stage.read("1m", forming=True)) == ["09:20", "09:21"]
    assert starts(stage.read("1m", 1, forming=True)) == ["09:21"]


def test_auctions_are_left_out_unless_asked_for_and_don_t_shorten_the_rest(read):
    stage = read("1m")
    stage.at("09:05:00")
    for minute in range(15, 19):
        stage.at(f"09:{minute}:00")
    assert starts(stage.read("1m", 3)) == ["09:15", "09:16", "09:17"]
    with_them = stage.read("1m", 4, auctions=True)
    assert starts(with_them) == ["09:00", "09:15", "09:16", "09:17"]
    assert with_them["flags"][0] & FLAG_PREOPEN


def test_a_longer_bar_is_closed_with_its_last_part_or_when_its_time_is_over(read):
    stage = read("1m")
    stage.at("09:20:00")
    stage.at("09:23:00")
    stage.sweep(f"{DAY} 09:24:02")
    stage.now = f"{DAY} 09:25:01.499"
    assert starts(stage.read("5m")) == []
    assert [bar["flags"] & FLAG_OPEN for bar in stage.read("5m", forming=True)] == [FLAG_OPEN]
    stage.now = f"{DAY} 09:25:01.500"
    assert starts(stage.read("5m")) == ["09:20"]
    stage.now = f"{DAY} 09:20:00"
    stage.at("09:24:59")
    stage.sweep(f"{DAY} 09:25:02")
    assert starts(stage.read("5m")) == ["09:20"], "its last minute is closed, whatever the time"
    stage.at("09:26:00")
    assert starts(stage.read("5m", forming=True)) == ["09:20", "09:25"]


def test_a_longer_bar_whose_first_parts_are_missing_is_left_out(read):
    stage = read("1m", capacity=64)
    for minute in range(91):
        stage.at(f"{9 + (15 + minute) // 60:02}:{(15 + minute) % 60:02}:00")
    stage.now = f"{DAY} 10:45:10"
    bars = stage.read("5m")
    assert starts(bars)[0] == "09:45", "of 09:40 four minutes are kept"
    assert set(bars["ticks"].tolist()) == {5}


def test_who_came_in_the_middle_has_a_part_of_the_longer_bar(read):
    stage = read("1m")
    for minute in (22, 23, 24, 25, 30):
        stage.at(f"09:{minute}:00")
    flags = stage.read("5m")["flags"] & FLAG_PARTIAL
    assert flags.tolist() == [FLAG_PARTIAL, 0]


def test_empty_buckets_are_filled_up_to_now_or_the_forming_bar(read):
    stage = read("1m")
    stage.at("15:27:00")
    stage.sweep(f"{DAY} 15:28:02")
    stage.now = f"{DAY} 15:29:30"
    assert starts(stage.read("1m", fill=True)) == ["15:27", "15:28"]
    assert starts(stage.read("1m", 1, fill=True)) == ["15:28"]
    assert stage.read("1m", 1, fill=True)["flags"][0] & FLAG_SYNTHETIC
    stage.now = f"{DAY} 20:00:00"
    assert starts(stage.read("1m", fill=True)) == ["15:27", "15:28", "15:29"]
    stage.at("15:29:10")
    assert starts(stage.read("1m", fill=True)) == ["15:27", "15:28"]
    assert starts(stage.read("1m", fill=True, forming=True)) == ["15:27", "15:28", "15:29"]


def test_bars_of_ticks_may_begin_at_one_moment(read):
    stage = read("2t")
    for volume in range(5):
        stage.at("09:20:00", 100 + volume, volume)
    assert stage.read("2t", forming=True)["open"].tolist() == [100, 102, 104]
    assert stage.read("2t")["open"].tolist() == [100, 102]
    with pytest.raises(UsageError):
        stage.read("4t")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("longer", ["5m", "15m", "1h", "day"])
def test_put_together_or_built_they_are_the_same(read, longer, seed):
    stage, draw = read(f"1m {longer}", capacity=1024), random.Random(seed)
    volume, second = 0, 9 * 3600
    while second < 15 * 3600 + 40 * 60:
        second += draw.choice([1, 7, 45, 90, 1200])
        volume += draw.randrange(50)
        stage.at(f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}", draw.randrange(90, 110), volume)
    stage.sweep(f"{DAY} 23:00:00")
    built = stage.read(longer, auctions=True)
    stage.reader.series_for = lambda _: 0
    made = stage.read(longer, auctions=True)
    assert made.size == built.size > 1
    assert np.array_equal(made[EXACT], built[EXACT])
    assert np.array_equal(made["flags"], built["flags"])


def test_a_race_with_the_writer_is_no_bar_twice():
    """The forming bar is closed between the two looks at the memory."""
    stage = Read("1m", hours=True)
    stage.at("09:20:00")
    view, parts = stage.reader.view, BarsParts.of(stage.memory)
    history = view.history

    def closing(*arguments):
        if not parts.cursor[0]:
            stage.at("09:21:00")
        return history(*arguments)

    view.history = closing
    bars = stage.read("1m", forming=True)
    assert starts(bars) == ["09:20"]
    assert not bars["flags"][0] & FLAG_OPEN


def test_records_of_nothing():
    none = np.zeros(0, BAR_DTYPE)
    assert newest_of_each(none, Interval.parse("1m"), whole=False).size == 0
