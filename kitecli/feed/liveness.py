"""Whether a connection is alive, judged from what it has received. Sans I/O: both clocks are arguments.

============  ====================================================================================
LIVE          messages come, and ticks among them
QUIET         messages come (heartbeats), ticks don't: a closed market. Never a reason to reconnect
STALE         nothing has come for ``stale_s``: the socket is given up
RECONNECTING  no connection, or one that has not said anything yet
AUTH          the access token was refused: waiting for another one
DOWN          stopped, or refused in a way that trying again soon can't mend
============  ====================================================================================

Only messages of the server's own accord count. A pong doesn't: the machine in front of a shard that has stopped
streaming may still answer pings. Decisions are made on the monotonic clock and on whether stamps *differ*, never on
how far apart they are, so that a wall clock set by an hour changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kitecli.errors import KiteError

LOOK_S: Final = 0.25
"""How often an open connection is looked at."""
STALL_S: Final = 4 * LOOK_S
"""The most one look adds to a silence. We were stopped ourselves if looks lie further apart, and nothing was read."""


class State(StrEnum):
    LIVE = "live"
    QUIET = "quiet"
    STALE = "stale"
    RECONNECTING = "reconnecting"
    AUTH = "auth"
    DOWN = "down"


UP: Final = frozenset({State.LIVE, State.QUIET})
"""States of a connection over which ticks come, or would if there were any."""


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """``stale_s``: the broker's heartbeat comes about once a second, its own clients wait 5 s for one."""

    stale_s: float = 4.0
    quiet_s: float = 5.0
    ping_s: float = 10.0


class Silence:
    """How long something that changes now and then has stayed the same, by the time we were awake to see it."""

    def __init__(self, now_s: float, stamp_ns: int) -> None:
        self.lasted_s = 0.0
        self._looked_s = now_s
        self.stamp_ns = stamp_ns

    def look(self, now_s: float, stamp_ns: int) -> float:
        """Seconds without a change."""
        self.lasted_s = self.lasted_s + min(now_s - self._looked_s, STALL_S) if stamp_ns == self.stamp_ns else 0.0
        self._looked_s, self.stamp_ns = now_s, stamp_ns
        return self.lasted_s


class Liveness:
    """The state of one connection, since when (epoch nanoseconds) and why."""

    def __init__(self, limits: FeedLimits, wall_ns: int) -> None:
        self.state = State.RECONNECTING
        self.since_ns = wall_ns
        self.cause: KiteError | None = None
        self._limits = limits
        self._stale_s = limits.stale_s
        self._bytes = self._ticks = Silence(0.0, 0)

    def enter(self, state: State, wall_ns: int, cause: KiteError | None = None) -> None:
        """``since_ns`` stays where the state does: a tenth failure doesn't make an outage younger."""
        if state is not self.state:
            self.state, self.since_ns = state, wall_ns
        self.cause = cause

    def opened(self, now_s: float, frame_ns: int, tick_ns: int, patience: int = 1) -> None:
        """A new socket: silence counts from now. ``patience``: times the usual limit to wait for it to speak."""
        self._bytes, self._ticks = Silence(now_s, frame_ns), Silence(now_s, tick_ns)
        self._stale_s = self._limits.stale_s * patience

    def look(self, now_s: float, frame_ns: int, tick_ns: int) -> State:
        """The state an open connection should be in; ``frame_ns`` and ``tick_ns`` stamp the last message and tick."""
        if frame_ns != self._bytes.stamp_ns:  # it speaks: no more than the usual patience from now on
            self._stale_s = self._limits.stale_s
        silent_s, idle_s = self._bytes.look(now_s, frame_ns), self._ticks.look(now_s, tick_ns)
        if silent_s >= self._stale_s:
            return State.STALE
        if self.state not in (State.LIVE, State.QUIET):
            return self.state
        return State.QUIET if idle_s >= self._limits.quiet_s else State.LIVE
