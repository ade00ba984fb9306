"""How far a day is played at a moment: recorded time by our clock, as fast as wished, with pauses. Sans I/O."""

from __future__ import annotations

from typing import Final

from kitecli.clock import NS_PER_S

SPEEDS: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 0.0)
"""What the keys for slower and faster go through; 0: as fast as can be, no pauses."""
FOREVER_NS: Final = 1 << 62


class Pace:
    """``speed``: times as fast as recorded; 0: without pauses. Stands still until :meth:`begin`."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.paused = False
        self._at_ns: int | None = None
        self._since_ns = 0

    @property
    def begun(self) -> bool:
        return self._at_ns is not None

    def begin(self, at_ns: int, now_ns: int) -> None:
        """Be at a recorded instant at ``now_ns`` of our clock: at the start, and where the day was jumped in."""
        self._at_ns, self._since_ns = at_ns, now_ns

    def due_ns(self, now_ns: int) -> int:
        """The recorded instant that is reached; everything up to it is due."""
        if self._at_ns is None:
            return -1
        if self.paused:
            return self._at_ns
        if not self.speed:
            return FOREVER_NS
        return self._at_ns + round((now_ns - self._since_ns) * self.speed)

    def wait_s(self, at_ns: int, now_ns: int) -> float:
        """How long until a recorded instant is due, if nothing is changed."""
        if self.paused or not self.speed:
            return float("inf") if self.paused else 0.0
        return max(0.0, (at_ns - self.due_ns(now_ns)) / self.speed / NS_PER_S)

    def pause(self, at_ns: int, now_ns: int) -> None:
        """Stand still, or go on. ``at_ns``: what was played last."""
        self.begin(self._settled(at_ns, now_ns), now_ns)
        self.paused = not self.paused

    def set_speed(self, speed: float, at_ns: int, now_ns: int) -> None:
        """From here on at that speed."""
        self.begin(self._settled(at_ns, now_ns), now_ns)
        self.speed = speed

    def faster(self, by: int, at_ns: int, now_ns: int) -> None:
        """The next speed up (1) or down (-1) of ``SPEEDS``."""
        known = [index for index, speed in enumerate(SPEEDS) if (speed or FOREVER_NS) <= (self.speed or FOREVER_NS)]
        place = min(max((known or [0])[-1] + by, 0), len(SPEEDS) - 1)
        self.set_speed(SPEEDS[place], at_ns, now_ns)

    def _settled(self, at_ns: int, now_ns: int) -> int:
        """Where it stands; without pauses that is what was played last."""
        return self.due_ns(now_ns) if self.speed or self.paused else at_ns
