"""Tells bar callbacks what has been closed, on the tick thread."""

from __future__ import annotations

from collections.abc import Callable

from kitecli.bars.intervals import Interval
from kitecli.bars.table import bars_of
from kitecli.gateway.bars import ClosedBars
from kitecli.gateway.feed import Feed
from kitecli.service.callbacks import Callbacks, call
from kitecli.service.failures import FailureLog


class BarCalls:
    """What is closed of each interval that somebody listens to, from when he is first seen here.

    ``stopping``: whether nobody is to be called any more.
    """

    def __init__(self, feed: Feed, callbacks: Callbacks, failures: FailureLog, stopping: Callable[[], bool]) -> None:
        self._feed = feed
        self._callbacks = callbacks
        self._failures = failures
        self._stopping = stopping
        self._closed: dict[Interval, ClosedBars] = {}

    @property
    def lost(self) -> int:
        """How many bars were overwritten before a callback could be told of them."""
        return sum(closed.lost for closed in self._closed.values())

    def tell(self) -> None:
        """Call each with what is new. Raises :class:`UsageError` for an interval that the feed can't build."""
        listeners = self._callbacks.of("bar")
        for interval in dict.fromkeys(one.interval for one in listeners if one.interval):
            if interval not in self._closed:
                self._closed[interval] = self._feed.closed_bars(interval)
            mine = tuple(one for one in listeners if one.interval == interval)
            for bar in bars_of(self._closed[interval].poll()):
                if self._stopping():
                    return
                call(mine, bar, self._failures)
