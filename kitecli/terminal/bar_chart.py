"""Bars as a chart of characters: candles, the price at the right, volume below, Indian time under it.

::

    NSE:INFY 1m; 24 Nov 2026; O 1,572.10 H 1,574.00 L 1,571.90 C 1,573.70
     ╷                      ┤ 1,574.00     rising: a heavy line    ┃ ╻ ╹
    ╷┃ █                    ╡ 1,573.70     falling: a block        █ ▄ ▀
    █╹ ▀                    ┤ 1,573.00     prices not traded at last: a thin line
    ▂▇ ▃                      12,345
     g                                     what a bar's flags warn of
    10:15  10:20                   IST

A row is two half rows, as box-drawing characters have halves. Shapes alone tell rising from falling, so a chart
without colour says as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor, log10
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from kitecli.bars.intervals import DAY_MS, Interval, Kind
from kitecli.bars.table import Bar, bars_of
from kitecli.terminal.numbers import compact, grouped

MIN_WIDTH: Final = 24
MIN_HEIGHT: Final = 7
MOST_HEIGHT: Final = 30
"""More rows than this show no more of a price, and fill the screen."""
WIDEST_STEP: Final = 3
"""Columns from a candle to the next, at most."""
_ROWS_A_PRICE: Final = 3
_VOLUME_SHARE: Final = 5
TIME_WIDTH: Final = 10
"""Columns the time below a single candle takes."""
_MINUTE_MS: Final = 60_000
_BETWEEN: Final = "; "
_LEVELS: Final = " ▁▂▃▄▅▆▇█"
_STEPS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 240)
MARKS: Final = {
    "gap": "g",
    "partial": "p",
    "preopen": "a",
    "closing": "a",
    "post_close": "c",
    "outside": "x",
    "revised": "r",
    "open": "f",
}
"""What is marked below a candle, the gravest first; one mark a candle."""
_WORDS: Final = {
    "g": "gap",
    "p": "partial",
    "a": "auction",
    "c": "post-close",
    "x": "outside",
    "r": "revised",
    "f": "forming",
}

_Cell: TypeAlias = tuple[int, int]
"""Both halves of a row: 0 nothing, 1 wick, 2 body."""
_WICKS: Final[dict[_Cell, str]] = {(0, 0): " ", (1, 1): "│", (0, 1): "╷", (1, 0): "╵"}
_RISING: Final[dict[_Cell, str]] = {
    **_WICKS,
    (2, 2): "┃",
    (0, 2): "╻",
    (2, 0): "╹",
    (1, 2): "╽",
    (2, 1): "╿",
}
_FALLING: Final[dict[_Cell, str]] = {
    **_WICKS,
    (2, 2): "█",
    (0, 2): "▄",
    (2, 0): "▀",
    (1, 2): "█",
    (2, 1): "█",
}


class Sheet(NamedTuple):
    """Columns and lines there are. ``plain``: only ASCII can be shown."""

    width: int
    height: int
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Titled:
    """What a chart is of: ``NSE:INFY``, its interval, the decimals of its prices."""

    label: str
    interval: Interval
    decimals: int


def chart(table: NDArray[np.void], of: Titled, sheet: Sheet) -> list[Text]:
    """Lines that fit the sheet: the newest bars there is room for.

    ``table``: TABLE_DTYPE (n,) of one instrument, ascending.
    """
    bars = list(bars_of(table))
    if not bars:
        return [_cut(f"{of.label} {of.interval}; no bar yet", sheet.width)]
    plot = _Plot(bars, of, Sheet(max(sheet.width, MIN_WIDTH), max(sheet.height, MIN_HEIGHT), sheet.plain))
    lines = plot.lines()
    for line in lines:
        line.truncate(sheet.width)
    return lines


class ChartView:
    """A Rich renderable: the chart as large as the console lets it be."""

    def __init__(self, of: Titled, table: NDArray[np.void]) -> None:
        self.table = table
        self._of = of

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = min(options.height or console.height - 1, MOST_HEIGHT)
        yield from chart(self.table, self._of, Sheet(options.max_width, height, options.ascii_only))


class _Plot:
    """One drawing: where columns and rows lie, then its lines from the top."""

    def __init__(self, bars: Sequence[Bar], of: Titled, sheet: Sheet) -> None:
        self._of = of
        self._plain = sheet.plain
        self._width = sheet.width
        volumes = [bar.volume for bar in bars if bar.volume]
        self._most = max(volumes, default=0)
        prices = (grouped(price, of.decimals) for bar in bars for price in (bar.high, bar.low))
        self._gutter = 2 + max(map(len, (*prices, compact(self._most))))
        room = sheet.width - self._gutter
        self._step = max(1, min(WIDEST_STEP, room // len(bars)))
        self._bars = bars[-(room // self._step) :]
        self._room = max(len(self._bars) * self._step, min(room, TIME_WIDTH))
        self._set_rows(sheet.height)
        self._top, self._bottom = self._range()

    def lines(self) -> list[Text]:
        """From the top; volume and marks where there are any."""
        marks = self._marks()
        below = [*([marks] if marks else []), self._times(), self._legend()]
        return [self._title(), *self._prices(), *self._volumes(), *below]

    def _set_rows(self, height: int) -> None:
        left = height - 3 - any(_mark(bar) for bar in self._bars)
        self._volume_rows = max(1, left // _VOLUME_SHARE) if self._most and left >= 5 else 0
        self._rows = max(2, left - self._volume_rows)

    def _range(self) -> tuple[float, float]:
        """The prices of the first and the last half row; apart even where there was one price alone."""
        top, bottom = max(bar.high for bar in self._bars), min(bar.low for bar in self._bars)
        if top > bottom:
            return top, bottom
        tick = 10.0**-self._of.decimals
        return top + tick, bottom - tick

    def _half(self, price: float) -> int:
        """The half row of a price, from the top."""
        return round((self._top - price) / (self._top - self._bottom) * (2 * self._rows - 1))

    # Candles

    def _prices(self) -> list[Text]:
        columns = [self._candle(bar) for bar in self._bars]
        labels = self._price_labels()
        lines = []
        for row in range(self._rows):
            line = self._across([column[row] for column in columns])
            line.append_text(self._price_label(row, labels))
            lines.append(line)
        return lines

    def _candle(self, bar: Bar) -> str:
        high, low = self._half(bar.high), self._half(bar.low)
        first, last = sorted((self._half(bar.open), self._half(bar.close)))
        if bar.open == bar.close:
            return self._flat(bar, high, low, first)
        shapes = _RISING if bar.close > bar.open else _FALLING
        halves = [2 if first <= at <= last else 1 if high <= at <= low else 0 for at in range(2 * self._rows)]
        cells = list(zip(halves[::2], halves[1::2], strict=True))
        if self._plain:
            body = "o" if bar.close > bar.open else "#"
            return "".join(body if 2 in cell else "|" if 1 in cell else " " for cell in cells)
        return "".join(shapes[cell] for cell in cells)

    def _flat(self, bar: Bar, high: int, low: int, at: int) -> str:
        """It ended where it began: a dash, crossed where prices went elsewhere meanwhile; a dot where none was paid."""
        if "synthetic" in bar.flags:
            dash = "." if self._plain else "·"
        elif high // 2 == low // 2:
            dash = "-" if self._plain else "─"
        else:
            dash = "+" if self._plain else "┼"
        line = "|" if self._plain else "│"
        wick = range(high // 2, low // 2 + 1)
        return "".join(dash if row == at // 2 else line if row in wick else " " for row in range(self._rows))

    def _price_labels(self) -> dict[int, float]:
        """Round prices by the row they stand on."""
        most = max(2, self._rows // _ROWS_A_PRICE + 1)
        step = max(_round_up((self._top - self._bottom) / most), 10.0**-self._of.decimals)
        first = floor(self._bottom / step) + 1
        prices = (step * number for number in range(first, floor(self._top / step + 1e-9) + 1))
        return {self._half(price) // 2: price for price in prices}

    def _price_label(self, row: int, labels: dict[int, float]) -> Text:
        last = self._bars[-1].close
        if row == self._half(last) // 2:
            return Text(("<" if self._plain else "╡") + f" {grouped(last, self._of.decimals)}", "bold")
        if row in labels:
            return Text(("-" if self._plain else "┤") + f" {grouped(labels[row], self._of.decimals)}", "dim")
        return Text("|" if self._plain else "│", "dim")

    # Below them

    def _volumes(self) -> list[Text]:
        if not self._volume_rows:
            return []
        full, most = len(_LEVELS) - 1, max(bar.volume or 0 for bar in self._bars)
        volumes = [(bar.volume or 0) / max(most, 1) * self._volume_rows for bar in self._bars]
        levels = [max(round(volume * full), volume > 0) for volume in volumes]
        lines = []
        for under in range((self._volume_rows - 1) * full, -1, -full):
            cells = [self._level(min(max(level - under, 0), full)) for level in levels]
            lines.append(self._across(cells, "dim"))
        lines[0].append(f"  {compact(most)}", "dim")
        return lines

    def _level(self, level: int) -> str:
        if not self._plain:
            return _LEVELS[level]
        return "#" if level > len(_LEVELS) // 2 else ":" if level else " "

    def _marks(self) -> Text | None:
        marks = [_mark(bar) for bar in self._bars]
        return self._across([mark or " " for mark in marks], "yellow") if any(marks) else None

    def _times(self) -> Text:
        line, free = [" "] * self._room, 0
        for column, label in self._time_labels():
            if free <= column <= self._room - len(label):
                line[column : column + len(label)] = label
                free = column + len(label) + 2
        return Text("".join(line) + "  IST", "dim")

    def _time_labels(self) -> list[tuple[int, str]]:
        """Columns and times: round ones, as many as may fit; a day's first bar tells the day."""
        names = [self._time(bar.start) for bar in self._bars]
        days = [f"{bar.start:%d %b}" for bar in self._bars]
        every = next((n for n in _STEPS if n * self._step >= len(names[0]) + 2), _STEPS[-1])
        labels = []
        for index, name in enumerate(names):
            new_day = index > 0 and days[index] != days[index - 1]
            if new_day or self._number(index) % every == 0:
                labels.append((index * self._step, days[index] if new_day else name))
        return labels or [(0, names[0])]

    def _number(self, index: int) -> int:
        """Counts bars so that those at round times have round numbers."""
        interval = self._of.interval
        if interval.kind is not Kind.TIME:
            return index
        moment = self._bars[index].start
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return (moment - midnight) // timedelta(milliseconds=interval.size)

    def _time(self, moment: datetime) -> str:
        interval = self._of.interval
        if interval.size == DAY_MS and interval.kind is Kind.TIME:
            return f"{moment:%d %b}"
        whole = interval.kind is Kind.TIME and interval.size % _MINUTE_MS == 0
        return f"{moment:%H:%M}" if whole else f"{moment:%H:%M:%S}"

    # Around them

    def _title(self) -> Text:
        last, decimals = self._bars[-1], self._of.decimals
        named = zip("OHLC", (last.open, last.high, last.low, last.close), strict=True)
        prices = " ".join(f"{name} {grouped(price, decimals)}" for name, price in named)
        return _fitting(
            [f"{self._of.label} {self._of.interval}", f"{last.start:%d %b %Y}", prices], self._width, "bold"
        )

    def _legend(self) -> Text:
        up, down = ("o", "#") if self._plain else ("┃", "█")
        used = dict.fromkeys(map(_mark, self._bars))
        parts = [f"{up} up, {down} down", *(f"{mark} {word}" for mark, word in _WORDS.items() if mark in used)]
        if estimated := sum("estimated" in bar.flags for bar in self._bars):
            parts.append(f"{estimated} of {len(self._bars)} estimated")
        return _fitting(parts, self._width, "dim")

    def _across(self, cells: Sequence[str], style: str = "") -> Text:
        """One cell a bar, each in its bar's colour unless there is a ``style``, and blanks up to the gutter."""
        blank = " " * (self._step - 1)
        if style:
            return Text((blank.join(cells) + blank).ljust(self._room), style)
        line = Text()
        for bar, cell in zip(self._bars, cells, strict=True):
            line.append(cell + blank, _colour(bar))
        line.append(" " * (self._room - len(line)))
        return line


def _colour(bar: Bar) -> str:
    return "green" if bar.close > bar.open else "red" if bar.close < bar.open else "dim"


def _mark(bar: Bar) -> str:
    return next((mark for flag, mark in MARKS.items() if flag in bar.flags), "")


def _round_up(price: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(price))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= price * (1 - 1e-9))


def _fitting(parts: Sequence[str], width: int, style: str) -> Text:
    """As many parts from the left as there is room for."""
    kept = list(parts)
    while len(kept) > 1 and len(_BETWEEN.join(kept)) > width:
        kept.pop()
    return _cut(_BETWEEN.join(kept), width, style)


def _cut(text: str, width: int, style: str = "") -> Text:
    return Text(text[:width], style)
