"""The most that still does: the rate is doubled until something breaks, then the step between is halved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

CLOSE: Final = 1.1
"""The search ends when what broke is at most so many times what held."""
LEAST_SHARE: Final = 1 / 64
"""Of the first rate: where even that breaks, it is the machine."""


@dataclass(frozen=True, slots=True)
class Step:
    """``broke``: what gave way at this rate, "" for nothing."""

    rate: float
    broke: str


@dataclass(frozen=True, slots=True)
class Limit:
    """``held``: the highest rate at which everything did, 0 for none. ``broke_at``: the lowest above it that broke,
    None where nothing did up to the highest rate there is. ``broke``: what it was."""

    steps: tuple[Step, ...]

    @property
    def held(self) -> float:
        broke_at = self.broke_at or float("inf")
        return max((step.rate for step in self.steps if not step.broke and step.rate < broke_at), default=0.0)

    @property
    def broke_at(self) -> float | None:
        return min((step.rate for step in self.steps if step.broke), default=None)

    @property
    def broke(self) -> str:
        return next((step.broke for step in self.steps if step.rate == self.broke_at), "")


def find_limit(start: float, most: float, try_rate: Callable[[float], str]) -> Limit:
    """``try_rate`` runs a rate and says what broke. ``most``: no rate above is tried."""
    steps: list[Step] = []
    rate = min(start, most)
    while True:
        steps.append(Step(rate, try_rate(rate)))
        limit = Limit(tuple(steps))
        low, high = limit.held, limit.broke_at
        if high is None:
            if rate >= most:
                return limit
            rate = min(rate * 2, most)
        elif low == 0.0:
            if high <= start * LEAST_SHARE:
                return limit
            rate = high / 2
        elif high / low <= CLOSE:
            return limit
        else:
            rate = (low + high) / 2
