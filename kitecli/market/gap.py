"""Outages as records: which instruments were without data, from when to when, and why.

The broker numbers nothing, so a missing tick can't be seen; an outage can.
"""

from __future__ import annotations

from dataclasses import dataclass


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
