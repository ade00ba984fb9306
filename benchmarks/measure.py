"""Measuring side by side: every round runs each candidate once, in an order that turns, and the median round counts.

The machine is somebody else's too, so CPU time stands beside wall time, and what is to be compared shares a run.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter_ns, process_time_ns
from typing import TypeVar

Size = TypeVar("Size")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much to measure. ``smoke`` only shows that everything runs: its figures mean nothing."""

    name: str

    def pick(self, full: Size, quick: Size, smoke: Size) -> Size:
        return {"full": full, "quick": quick, "smoke": smoke}[self.name]


@dataclass(slots=True)
class Cost:
    """Nanoseconds of one candidate, a figure for each round."""

    wall_ns: list[float] = field(default_factory=list)
    cpu_ns: list[float] = field(default_factory=list)

    def add(self, wall_ns: float, cpu_ns: float) -> None:
        self.wall_ns.append(wall_ns)
        self.cpu_ns.append(cpu_ns)

    def per(self, items: int, without: Cost | None = None) -> tuple[float, float]:
        """Median (wall, CPU) nanoseconds an item, less what another candidate took in the same round."""
        zeros = [0.0] * len(self.wall_ns)
        wall = zip(self.wall_ns, without.wall_ns if without else zeros, strict=True)
        cpu = zip(self.cpu_ns, without.cpu_ns if without else zeros, strict=True)
        return median(a - b for a, b in wall) / items, median(a - b for a, b in cpu) / items


def in_turns(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_rounds: int = 1,
    between: Callable[[], object] = lambda: None,
) -> dict[str, Cost]:
    """Run every candidate once a round; the first ``warm_rounds`` don't count. ``between`` follows each round."""
    costs = {name: Cost() for name in candidates}
    names = list(candidates)
    for number in range(warm_rounds + rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            wall_ns, cpu_ns = _timed(candidates[name])
            if number >= warm_rounds:
                costs[name].add(wall_ns, cpu_ns)
        between()
    return costs


def _timed(candidate: Callable[[], object]) -> tuple[int, int]:
    gc.collect()
    cpu_ns, wall_ns = process_time_ns(), perf_counter_ns()
    candidate()
    return perf_counter_ns() - wall_ns, process_time_ns() - cpu_ns


def percentile(values: list[int], percent: float) -> float:
    """The value that ``percent`` of them don't pass."""
    ranked = sorted(values)
    return float(ranked[min(len(ranked) - 1, max(0, round(len(ranked) * percent / 100) - 1))])
