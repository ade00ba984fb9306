"""Which events of a feed are worth an alert, and when. Sans I/O: the clock is an argument.

An outage is told once it has lasted ``outage_after_s``, and its end if its beginning was; so is a recording's alarm.
"""

from __future__ import annotations

from typing import Any

from kitecli.alerts.plan import Alert, AlertPlan, Kind
from kitecli.alerts.policy import AlertPolicy
from kitecli.clock import NS_PER_S
from kitecli.gateway.spec import GatewayEvent


class Alarms:
    """One feed's. ``now_s`` is any clock that only goes on, ``at_ns`` the time for people."""

    def __init__(self, plan: AlertPlan, feed: str) -> None:
        self._policy = AlertPolicy(plan)
        self._after_s = plan.outage_after_s
        self._feed = feed
        self._lasting: dict[int, tuple[float, GatewayEvent]] = {}
        self._told: set[int] = set()
        self._unrecorded = False

    def hear(self, event: GatewayEvent, now_s: float, at_ns: int) -> list[Alert]:
        """What is to be sent because of ``event``."""
        match event.kind, event.state:
            case "gap", _:
                found = self._gap(event, now_s, at_ns)
            case "connection", "auth":
                found = self._error("token", "The broker refuses the access token", event, at_ns)
            case "recording", "alarm" | "refused":
                found = self._error("recording", "The feed is not recorded", event, at_ns)
            case "recording", "on":
                found = self._recorded_again(at_ns)
            case "silent", "silent":
                count = len(event.data) if isinstance(event.data, list) else 0
                found = [self._made("silent", f"{count} instruments have stopped ticking", "", at_ns)]
            case "failed", _:
                found = self._error("ended", "The feed has ended", event, at_ns)
            case _:
                return []
        sent = self._admitted(found, now_s)
        self._unrecorded = self._unrecorded or any(alert.kind == "recording" and alert.grave for alert in sent)
        return sent

    def due(self, now_s: float, at_ns: int) -> list[Alert]:
        """The outages that have lasted long enough by now."""
        ripe = [number for number, (since_s, _) in self._lasting.items() if now_s - since_s >= self._after_s]
        sent: list[Alert] = []
        for number in ripe:
            since_s, event = self._lasting.pop(number)
            found = self._admitted([self._outage(number, event, now_s - since_s, at_ns)], now_s)
            if found:
                self._told.add(number)
            sent += found
        return sent

    def wait_s(self, now_s: float) -> float | None:
        """How long until :meth:`due` has something, if nothing happens; None where no outage lasts."""
        left = [since_s + self._after_s - now_s for since_s, _ in self._lasting.values()]
        return max(0.0, min(left)) if left else None

    def _gap(self, event: GatewayEvent, now_s: float, at_ns: int) -> list[Alert]:
        gap = _record(event)
        number = int(gap.get("number", 0))
        if gap.get("to_ns") is None:
            self._lasting[number] = (now_s, event)
            return []
        self._lasting.pop(number, None)
        if number not in self._told:
            return []
        self._told.discard(number)
        lasted_s = (gap["to_ns"] - gap["from_ns"]) / NS_PER_S
        what = f"Connection {event.connection} streams again after {lasted_s:.1f} s"
        return [self._made("outage", what, "", at_ns, key=f"{number} over", grave=False)]

    def _outage(self, number: int, event: GatewayEvent, lasted_s: float, at_ns: int) -> Alert:
        gap = _record(event)
        count = len(gap.get("tokens", ()))
        what = f"No ticks on connection {event.connection} for {lasted_s:.0f} s, {count:,} instruments"
        return self._made("outage", what, f"outage {number}: {gap.get('cause', '')}", at_ns, key=str(event.connection))

    def _recorded_again(self, at_ns: int) -> list[Alert]:
        if not self._unrecorded:
            return []
        self._unrecorded = False
        return [self._made("recording", "The feed is recorded again", "", at_ns, key=f"over {at_ns}", grave=False)]

    def _error(self, kind: Kind, what: str, event: GatewayEvent, at_ns: int) -> list[Alert]:
        said = [str(event.error.get(part, "")) for part in ("what", "why", "hint")]
        why = ": ".join(filter(None, said[:2])) + (f"; {said[2]}" if said[2] else "")
        return [self._made(kind, what, why, at_ns)]

    def _made(self, kind: Kind, what: str, why: str, at_ns: int, *, key: str = "", grave: bool = True) -> Alert:
        return Alert(kind, what, why, self._feed, at_ns, key, grave)

    def _admitted(self, alerts: list[Alert], now_s: float) -> list[Alert]:
        found = (self._policy.admit(alert, now_s) for alert in alerts)
        return [alert for alert in found if alert is not None]


def _record(event: GatewayEvent) -> dict[str, Any]:  # Any: a GapRecord's values
    return event.data if isinstance(event.data, dict) else {}
