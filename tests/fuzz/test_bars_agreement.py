"""The reference and the compiled pass leave the same bars, byte for byte, whatever comes in."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from random import SystemRandom
from typing import Any

import numpy as np
import pytest

from kitecli.bars.layout import COUNTERS, RINGS_OFFSET, BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.parts import BarsParts
from kitecli.ring.layout import INTENT_OFFSET, RingLayout
from kitecli.ring.memory import RingMemory
from tests.fuzz.bar_steps import Conditions, Step, bar_steps
from tests.ring.implementations import COMPILED_ONE, REFERENCE, needs_compiled

pytestmark = needs_compiled

ROWS, CAPACITY = 64, 64
FRAMES_A_SEED = 400
SEEDS = range(10_000 // FRAMES_A_SEED)
SOAK_FRAMES = 1_000_000


class Pair:
    """Two rings with bars, written by the reference and by what is held to it."""

    def __init__(self, seed: int, make_pass: Callable[..., Any]) -> None:
        how = Conditions.of(seed)
        layout = BarsLayout(ROWS, CAPACITY, len(how.intervals))
        self.bars = [BarsMemory.private(layout, how.intervals, how.grace_ms) for _ in range(2)]
        self._rings = [RingMemory.private(RingLayout.of(64, ROWS)) for _ in range(2)]
        makers = (REFERENCE.frame_pass, make_pass)
        self._passes = [
            make(ring, bars, how.timelines) for make, ring, bars in zip(makers, self._rings, self.bars, strict=True)
        ]

    def differs(self, step: Step) -> str:
        """What the two made different of one more step; empty if nothing."""
        answers = [step.into(one) for one in self._passes]
        if answers[0] != answers[1]:
            return f"answered {answers[0]} and {answers[1]}"
        return self._differ(self.bars, RINGS_OFFSET) or self._differ(self._rings, INTENT_OFFSET)

    def counted(self) -> Counter[str]:
        counters = BarsParts.of(self.bars[0]).counters.tolist()
        return Counter({name: count for name, count in zip(COUNTERS, counters, strict=True) if count})

    @staticmethod
    def _differ(memories: list[Any], start: int) -> str:
        reference, compiled = (memory.buffer[start:] for memory in memories)
        if reference == compiled:
            return ""
        at = next(at for at, (a, b) in enumerate(zip(reference, compiled, strict=True)) if a != b) + start
        return f"{type(memories[0]).__name__} differs from byte {at} on, {_part(memories[0], at)}"


def _part(memory: Any, at: int) -> str:
    names = [name for name in dir(type(memory.layout)) if name.endswith("_offset")]
    starts = {getattr(memory.layout, name): name for name in names}
    start = max((start for start in starts if start <= at), default=0)
    return f"{at - start} into {starts.get(start, 'the header')}"


def disagreement(some: Iterable[Step], pair: Pair) -> str:
    """The first difference, and after how many steps it came."""
    for number, step in enumerate(some):
        if problem := pair.differs(step):
            return f"step {number}, {type(step).__name__}: {problem}"
    return ""


def check(seed: int, frames: int = FRAMES_A_SEED) -> Counter[str]:
    assert COMPILED_ONE is not None
    pair = Pair(seed, COMPILED_ONE.frame_pass)
    problem = disagreement(bar_steps(seed, frames), pair)
    assert not problem, f"seed {seed}: {problem}"
    return pair.counted()


def test_ten_thousand_frames():
    counted = sum((check(seed) for seed in SEEDS), Counter())
    print(f"{len(SEEDS) * FRAMES_A_SEED:,} frames, seeds {SEEDS.start} to {SEEDS.stop - 1}: {dict(counted)}")
    assert set(counted) == set(COUNTERS), "everything that is counted came, or this has shown nothing"


@pytest.mark.soak
@pytest.mark.parametrize("part", range(10))
def test_a_million_frames(part: int):
    first, began_s = SystemRandom().randrange(1 << 40), time.monotonic()
    seeds = range(first, first + SOAK_FRAMES // 10 // FRAMES_A_SEED)
    print(f"\nseeds {seeds.start} to {seeds.stop - 1}")
    counted = sum((check(seed) for seed in seeds), Counter())
    print(f"{len(seeds) * FRAMES_A_SEED:,} frames in {time.monotonic() - began_s:.0f} s: {dict(counted)}")


def test_the_comparison_would_notice_a_single_byte():
    """The guard of the guard."""
    assert COMPILED_ONE is not None
    pair = Pair(0, COMPILED_ONE.frame_pass)
    np.frombuffer(pair.bars[1].buffer, np.uint8)[pair.bars[1].layout.links_offset] ^= 1
    assert "links_offset" in disagreement(bar_steps(0, 1), pair)
