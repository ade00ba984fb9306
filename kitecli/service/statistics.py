"""What a service tells about itself in numbers: a plain dictionary."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from kitecli.feed.liveness import UP
from kitecli.gateway.feed import Feed
from kitecli.service.supply import Supply

WINDOW_S: Final = 5.0
_SAMPLE_S: Final = 0.5


class Rate:
    """Events a second over the last ``WINDOW_S``. Sans I/O: the clock is an argument."""

    def __init__(self, now_s: float) -> None:
        self._samples: deque[tuple[float, int]] = deque([(now_s, 0)])
        self._lock = threading.Lock()

    def note(self, now_s: float, total: int) -> None:
        """There have been ``total`` by now; more often than twice a second is passed over."""
        if now_s - self._samples[-1][0] < _SAMPLE_S:
            return
        with self._lock:
            self._samples.append((now_s, total))
            while now_s - self._samples[1][0] >= WINDOW_S:
                self._samples.popleft()

    def per_s(self, now_s: float, total: int) -> float:
        self.note(now_s, total)
        since_s, before = self._samples[0]
        return (total - before) / (now_s - since_s) if now_s > since_s else 0.0


def feed_statistics(feed: Feed, supply: Supply) -> dict[str, object]:
    """The part of a service's statistics that needs a running feed.

    ``produced`` counts the ticks published since this reader began: ``delivered`` (handed to callbacks), ``conflated``,
    ``lost``, ``passed_over`` (of other clients' instruments) and ``waiting`` add up to it.
    """
    figures, reader = feed.figures(), feed.reader
    conflated, lost = reader.conflated + supply.conflated, reader.lost + supply.lost
    produced = reader.view.cursor() - reader.start
    waiting = produced - supply.handed - conflated - lost - figures.passed_over
    return {
        "active_connections": sum(state in UP for state in figures.connections.values()),
        "connections": {str(index): state for index, state in figures.connections.items()},
        "reconnects": figures.reconnects,
        "buffer_usage": min(1.0, reader.slowest_lag() / reader.view.layout.capacity),
        "produced": produced,
        "delivered": supply.handed,
        "conflated": conflated,
        "lost": lost,
        "passed_over": figures.passed_over,
        "waiting": waiting,
        "latency_ns": {"p50": figures.latency_ns_p50, "p99": figures.latency_ns_p99, "max": figures.latency_ns_max},
        "stages_ns": {name: stage.percentiles_ns() for name, stage in feed.stages().items()},
        "gaps": {"total": feed.gaps_total, "open": sum(gap.to_ns is None for gap in feed.gaps)},
        "feed": figures.counters,
    }


NOTHING: Final[dict[str, object]] = {
    "ticks_per_second": 0.0,
    "active_connections": 0,
    "connections": {},
    "reconnects": 0,
    "buffer_usage": 0.0,
    **dict.fromkeys(("produced", "delivered", "conflated", "lost", "passed_over", "waiting"), 0),
    "latency_ns": {"p50": None, "p99": None, "max": 0},
    "stages_ns": {},
    "gaps": {"total": 0, "open": 0},
    "feed": {},
    "bars_lost": 0,
}
"""Before anything has run."""
