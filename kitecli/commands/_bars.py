"""Bars on a terminal or a pipe: what there is, then, with ``--follow``, what comes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.live import Live

from kitecli.bars.intervals import Interval
from kitecli.bars.table import TABLE_DTYPE, Bar, bars_of, flagged
from kitecli.commands._shared import say
from kitecli.commands._stream import Ear, selected
from kitecli.errors import FeedError, HoursUnknown, KiteError, OutsideCalendar, UsageError
from kitecli.market.segments import divisor_of
from kitecli.market.selection import Selection
from kitecli.ring.policy import Policy
from kitecli.terminal.bar_chart import ChartView, Titled
from kitecli.terminal.bar_rows import Writer, csv_writer, ndjson_writer, table_writer
from kitecli.terminal.bar_waiting import Waiting
from kitecli.terminal.instruments import terminal_width
from kitecli.terminal.numbers import price_decimals

if TYPE_CHECKING:
    from kitecli.gateway.feed import Feed
    from kitecli.settings import Settings
    from kitecli.wiring import Market, Wanted

LOOK_S: Final = 0.1
DRAW_S: Final = 0.25
FORMING_S: Final = 1.0
"""How often a bar at work is printed again; a drawn one moves with every drawing."""
_NO_BARS: Final = np.zeros(0, TABLE_DTYPE)

Table = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class BarsWanted:
    """What of bars is asked for. ``form``: json, csv, table or chart; empty: what suits.

    ``to_end``: what is streamed ends soon, and is waited for.
    """

    interval: Interval
    count: int
    follow: bool = False
    forming: bool = False
    auctions: bool = False
    fill: bool = False
    form: str = ""
    to_end: bool = False


def show_bars(settings: Settings, market: Market, wanted: Wanted, asked: BarsWanted, duration_s: float | None) -> None:
    """Print what there is, or wait for it, and follow it if that is asked for.

    Raises :class:`FeedError` where there is no bar in time, :class:`UsageError` for an interval the feed hasn't.
    """
    from kitecli.wiring import FeedPlan, building, start_feed, trades_at_any_hour

    selection = selected(settings, market, wanted)
    asked = suited(asked, len(selection))
    ear = Ear(waits_for_token=market.token_file is not None)
    plan = FeedPlan(depth=False, policy=Policy.LATEST)
    with start_feed(building(settings, asked.interval), market, selection.modes, plan, ear.hear) as feed:
        ear.listen_for(feed)
        closed = (lambda _: "") if trades_at_any_hour(market) else closed_until
        display = (_Follow if asked.follow else _Once)(feed, selection, asked, closed)
        display.run(duration_s)
    if ear.refusal is not None:
        raise ear.refusal
    display.check()


def suited(asked: BarsWanted, instruments: int) -> BarsWanted:
    """With its form settled: a chart for one instrument on a terminal, a table for several, CSV into a pipe.

    Raises :class:`UsageError` for what can't be had together.
    """
    usual = ("chart" if instruments == 1 else "table") if sys.stdout.isatty() else "csv"
    form = asked.form or usual
    if form == "chart" and instruments > 1:
        raise UsageError(
            f"A chart is of one instrument, and {instruments:,} were named", hint="take --table, --csv or --json"
        )
    if not (asked.count or asked.follow):
        raise UsageError("--count 0 shows nothing", hint="with --follow, it leaves away what was closed before")
    if asked.fill and asked.follow and form != "chart":
        raise UsageError(
            "--fill and --follow go together in a chart alone",
            why="what is closed is printed, and a bar without ticks never is",
            hint="leave --fill away, or take --chart",
        )
    return replace(asked, form=form)


def closed_until(label: str) -> str:
    """``NSE opens Mon 23 Nov 09:15 IST``, of ``NSE:INFY`` now; empty where it is open, or nobody knows."""
    from kitecli.settings.calendars import load_calendar

    calendar, segment, now_s = load_calendar(), label.partition(":")[0], time.time()
    try:
        if segment not in calendar.segments or calendar.session_at(segment, now_s) is not None:
            return ""
        return f"{segment} opens {calendar.next_open(segment, now_s):%a %d %b %H:%M} IST"
    except (HoursUnknown, OutsideCalendar):
        return ""


class _Display:
    """What both have: the feed's bars, and somewhere to print them."""

    def __init__(self, feed: Feed, selection: Selection, asked: BarsWanted, closed: Callable[[str], str]) -> None:
        self.feed = feed
        self.labels = selection.labels
        self.asked = asked
        self.shown = 0
        self.waiting = Waiting(self.labels, asked.interval, closed)
        self.console = Console()
        self._have: set[int] = set()
        self._up_s: float | None = None

    def rows(self, *, forming: bool) -> Table:
        """All that is asked for, instrument by instrument."""
        asked, feed = self.asked, self.feed
        some = partial(feed.bars, forming=forming, auctions=asked.auctions, fill=asked.fill)
        tables = [some(token, asked.interval, asked.count) for token in self.labels]
        return np.concatenate(tables) if tables else _NO_BARS

    def forming(self, tokens: Iterable[int]) -> Table:
        """Those of the bars that aren't over."""
        tables = [self.feed.bars(token, self.asked.interval, 1, forming=True) for token in tokens]
        return np.concatenate([table[flagged(table, "open")] for table in (_NO_BARS, *tables)])

    def waits(self) -> bool:
        """Whether bars are still waited for; says for which."""
        if self._up_s is None and self.feed.up:
            self._up_s = time.monotonic()
        streamed_s = 0.0 if self._up_s is None else time.monotonic() - self._up_s
        lacking = [token for token in self.labels if token not in self._have]
        forming = {bar.instrument_token: bar for bar in bars_of(self.forming(lacking))}
        self._have.update(token for token in lacking if self._has_bars(token, forming))
        for line in self.waiting.words(self._have, forming, streamed_s):
            say(f"kite: {line}")
        return not self.waiting.over(self._have, forming, streamed_s)

    def _has_bars(self, token: int, forming: Mapping[int, Bar]) -> bool:
        asked = self.asked
        there = self.feed.bars(token, asked.interval, 1, auctions=asked.auctions, fill=asked.fill)
        return there.size > 0 or (asked.forming and token in forming)

    def writer(self) -> Writer:
        labels, interval = self.labels, self.asked.interval
        if self.asked.form == "table":
            return table_writer(sys.stdout, labels, interval, terminal_width())
        return (ndjson_writer if self.asked.form == "json" else csv_writer)(sys.stdout, labels, interval)

    def view(self) -> ChartView:
        ((token, label),) = self.labels.items()
        titled = Titled(label, self.asked.interval, price_decimals(divisor_of(token)))
        return ChartView(titled, self.rows(forming=self.asked.forming or self.asked.follow))

    def turns(self, duration_s: float | None, every_s: float = LOOK_S) -> Iterator[None]:
        """While the feed runs, now and then."""
        next_s = 0.0
        for _ in self.feed.batches(duration_s):
            if time.monotonic() >= next_s:
                yield
                next_s = time.monotonic() + every_s


class _Once(_Display):
    """What there is, as soon as there is something."""

    def run(self, duration_s: float | None) -> None:
        for _ in self.turns(duration_s):
            if not self.waits() and not self.asked.to_end:
                break
        table = self.rows(forming=self.asked.forming)
        self.shown = table.size
        if not self.shown:
            return
        if self.asked.form == "chart":
            self.console.print(self.view())
        else:
            self.writer()(table)

    def check(self) -> None:
        """Raises :class:`FeedError` where nothing was shown."""
        if not self.shown:
            raise self._nothing()

    def _nothing(self) -> KiteError:
        names = ", ".join(list(self.labels.values())[:3])
        return FeedError(
            f"There is no {self.asked.interval} bar of {names} yet",
            why=self.waiting.closed(self.labels) or "none was closed while it was waited for",
            hint="wait longer, or see the one at work: --forming",
        )


class _Follow(_Display):
    """What there is, and then each bar as it is closed or revised, until the time is up, the feed ends or Ctrl-C."""

    _forming_s = 0.0
    _forming: frozenset[tuple[int, int, int]] = frozenset()

    def run(self, duration_s: float | None) -> None:
        try:
            (self._draw if self.asked.form == "chart" else self._print)(duration_s)
        except KeyboardInterrupt:
            say("")  # the shell's ^C stands on this line

    def check(self) -> None:
        """Nothing may have been closed."""

    def _draw(self, duration_s: float | None) -> None:
        with Live(self.view(), console=self.console, auto_refresh=False, vertical_overflow="crop") as live:
            for _ in self.turns(duration_s, DRAW_S):
                live.update(self.view(), refresh=True)

    def _print(self, duration_s: float | None) -> None:
        write = self.writer()
        closed = self.feed.closed_bars(self.asked.interval, auctions=self.asked.auctions)
        before = self.rows(forming=False)
        known = set(_names(before, "revision"))
        write(before)
        self.shown = before.size
        for _ in self.turns(duration_s):
            self._news(closed.poll(), known, write)
            if not self.shown:
                self.waits()
            if self.asked.forming and time.monotonic() >= self._forming_s + FORMING_S:
                write(self._moved())
        self._news(closed.poll(), known, write)
        if closed.lost:
            say(f"kite: {closed.lost:,} bars were closed faster than they could be printed")

    def _news(self, table: Table, known: set[tuple[int, int, int]], write: Writer) -> None:
        """Print what wasn't there at the beginning."""
        fresh = table[np.array([name not in known for name in _names(table, "revision")], np.bool_)]
        if fresh.size:
            self.shown += fresh.size
            write(fresh)

    def _moved(self) -> Table:
        """The bars at work that a tick has come to since the last call."""
        self._forming_s = time.monotonic()
        table = self.forming(self.labels)
        names = list(_names(table, "ticks"))
        fresh = table[np.array([name not in self._forming for name in names], np.bool_)]
        self._forming = frozenset(names)
        return fresh


def _names(table: Table, version: str) -> Iterator[tuple[int, int, int]]:
    """Each row's token, start, and which ``version`` of it it is."""
    starts = table["start"].astype(np.int64).tolist()
    return zip(table["token"].tolist(), starts, table[version].tolist(), strict=True)
