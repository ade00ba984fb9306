"""A thread that delivers alerts, tries again, and gives up in the end. Nothing waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Protocol

from kitecli.alerts.delivery import Undelivered
from kitecli.alerts.plan import Alert, AlertPlan
from kitecli.errors import KiteError
from kitecli.logs.courier import Courier

ROOM: Final = 100
WAITS_S: Final = (1.0, 4.0, 16.0)
"""Before the second, third and last try."""
LONGEST_WAIT_S: Final = 60.0
"""However long a server would have it: the next alert waits too."""


class Delivers(Protocol):
    """Delivers one alert; raises :class:`Undelivered`."""

    def deliver(self, plan: AlertPlan, channel: str, alert: Alert) -> None: ...


class AlertSender:
    """``told(channel, alert, error)`` hears, on the thread, what became of each; the error is None where it arrived."""

    def __init__(
        self,
        plan: AlertPlan,
        post: Delivers,
        told: Callable[[str, Alert, KiteError | None], None],
        waits_s: tuple[float, ...] = WAITS_S,
    ) -> None:
        self._plan = plan
        self._post = post
        self._told = told
        self._waits_s = waits_s
        self._hurry = threading.Event()
        self._courier: Courier[Alert] = Courier(self._send, "alerts", ROOM)

    def post(self, alert: Alert) -> bool:
        """Send it when its turn comes; False where too many wait already."""
        return self._courier.post(alert)

    def close(self, timeout_s: float) -> bool:
        """Send what waits, once each, for ``timeout_s`` at most; returns whether all was tried."""
        self._hurry.set()
        return self._courier.close(timeout_s)

    def _send(self, alert: Alert) -> None:
        for channel in self._plan.channels:
            self._told(channel, alert, self._delivered(channel, alert))

    def _delivered(self, channel: str, alert: Alert) -> KiteError | None:
        for wait_s in (*self._waits_s, None):
            try:
                self._post.deliver(self._plan, channel, alert)
            except Undelivered as failure:
                if wait_s is None or not failure.again:
                    return failure.error
                if self._hurry.wait(min(max(wait_s, failure.after_s), LONGEST_WAIT_S)):
                    return failure.error
            else:
                return None
        raise AssertionError  # the last try returns
