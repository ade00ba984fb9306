"""The chart of bars, as the lines somebody sees."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from kitecli.bars.intervals import Interval
from kitecli.terminal.bar_chart import MIN_HEIGHT, ChartView, Sheet, Titled, chart
from tests.bars.made_up import NIFTY, OPENS, USDINR, bars

WAVE = [(100 + i % 9, 103 + i % 9, 98 + i % 9, 100 + (i + 1) % 9) for i in range(200)]


def titled(label="NSE:INFY", interval="1m", decimals=2):
    return Titled(label, Interval.parse(interval), decimals)


def drawn(table, width=60, height=16, *, plain=False, **of):
    return [line.plain for line in chart(table, titled(**of), Sheet(width, height, plain))]


def column(lines, number, rows=slice(1, None)):
    return "".join(line[number] for line in lines[rows] if len(line) > number)


def test_a_rising_candle_is_a_line_and_a_falling_one_a_block_each_with_its_wicks():
    lines = drawn(bars((100, 107, 100, 105), (105, 105, 98, 100), volume=np.nan), width=40, height=8 + 3)
    rows = slice(1, 9)
    rising, falling = column(lines, 0, rows).rstrip(), column(lines, 3, rows).rstrip()
    assert set(rising) <= set("╷│┃╽╻╹ ")
    assert rising[0] in "╷│"
    assert "┃" in rising
    assert falling.lstrip()[0] in "█▄"
    assert falling[-1] in "│╵"
    assert lines[-1] == "┃ up, █ down"


def test_the_same_candles_in_ascii():
    rows = (100, 107, 100, 105), (105, 105, 98, 100), (100, 104, 99, 100), (100,) * 4
    lines = drawn(bars(*rows, volume=np.nan, flags={3: "synthetic"}), plain=True)
    assert all(line.isascii() for line in lines)
    body = column(lines, 0, slice(1, -2))
    assert body.strip().startswith("|")
    assert "o" in body
    assert "#" in column(lines, 3, slice(1, -2))
    assert "+" in column(lines, 6)
    assert "." in column(lines, 9)
    assert lines[-1] == "o up, # down"


def test_candles_stand_at_their_prices():
    lines = drawn(bars((100, 100, 100, 100), (110, 110, 110, 110), (105, 105, 105, 105), volume=np.nan), height=3 + 11)
    at = [next(row for row, line in enumerate(lines[1:]) if line[number] in "─┼") for number in (1 - 1, 3, 6)]
    assert at == [10, 0, 5]


def test_the_axis_has_round_prices_in_indian_grouping_and_the_last_close():
    lines = drawn(bars((150_000, 150_900, 149_100, 150_437.5)), width=100, height=20)
    assert sum("┤ 1,50,000.00" in line for line in lines) == 1
    assert sum("╡ 1,50,437.50" in line for line in lines) == 1
    assert "O 1,50,000.00" in lines[0]


def test_currencies_have_four_decimals():
    lines = drawn(bars((83.1275, 83.13, 83.125, 83.1275), token=USDINR), decimals=4)
    assert any("╡ 83.1275" in line for line in lines)


def test_times_below_are_indian_and_say_so():
    lines = drawn(bars(*WAVE[:40]))
    times = next(line for line in lines if line.endswith("IST"))
    assert times.split()[:2] == ["09:20", "09:30"]
    assert times.index("09:20") == 5
    assert "24 Nov 2026" in lines[0]


@pytest.mark.parametrize(
    ("interval", "every", "label"),
    [("5s", 5000, "09:15:00"), ("1h", 3_600_000, "10:15"), ("day", 86_400_000, "24 Nov")],
)
def test_times_are_as_fine_as_the_bars(interval, every, label):
    lines = drawn(bars(*WAVE[:3], every=np.timedelta64(every, "ms")), width=80, interval=interval)
    assert any(label in line and line.endswith("IST") for line in lines)


def test_a_new_day_is_told_where_it_begins():
    table = bars(*WAVE[:8])
    table["start"][4:] += np.timedelta64(86_400_000, "ms")
    times = next(line for line in drawn(table, width=40) if line.endswith("IST"))
    assert times.index("25 Nov") == 4 * 3


def test_bars_of_ticks_are_numbered_and_timed_to_the_second():
    table = bars(*WAVE[:12], begins=OPENS + np.timedelta64(7300, "ms"))
    times = next(line for line in drawn(table, width=80, interval="500t") if line.endswith("IST"))
    assert times.index("09:15:07") == 0
    assert times.index("09:20:07") == 5 * 3


def test_volume_stands_below_with_its_largest():
    table = bars(*WAVE[:3])
    table["volume"] = 50, 123_456, 0
    lines = drawn(table, height=15)
    row = next(number for number, line in enumerate(lines) if line.endswith("  1.23 L"))
    assert lines[row][3] == "█"
    bottom = lines[row + 1]
    assert (bottom[0], bottom[3], bottom[6]) == ("▁", "█", " ")


def test_an_index_has_no_histogram():
    table = bars(*WAVE[:3], token=NIFTY, volume=np.nan)
    with_volume, without = drawn(bars(*WAVE[:3])), drawn(table)
    prices = [sum(any(mark in line for mark in "│┤╡") for line in lines[1:]) for lines in (with_volume, without)]
    assert len(without) == len(with_volume) == 16
    assert prices == [11, 13]


def test_flags_are_marked_below_and_explained():
    table = bars(*WAVE[:7], flags={1: "gap revised", 2: "partial", 3: "preopen", 4: "open estimated", 5: "revised"})
    lines = drawn(table, width=100)
    marks = next(line for line in lines if set(line.strip()) <= set("gparf ") and line.strip())
    assert marks.split() == ["g", "p", "a", "f", "r"]
    assert marks.index("g") == 3
    assert lines[-1] == "┃ up, █ down; g gap; p partial; a auction; r revised; f forming; 1 of 7 estimated"
    assert not any("gap" in line for line in drawn(bars(*WAVE[:7])))


def test_the_newest_bars_are_kept_where_not_all_fit():
    table = bars(*WAVE)
    table["close"][-1] = table["high"][-1] = 140
    lines = drawn(table, width=40)
    assert any("╡ 140.00" in line for line in lines)
    assert lines[0] == "NSE:INFY 1m; 24 Nov 2026", "what doesn't fit is left out whole"
    assert "12:3" in " ".join(lines)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("count", [1, 2, 50, 200])
@pytest.mark.parametrize(("width", "height"), [(120, 30), (60, 16), (40, 10), (24, MIN_HEIGHT), (10, 3)])
def test_nothing_is_wider_or_higher_than_the_sheet(plain, count, width, height):
    table = bars(*WAVE[:count], flags={0: "partial", count - 1: "gap"})
    lines = drawn(table, width, height, plain=plain)
    assert all(len(line) <= width for line in lines)
    assert len(lines) <= max(height, MIN_HEIGHT)


@pytest.mark.parametrize("price", [0.05, 0.0, -37.63, 12_345_678.0])
def test_one_price_alone_is_drawn(price):
    lines = drawn(bars((price,) * 4))
    assert any("╡" in line for line in lines)


def test_no_bars_are_said():
    assert drawn(bars()) == ["NSE:INFY 1m; no bar yet"]


def printed(view, width=60, height=20):
    out = io.StringIO()
    Console(width=width, height=height, force_terminal=True, color_system="standard", file=out).print(view)
    return out.getvalue()


def test_rising_is_green_and_falling_red_and_nothing_without_colour(monkeypatch):
    view = ChartView(titled(), bars((100, 107, 100, 105), (105, 105, 98, 100)))
    shown = printed(view)
    assert "\x1b[32m" in shown
    assert "\x1b[31m" in shown
    monkeypatch.setenv("NO_COLOR", "1")
    shown = printed(view)
    assert "\x1b[32m" not in shown
    assert "\x1b[31m" not in shown
    assert "┃" in shown
    assert "█" in shown


def test_a_console_gives_its_size(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    lines = re.sub("\x1b\\[[0-9;]*m", "", printed(ChartView(titled(), bars(*WAVE)), width=100, height=12)).splitlines()
    assert len(lines) == 11, "one is left for the prompt"
    assert max(map(len, lines)) == 100
