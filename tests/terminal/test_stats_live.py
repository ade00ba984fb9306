"""The live view, drawn into a string."""

from __future__ import annotations

import io

from rich.console import Console

from kitecli.stats.looking import FeedLooker
from kitecli.stats.rates import Span, as_plain
from kitecli.terminal.stats_live import StatsView, Trend, show_stats
from tests.conformance.vectors import INFY_QUOTE, message
from tests.stats.standing import STARTED_NS, S, StandingFeed


def test_a_trend_is_drawn_against_its_highest():
    trend = Trend(kept=4)
    assert trend.line() == ""
    for value in (100, 0, 1, 2, 4):
        trend.add(value)
    assert (trend.line(), trend.line(2)) == ("▁▃▅█", "▅█")


def test_nothing_is_drawn_as_nothing():
    trend = Trend()
    trend.add(0)
    assert trend.line() == "▁"


def each_second(feed, count):
    """Figures of that many seconds, each with more ticks than the one before."""
    with FeedLooker(feed.card) as looker:
        before = looker.look(STARTED_NS)
        for second in range(1, count + 1):
            feed.frames.ingest(message(*[INFY_QUOTE] * 10 * second), STARTED_NS, 0)
            now = looker.look(STARTED_NS + second * S)
            yield as_plain(Span(before, now))
            before = now


def test_it_shows_how_the_last_minute_went(tmp_path):
    feed = StandingFeed(tmp_path)
    for width in (60, 120):
        screen = io.StringIO()
        view = StatsView(str)
        console = Console(file=screen, width=width, force_terminal=False)
        for stats in each_second(feed, 3):
            drawn = view.drawn(stats, width)
        console.print(drawn)
        text = screen.getvalue()
        assert "ticks/s     ▃▆█ 30" in text
        assert "MOST ACTIVE" in text
        assert max(map(len, text.splitlines())) <= width
    feed.end()


def test_it_draws_until_there_is_no_more(tmp_path):
    feed = StandingFeed(tmp_path)
    screen = io.StringIO()
    show_stats(each_second(feed, 2), str, Console(file=screen, width=100, height=60, force_terminal=True))
    feed.end()
    assert screen.getvalue().count("publish p99") >= 2
    assert "\x1b[?25h" in screen.getvalue(), "the cursor is there again"
