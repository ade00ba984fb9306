"""Outages as records: which instruments were without data, from when to when, and why. Sans I/O.

The broker numbers nothing, so a missing tick can't be seen; an outage can, and each is one record however many
attempts it took to end it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Gap:
    """Times are epoch nanoseconds.

    ``from_ns``: when the last message before it was received. ``to_ns``: when the first binary message was received
    after everything wanted had been asked for again, or when the feed was stopped; None while it lasts.
    ``sequence``: where it lies in the ring, known to who owns the ring: the first tick after it, or a later one.
    """

    connection: int
    tokens: tuple[int, ...]
    from_ns: int
    to_ns: int | None
    cause: str
    sequence: int | None = None


class GapBook:
    """One connection's outages. An outage is known by (connection, from_ns) from its beginning to its end."""

    def __init__(self, connection: int) -> None:
        self.count = 0
        self._connection = connection
        self._open: Gap | None = None

    def begin(self, from_ns: int, tokens: Iterable[int], cause: str) -> Gap | None:
        """The outage that begins; None where one is under way, of which this is a part."""
        if self._open is not None:
            return None
        self.count += 1
        self._open = Gap(self._connection, tuple(tokens), from_ns, None, cause)
        return self._open

    def end(self, to_ns: int, tokens: Iterable[int]) -> Gap | None:
        """The outage that is over, with ``tokens`` asked for meanwhile added to it; None where there was none."""
        if self._open is None:
            return None
        missed = tuple(dict.fromkeys((*self._open.tokens, *tokens)))
        ended, self._open = replace(self._open, tokens=missed, to_ns=to_ns), None
        return ended
