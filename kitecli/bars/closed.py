"""Closed bars: a ring for each series, as :mod:`kitecli.bars.layout` draws it, in which records are never changed."""

from __future__ import annotations

from typing import Final

import numpy as np

from kitecli.bars.forming import U32
from kitecli.bars.layout import COUNTERS
from kitecli.bars.parts import BarsParts

MOST_LOOKED_AT: Final = 4096
"""Records of an instrument looked at to find where a late tick belongs."""


class ClosedBars:
    """The rings of all series, for their writer."""

    def __init__(self, parts: BarsParts) -> None:
        self._parts = parts
        self._capacity = parts.bars.shape[1]

    def append(self, series: int, row: int, record: np.void) -> None:
        """Publish a closed bar of an instrument, or a revision of one."""
        parts, sequence = self._parts, int(self._parts.cursor[series])
        slot = sequence & (self._capacity - 1)
        cold = parts.cold[row, series]
        previous = int(cold["next_sequence"])
        distance = sequence + 1 - previous
        parts.intent[series] = sequence + 1
        parts.bars[series, slot] = record
        parts.links[series, slot] = distance if previous and distance <= U32 else 0
        cold["next_sequence"] = sequence + 1
        parts.cursor[series] = sequence + 1

    def since(self, series: int, row: int, start_ms: int) -> list[np.void] | None:
        """An instrument's records, newest first, as far back as to where none before can start at ``start_ms``.

        That is the first one that is no revision and starts at or before it: those come in the order of their starts.
        None if the ring doesn't hold them all any more.
        """
        found: list[np.void] = []
        sequence = int(self._parts.cold[row, series]["next_sequence"]) - 1
        oldest = int(self._parts.cursor[series]) - self._capacity
        while sequence >= 0:
            if sequence < oldest or len(found) == MOST_LOOKED_AT:
                return None
            slot = sequence & (self._capacity - 1)
            record = self._parts.bars[series, slot].copy()
            found.append(record)
            if record["revision"] == 0 and record["start_ms"] <= start_ms:
                break
            link = int(self._parts.links[series, slot])
            sequence = sequence - link if link else -1
        return found

    def count(self, **counts: int) -> None:
        """Add to the counters of :data:`~kitecli.bars.layout.COUNTERS`."""
        for name, amount in counts.items():
            self._parts.counters[COUNTERS.index(name)] += np.uint64(amount)
