"""The live view of ``kite stats``: the tables of stats_rows.py, and above them how the last minute went."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kitecli.terminal.feed_status import Section
from kitecli.terminal.numbers import counted, duration
from kitecli.terminal.stats_rows import Name, Plain, sections

BARS: Final = "▁▂▃▄▅▆▇█"
KEPT: Final = 60


class Trend:
    """The latest values of a figure as a line of bars. Sans I/O."""

    def __init__(self, kept: int = KEPT) -> None:
        self._values: deque[float] = deque(maxlen=kept)

    def add(self, value: float) -> None:
        self._values.append(value)

    def line(self, width: int = KEPT) -> str:
        """One letter a value, the newest at the right; from nothing to the highest that is shown."""
        shown = list(self._values)[-width:]
        top = max(shown, default=0.0)
        steps = len(BARS) - 1
        return "".join(BARS[round(value / top * steps) if top > 0 else 0] for value in shown)


class StatsView:
    """Draws one set of figures after the other, and keeps the trends between them."""

    def __init__(self, name: Name) -> None:
        self._name = name
        self._ticks, self._bytes, self._publish = Trend(), Trend(), Trend()

    def drawn(self, stats: Plain, width: int) -> RenderableType:
        publish_ns = stats["stages_ns"].get("publish", {}).get("p99")
        self._ticks.add(stats["per_s"]["ticks"])
        self._bytes.add(stats["per_s"]["bytes"])
        self._publish.add(publish_ns or 0)
        trends = Table.grid(padding=(0, 1))
        room = max(8, min(KEPT, width - 30))
        trends.add_row("ticks/s", self._ticks.line(room), counted(stats["per_s"]["ticks"]))
        trends.add_row("bytes/s", self._bytes.line(room), counted(stats["per_s"]["bytes"]))
        trends.add_row("publish p99", self._publish.line(room), duration(publish_ns))
        return Group(trends, *(part for section in sections(stats, self._name) for part in (Text(), _table(section))))


def show_stats(each: Iterator[Plain], name: Name, console: Console) -> None:
    """Draw each set of figures as it comes, until there are no more or Ctrl-C."""
    view = StatsView(name)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop", transient=False) as live:
        for stats in each:
            live.update(view.drawn(stats, console.width), refresh=True)


def _table(section: Section) -> Table:
    table = Table(box=None, pad_edge=False, show_header=any(section.heads))
    for number, head in enumerate(section.heads):
        table.add_column(head, overflow="fold", no_wrap=number == 0)
    for row in section.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
