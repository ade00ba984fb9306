"""One start-to-stop of a service: a thread that reads and calls back, and one for order updates.

============  ============================================================================================
kite ticks    opens the feed, then reads it: tick, batch, bar, gap and event callbacks, one after the other
kite orders   order callbacks: an update waits for no tick handler
feed events   the feed's own: what the gateway says; runs nothing of the user's
============  ============================================================================================
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from kitecli.errors import KiteError, UsageError
from kitecli.gateway.feed import Feed, gap_of_event
from kitecli.gateway.spec import GatewayEvent
from kitecli.logs import logger
from kitecli.ring.reader import Batch
from kitecli.service.bars import BarCalls
from kitecli.service.callbacks import Callbacks, call
from kitecli.service.failures import FailureLog
from kitecli.service.statistics import NOTHING, Rate, feed_statistics
from kitecli.service.supply import Supply

LOG: Final = logger("kitecli.service")
_LOOK_S: Final = 0.5
"""Windows doesn't interrupt an endless wait for Ctrl-C."""

Hear = Callable[[GatewayEvent], None]


class Run:
    """``opened`` starts a feed that tells its events, ``left`` leaves it, ``ended`` is called last."""

    def __init__(
        self,
        opened: Callable[[Hear], Feed],
        left: Callable[[Feed], None],
        ended: Callable[[], None],
        callbacks: Callbacks,
        failures: FailureLog,
        max_lag: int,
    ) -> None:
        self.feed: Feed | None = None
        self.failure: BaseException | None = None
        self._opened = opened
        self._left = left
        self._ended = ended
        self._callbacks = callbacks
        self._failures = failures
        self._max_lag = max_lag
        self._supply: Supply | None = None
        self._bars: BarCalls | None = None
        self._rate = Rate(time.monotonic())
        self._last_figures = NOTHING
        self.stopping = False
        self._urgent = False  # something for the tick thread beside ticks
        self._told_end = False
        self._notices: deque[GatewayEvent] = deque()
        self._orders: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._releasing = threading.Lock()
        self._done = threading.Event()
        self._tick_thread = threading.Thread(target=self._serve_ticks, daemon=True, name="kite ticks")
        self._order_thread = threading.Thread(target=self._serve_orders, daemon=True, name="kite orders")

    def start(self) -> None:
        self._order_thread.start()
        self._tick_thread.start()  # last: it may be over at once, and ends the other

    @property
    def over(self) -> bool:
        return self._done.is_set()

    @property
    def own(self) -> bool:
        """Whether this is one of its threads: a callback asks."""
        return threading.current_thread() in (self._tick_thread, self._order_thread)

    def wait(self, timeout_s: float | None) -> bool:
        """Whether it is over after ``timeout_s`` at most; raises what ended it, if it wasn't asked to."""
        if self.own:
            raise UsageError("A callback can't wait for its own service", hint="wait() on another thread")
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._done.wait(_remaining_s(deadline)):
            if deadline is not None and time.monotonic() >= deadline:
                return False
        if self.failure is not None:
            raise self.failure
        return True

    def stop(self, timeout_s: float) -> None:
        """End it. In a callback: once that has returned. A callback that won't return is left behind, and said."""
        self.stopping = self._urgent = True
        if self.feed is not None:
            self.feed.finish()
        if self.own or self._done.wait(timeout_s):
            return
        what = "the feed is still being opened" if self.feed is None else "a callback is still running"
        LOG.warning("%s %.0f s after stop(): its thread ends when that is done", what, timeout_s)
        self._release()

    def statistics(self) -> dict[str, object]:
        """See :func:`~kitecli.service.statistics.feed_statistics`; once it is over, the last there were."""
        feed, supply = self.feed, self._supply
        if feed is None or supply is None:
            return self._last_figures
        rate = self._rate.per_s(time.monotonic(), supply.handed)
        bars_lost = self._bars.lost if self._bars else 0
        return {"ticks_per_second": rate, **feed_statistics(feed, supply), "bars_lost": bars_lost}

    # The tick thread

    def _serve_ticks(self) -> None:
        try:
            self._stream()
        except BaseException as cause:  # noqa: BLE001 - told by wait(), on the user's thread
            self._fail(cause)
        finally:
            try:
                self._close()
                self._attend()
            finally:
                self._release()

    def _stream(self) -> None:
        self.feed = self._opened(self._hear)
        self._supply = Supply(self.feed, self._max_lag, self._take_batch)
        callbacks, failures, timed = self._callbacks, self._failures, self.feed.tallies.callback
        self._bars = BarCalls(self.feed, callbacks, failures, lambda: self.stopping)
        self._bars.tell()
        for tick in self._supply:
            if tick is None:
                self._note_rate()
                self._bars.tell()
            else:
                timed.begin()
                call(callbacks.of("tick"), tick, failures)
                timed.end()
            if self._urgent:
                self._attend()
            if self.stopping:
                return

    def _take_batch(self, batch: Batch) -> bool:
        self._note_rate()
        if self._bars is not None:
            self._bars.tell()
        if (listeners := self._callbacks.of("batch")) and self.feed is not None:
            self.feed.tallies.callback.begin()
            call(listeners, batch, self._failures)
            self.feed.tallies.callback.end()
        return bool(self._callbacks.of("tick"))

    def _note_rate(self) -> None:
        if self._supply is not None:
            self._rate.note(time.monotonic(), self._supply.handed)

    def _attend(self) -> None:
        """Tell what has happened beside ticks."""
        self._urgent = False
        with suppress(IndexError):
            while True:
                event = self._notices.popleft()
                if event.kind == "gap":
                    call(self._callbacks.of("gap"), gap_of_event(event), self._failures)
                call(self._callbacks.of("event"), event, self._failures)

    # The order thread

    def _serve_orders(self) -> None:
        try:
            while (order := self._orders.get()) is not None and not self.over:
                call(self._callbacks.of("order"), order, self._failures)
        except BaseException as cause:  # noqa: BLE001 - told by wait(), on the user's thread
            self._fail(cause)
            self.stop(0)

    # The feed's thread

    def _hear(self, event: GatewayEvent) -> None:
        if event.kind == "message" and event.state == "order":
            self._orders.put(event.data)
            return
        self._told_end = self._told_end or event.kind == "failed"
        _log(event)
        self._notices.append(event)
        self._urgent = True

    # Its end

    def _fail(self, cause: BaseException) -> None:
        self.failure = self.failure or cause
        if isinstance(cause, KiteError):
            LOG.error("the feed has ended: %s", cause)
            if not self._told_end:
                self._hear(GatewayEvent("failed", error=cause.as_dict()))
        elif isinstance(cause, Exception):
            LOG.error("the feed has ended by a defect of kite", exc_info=cause)

    def _close(self) -> None:
        if self.feed is not None:
            self._left(self.feed)

    def _release(self) -> None:
        """Give back all there is; whoever comes second finds nothing left."""
        with self._releasing:
            if self._done.is_set():
                return
            try:
                self._last_figures = {**self.statistics(), "ticks_per_second": 0.0, "active_connections": 0}
                self._close()
                self.feed = self._supply = None
                self._ended()
                self._end_orders()
            finally:
                self._done.set()

    def _end_orders(self) -> None:
        self._orders.put(None)
        if threading.current_thread() is not self._order_thread:
            self._order_thread.join(_LOOK_S)
        for callback in self._callbacks.all():
            self._failures.finish(callback)


def _log(event: GatewayEvent) -> None:
    """What somebody who looks for the reason of a silence should find; a connection tells one attempt in a second."""
    failure = event.failure()
    if event.kind == "connection" and failure is not None:
        LOG.warning("connection %s is %s: %s", event.connection, event.state, failure)
    elif event.kind == "connection":
        LOG.info("connection %s is %s", event.connection, event.state)
    elif event.kind == "recording" and failure is not None:
        LOG.error("the feed is not recorded: %s", failure)
    elif event.kind == "message" and failure is None:
        LOG.warning("the broker says: %s", event.data)
    elif event.kind == "silent":
        LOG.warning("no tick any more from instruments %s, though their connection streams", event.data)


def _remaining_s(deadline: float | None) -> float:
    return _LOOK_S if deadline is None else max(0.0, min(_LOOK_S, deadline - time.monotonic()))
