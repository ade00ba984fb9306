"""What comes in from one client, limited in length and pace. Sans I/O: bytes and a clock are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kitecli.errors import FeedError

BYTES_AS_ONE: Final = 1024
"""A request of so many bytes costs about as much time as reading another one does."""


class LineBuffer:
    """Whole lines of a stream of bytes; none longer than ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> None:
        self._bytes += data

    def take(self) -> bytes | None:
        """The next whole line, or None until more comes. Raises :class:`FeedError` where it is too long."""
        end = self._bytes.find(b"\n", self._searched)
        if (len(self._bytes) if end < 0 else end) > self._limit:
            raise too_long(self._limit)
        if end < 0:
            self._searched = len(self._bytes)
            return None
        line = bytes(self._bytes[:end])
        del self._bytes[: end + 1]
        self._searched = 0
        return line


class Pace:
    """How many requests may be taken: ``per_s``, and ``burst`` at once. ``clock`` tells seconds.

    Who asks more is not refused but made to wait, so nothing is lost. A long request counts as several.
    """

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._at_s = clock()

    def wait_s(self) -> float:
        """How long until the next request may be taken: 0 for now."""
        now_s = self._clock()
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        return 0.0 if self._left > 0 else (1.0 - self._left) / self._per_s

    def charge(self, size_bytes: int) -> None:
        """A request of that size was taken."""
        self._left -= 1 + size_bytes / BYTES_AS_ONE


def too_long(limit: int) -> FeedError:
    """The error of a line of more than ``limit`` bytes."""
    return FeedError(
        "A message on the control socket is too long",
        why=f"no line may have more than {limit:,} bytes",
        hint="ask for fewer instruments at a time",
    )
