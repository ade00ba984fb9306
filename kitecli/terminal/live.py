"""Running a feed on a terminal: draws while ticks come, and leaves the terminal as it was."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.live import Live

from kitecli.gateway.feed import Feed
from kitecli.terminal.feed_table import FeedTable

DRAW_S: Final = 0.2
"""Five drawings a second: more can't be read, and costs the feed's neighbour a core."""


def show_live(feed: Feed, labels: Mapping[int, str], title: str, duration_s: float | None, console: Console) -> None:
    """Draw until ``duration_s`` has passed, the feed ends, or Ctrl-C."""
    table = FeedTable(feed, labels, title)
    with Live(table, console=console, auto_refresh=False, screen=False, vertical_overflow="crop") as live:
        due_ns = 0
        for _ in feed.batches(duration_s):
            now_ns = time.time_ns()
            if now_ns >= due_ns:
                table.refresh(now_ns)
                live.refresh()
                due_ns = now_ns + round(DRAW_S * 1e9)
