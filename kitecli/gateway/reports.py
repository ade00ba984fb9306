"""A gateway's log and its alerts: the one place that hears all its events and sees its clients come and go.

Nothing here waits: records and alerts are handed to threads (:mod:`kitecli.logs.courier`). What those meet, a full disk
or a network that is gone, is an event of the feed or a record, and never its end.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from kitecli.errors import KiteError
from kitecli.gateway.alarms import Alarms
from kitecli.gateway.notes import note_of
from kitecli.gateway.pace import Pace, Stats
from kitecli.gateway.spec import GatewayEvent, GatewaySpec
from kitecli.logs import about, logger
from kitecli.logs import running as log

if TYPE_CHECKING:
    from kitecli.alerts.plan import Alert
    from kitecli.alerts.sender import AlertSender
    from kitecli.gateway.control import Desk
    from kitecli.gateway.messages import Hello, Request

LAST_ALERTS_S: Final = 10.0
"""What a feed that has ended gives its last alert to arrive."""
_LOGS: Final = {name: logger(f"kitecli.{name}") for name in ("feed", "recording", "clients", "performance", "alerts")}

Say = Callable[[GatewayEvent], None]


class Measured(Protocol):
    """What tells its figures. Called on the loop."""

    def stats(self) -> Stats: ...


class Reports:
    """One gateway's, on one loop. Made before it, closed after it."""

    def __init__(self, spec: GatewaySpec) -> None:
        self._feed = spec.name
        self._plan = spec.logs
        self._troubles: deque[KiteError] = deque()
        self._say: Say | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._log = log.begin(spec.logs, self._troubled) if spec.logs else None
        self._timer: asyncio.TimerHandle | None = None
        self._noting: asyncio.Task[None] | None = None
        self._alarms = Alarms(spec.alerts, spec.name) if spec.alerts else None
        self._sender = _sender(spec, self._delivered) if spec.alerts else None
        recorded = spec.record.store if spec.record else None
        self._feed_log(
            "the feed %s begins", spec.label or spec.name, event="begins", ws_root=spec.ws_root, store=recorded
        )

    def hearing(self, say: Say) -> Say:
        """``say`` for a gateway whose events are written down and looked at too. Called on the loop."""
        self._say, self._loop = say, asyncio.get_running_loop()
        self._loop.call_soon(self._tell_troubles)  # the first line may have failed before there was a loop

        def tell(event: GatewayEvent) -> None:
            say(event)
            self._write(event)
            self._look(event)

        return tell

    def begin(self, gateway: Measured) -> None:
        """Write its figures down every so often, until its loop ends."""
        if self._plan is not None and self._plan.performance_s:
            self._noting = asyncio.create_task(self._note(gateway, self._plan.performance_s))

    def close(self) -> None:
        """Its loop has ended: send and write what waits, for a limited time."""
        if self._sender is not None and not self._sender.close(LAST_ALERTS_S):
            _LOGS["alerts"].error("alerts were given up: the feed's process ends", extra=about(feed=self._feed))
        if self._log is not None:
            self._feed_log("the feed's process ends", event="ends")
            self._log.leave(self._troubled)

    def _feed_log(self, what: str, *words: object, **fields: object) -> None:
        if self._log is not None:
            _LOGS["feed"].info(what, *words, extra=about(feed=self._feed, **fields))

    def _write(self, event: GatewayEvent) -> None:
        if self._log is not None:
            note = note_of(event)
            _LOGS[note.component].log(note.level, note.what, extra=about(feed=self._feed, **note.fields))

    def _look(self, event: GatewayEvent | None) -> None:
        if self._alarms is None or self._sender is None or self._loop is None:
            return
        now_s, at_ns = time.monotonic(), time.time_ns()
        for alert in (*(self._alarms.hear(event, now_s, at_ns) if event else ()), *self._alarms.due(now_s, at_ns)):
            self._sender.post(alert)
        if self._timer is not None:
            self._timer.cancel()
        wait_s = self._alarms.wait_s(now_s)
        self._timer = None if wait_s is None else self._loop.call_later(wait_s, self._look, None)

    async def _note(self, gateway: Measured, every_s: float) -> None:
        pace, before_s = Pace(gateway.stats(), time.process_time()), time.monotonic()
        while True:
            await asyncio.sleep(every_s)
            now_s = time.monotonic()
            figures = pace.since(gateway.stats(), time.process_time(), now_s - before_s)
            what = "%(ticks_per_s)s ticks/s, %(cpu_percent)s %% of a core, %(reader_lost)s ticks lost by readers"
            _LOGS["performance"].info(what, figures, extra=about(feed=self._feed, event="performance", **figures))
            before_s = now_s

    def _delivered(self, channel: str, alert: Alert, error: KiteError | None) -> None:
        fields = about(feed=self._feed, channel=channel, kind=alert.kind, error=error.as_dict() if error else None)
        if error is None:
            _LOGS["alerts"].info("alert sent by %s: %s", channel, alert.what, extra=fields)
        else:
            _LOGS["alerts"].error("alert not sent (%s): %s", alert.what, error, extra=fields)

    def _troubled(self, problem: KiteError) -> None:
        """On the log's thread: the log can't be written."""
        self._troubles.append(problem)
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._tell_troubles)

    def _tell_troubles(self) -> None:
        while self._troubles and self._say is not None:
            self._say(GatewayEvent("message", state="log", error=self._troubles.popleft().as_dict()))


class NotedDesk:
    """A desk whose clients are written down."""

    def __init__(self, desk: Desk, feed: str) -> None:
        self._desk = desk
        self._feed = feed
        self._names: dict[int, str] = {}
        self._observers: set[int] = set()

    def join(self, client: int, hello: Hello) -> object:
        result = self._desk.join(client, hello)
        self._names[client] = f"{hello.client or 'a client'} (process {hello.pid})"
        if hello.observer:
            self._observers.add(client)
        self._note(self._level(client), client, "joins")
        return result

    def greetings(self) -> list[GatewayEvent]:
        return self._desk.greetings()

    def answer(self, client: int, request: Request) -> object:
        self._note(logging.DEBUG, client, f"asks: {type(request).__name__.lower()}")
        return self._desk.answer(client, request)

    def leave(self, client: int) -> None:
        if client in self._names:
            self._note(self._level(client), client, "leaves")
        self._names.pop(client, None)
        self._observers.discard(client)
        self._desk.leave(client)

    def _level(self, client: int) -> int:
        """Who only looks comes and goes every second."""
        return logging.DEBUG if client in self._observers else logging.INFO

    def _note(self, level: int, client: int, does: str) -> None:
        fields = about(feed=self._feed, client=client)
        _LOGS["clients"].log(level, "%s %s", self._names.get(client, "a client"), does, extra=fields)


def _sender(spec: GatewaySpec, told: Callable[[str, Alert, KiteError | None], None]) -> AlertSender | None:
    """Made before the feed streams: what HTTP needs takes 50 ms to load."""
    from kitecli.alerts.delivery import Post
    from kitecli.alerts.sender import AlertSender

    return AlertSender(spec.alerts, Post(), told) if spec.alerts else None
