"""A day's outages, each once: a recording tells of one when it begins and again when it ends."""

from __future__ import annotations

from collections.abc import Iterable

from kitecli.market.gap import Gap


def outages(told: Iterable[Gap]) -> list[Gap]:
    """In the order they began; ``to_ns`` is None where nothing tells of an end."""
    found: list[Gap] = []
    lasting: dict[tuple[int, int], int] = {}
    for gap in told:
        key = (gap.connection, gap.from_ns)
        place = lasting.pop(key, len(found))
        found[place : place + 1] = [gap]
        if gap.to_ns is None:
            lasting[key] = place
    return sorted(found, key=lambda gap: gap.from_ns)
