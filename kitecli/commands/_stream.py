"""A feed on a terminal or a pipe, from its start to its closing figures: what ``kite feed`` and ``kite demo`` share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from kitecli.commands._shared import say

if TYPE_CHECKING:
    from rich.console import Console

    from kitecli.errors import KiteError
    from kitecli.gateway.feed import Feed, FeedFigures
    from kitecli.gateway.spec import GatewayEvent
    from kitecli.market.selection import Selection
    from kitecli.settings import Settings
    from kitecli.wiring import FeedPlan, Market, Wanted

FETCHING: Final = "fetching the day's instruments"


def stream(
    settings: Settings, market: Market, wanted: Wanted, plan: FeedPlan, form: str, duration_s: float | None
) -> None:
    """Stream until the time is up, the feed ends or Ctrl-C; then say what there was."""
    from rich.console import Console

    from kitecli.wiring import start_feed

    selection = selected(settings, market, wanted)
    ear = Ear(waits_for_token=market.token_file is not None)
    with start_feed(settings, market, selection.modes, plan, ear.hear) as feed:
        ear.listen_for(feed)
        try:
            show(feed, selection, form, duration_s, Console())
        except KeyboardInterrupt:
            say("")  # the shell's ^C stands on this line
        finally:
            report(feed.figures())
    if ear.refusal is not None:
        raise ear.refusal


def selected(settings: Settings, market: Market, wanted: Wanted) -> Selection:
    """The instruments asked for; what takes long is shown on a terminal."""
    from rich.console import Console

    from kitecli.terminal.instruments import download_progress
    from kitecli.wiring import choose, load_book

    with download_progress(Console(stderr=True), FETCHING) as progress:
        book = load_book(market, progress, lambda text: say(f"kite: {text}"))
    return choose(settings, market, book, wanted)


def show(feed: Feed, selection: Selection, form: str, duration_s: float | None, console: Console) -> None:
    """Run the feed into one of its three forms."""
    from kitecli.terminal.live import show_live
    from kitecli.terminal.streams import csv_writer, ndjson_writer

    if form == "table":
        title = f"{len(selection):,} instrument{'' if len(selection) == 1 else 's'}"
        show_live(feed, selection.labels, title, duration_s, console)
        return
    write = (ndjson_writer if form == "json" else csv_writer)(sys.stdout, selection.labels)
    for batch in feed.batches(duration_s):
        if batch is not None:
            write(batch)


class Ear:
    """Hears a feed's events, and says on stderr what people need to know of them.

    A token refused before anything ever streamed ends the feed, unless a file may bring another: who sits before this
    terminal has to log in. One that dies later is waited for.
    """

    def __init__(self, *, waits_for_token: bool) -> None:
        self.refusal: KiteError | None = None
        self._waits = waits_for_token
        self._streamed = False
        self._feed: Feed | None = None

    def listen_for(self, feed: Feed) -> None:
        """``feed`` is the one whose events come here; some may have come already."""
        self._feed = feed
        for warning in feed.warnings:
            say(f"kite: {warning}")
        self._end_refused()

    def hear(self, event: GatewayEvent) -> None:
        tell(event)
        self._streamed = self._streamed or event.state in ("live", "quiet")
        if event.state == "auth" and not (self._streamed or self._waits):
            self.refusal = event.failure()
        self._end_refused()

    def _end_refused(self) -> None:
        if self.refusal is not None and self._feed is not None:
            self._feed.finish()


def tell(event: GatewayEvent) -> None:
    """One event, if people need to know of it."""
    error = event.failure()
    if event.kind == "recording":
        _tell_recording(event)
        return
    if event.kind == "failed":
        return  # raised, and said at the boundary
    if error is not None:
        again = "" if event.retry_in_s is None else f"; trying again in {event.retry_in_s:.1f} s"
        todo = f"; {error.hint}" if event.state == "auth" and error.hint else ""  # it waits for people, not for time
        say(f"kite: {error.what}: {error.why}{again}{todo}")
    elif event.kind == "message" and event.state in ("error", "message"):
        say(f"kite: the broker says: {event.data}")


def _tell_recording(event: GatewayEvent) -> None:
    """That it is recorded is said where it is asked for, and by ``kite status``; that it isn't, to everybody."""
    error = event.failure()
    if event.state == "alarm" and error is not None:
        say(f"kite: {error.what}: {error.why}; {error.hint}")


def report(figures: FeedFigures) -> None:
    """The closing figures, on stderr: stdout is ticks."""
    from kitecli.terminal.summary import summary_lines

    for line in summary_lines(figures):
        say(line)
