"""Running a feed on a terminal: draws while ticks come, and leaves the terminal as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

from rich.console import Console
from rich.live import Live

from kitecli.gateway.feed import Feed
from kitecli.terminal.feed_table import FeedTable

DRAW_S: Final = 0.2
"""Five drawings a second: more can't be read, and costs the feed's neighbour a core."""
_SWITCH_INTERVAL_S: Final = 0.0005
"""A drawing takes 10-30 ms; with Python's 5 ms turns the reader's thread would wait that long for its own."""


def show_live(feed: Feed, labels: Mapping[int, str], title: str, duration_s: float | None, console: Console) -> None:
    """Draw until ``duration_s`` has passed, the feed ends, or Ctrl-C. Reading goes on beside the drawing."""
    table = FeedTable(feed, labels, title)
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    with ThreadPoolExecutor(1, "reader") as threads:
        reading = threads.submit(_read_all, feed, duration_s)
        try:
            _draw(table, reading, console, feed.now_ns)
        finally:
            feed.finish()
            sys.setswitchinterval(before_s)
        reading.result()


def _draw(table: FeedTable, reading: Future[None], console: Console, now_ns: Callable[[], int]) -> None:
    with Live(table, console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while not reading.done():
            table.refresh(now_ns())
            live.refresh()
            wait([reading], DRAW_S)


def _read_all(feed: Feed, duration_s: float | None) -> None:
    for _ in feed.batches(duration_s):
        pass
