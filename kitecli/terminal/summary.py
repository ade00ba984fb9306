"""What a feed says when it ends."""

from __future__ import annotations

from kitecli.gateway.feed import FeedFigures
from kitecli.terminal.numbers import counted, duration


def summary_lines(figures: FeedFigures) -> list[str]:
    """A few lines for people: ticks, frames, losses and latency."""
    counters = figures.counters
    rate = figures.ticks / figures.elapsed_s if figures.elapsed_s else 0.0
    came = f"{counted(figures.ticks)} ticks in {counted(counters['frames'])} frames"
    pace = f"{figures.elapsed_s:.1f} s ({counted(rate)} ticks/s), {counters['heartbeats']} heartbeats"
    median, tail, worst = map(duration, (figures.latency_ns_p50, figures.latency_ns_p99, figures.latency_ns_max))
    lines = [f"{came}, {pace}", f"lost {figures.lost}; receive-to-reader p50 {median}, p99 {tail}, max {worst}"]
    if figures.damaged:
        kinds = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in figures.damaged.items())
        lines.append(f"damaged messages: {kinds}")
    return lines
