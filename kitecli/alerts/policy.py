"""Which alerts go out: none twice in a while, and not too many in an hour. Sans I/O; the clock is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from kitecli.alerts.plan import Alert, AlertPlan

HOUR_S: Final = 3600.0
KEYS_MOST: Final = 1_000
"""Remembered; the oldest is forgotten, and could be told twice."""


class AlertPolicy:
    """``now_s`` is any clock that only goes on."""

    def __init__(self, plan: AlertPlan) -> None:
        self._plan = plan
        self._told_s: dict[tuple[str, str], float] = {}
        self._sent_s: deque[float] = deque()
        self._held_back = 0

    def admit(self, alert: Alert, now_s: float) -> Alert | None:
        """The alert as it is to be sent, with how many were held back since the last; None: not now."""
        if alert.kind not in self._plan.kinds:
            return None
        if self._is_told(alert, now_s) or self._is_full(now_s):
            self._held_back += 1
            return None
        self._told_s.pop((alert.kind, alert.key), None)
        self._told_s[alert.kind, alert.key] = now_s
        if len(self._told_s) > KEYS_MOST:
            del self._told_s[next(iter(self._told_s))]
        self._sent_s.append(now_s)
        held_back, self._held_back = self._held_back, 0
        return replace(alert, held_back=held_back)

    def _is_told(self, alert: Alert, now_s: float) -> bool:
        told_s = self._told_s.get((alert.kind, alert.key))
        return told_s is not None and now_s - told_s < self._plan.repeat_after_s

    def _is_full(self, now_s: float) -> bool:
        while self._sent_s and now_s - self._sent_s[0] >= HOUR_S:
            self._sent_s.popleft()
        return len(self._sent_s) >= self._plan.most_per_hour
