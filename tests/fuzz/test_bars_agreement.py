"""The reference and the compiled pass leave the same bars, byte for byte, whatever comes in."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from random import SystemRandom
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from kitecli.bars.layout import COUNTERS, HEADER_BYTES, RINGS_OFFSET, BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.parts import BarsParts
from kitecli.ring.layout import INTENT_OFFSET, RingLayout
from kitecli.ring.memory import RingMemory
from tests.fuzz.bar_steps import Conditions, Step, bar_steps
from tests.ring.implementations import COMPILED_ONE, REFERENCE, needs_compiled

pytestmark = needs_compiled

ROWS, CAPACITY = 64, 64
FRAMES_A_SEED = 400
SEEDS = range(2_000 // FRAMES_A_SEED)
SOAK_FRAMES = 1_000_000


class Written:
    """A ring with bars, and the pass that writes them. No header is compared: it has the hour in it."""

    def __init__(self, seed: int, make_pass: Callable[..., Any]) -> None:
        how = Conditions.of(seed)
        self.bars = BarsMemory.private(BarsLayout(ROWS, CAPACITY, len(how.intervals)), how.intervals, how.grace_ms)
        self._ring = RingMemory.private(RingLayout.of(64, ROWS))
        self._pass = make_pass(self._ring, self.bars, how.timelines)

    def take(self, step: Step) -> Any:
        return step.into(self._pass)

    def memory(self) -> dict[str, bytes]:
        """By part."""
        parts = BarsParts.of(self.bars)
        return {
            "ring": self._ring.buffer[INTENT_OFFSET:],
            "rings and counters": self.bars.buffer[RINGS_OFFSET:HEADER_BYTES],
            **{name: getattr(parts, name).tobytes() for name in ("states", "hot", "cold", "bars", "links")},
        }

    def sum(self) -> int:
        return crc32(self.bars.buffer[RINGS_OFFSET:])

    def counted(self) -> Counter[str]:
        counters = BarsParts.of(self.bars).counters.tolist()
        return Counter({name: count for name, count in zip(COUNTERS, counters, strict=True) if count})


class Pair:
    """The reference's and those of what is held to it."""

    def __init__(self, seed: int, make_pass: Callable[..., Any]) -> None:
        self.reference, self.compiled = Written(seed, REFERENCE.frame_pass), Written(seed, make_pass)

    def differs(self, step: Step) -> str:
        """What the two made different of one more step; empty if nothing."""
        answers = self.reference.take(step), self.compiled.take(step)
        if answers[0] != answers[1]:
            return f"answered {answers[0]} and {answers[1]}"
        memory = self.compiled.memory()
        found = (_first(name, part, memory[name]) for name, part in self.reference.memory().items())
        return "; ".join(filter(None, found))


def _first(name: str, reference: bytes, compiled: bytes) -> str:
    if reference == compiled:
        return ""
    at = next(at for at, (a, b) in enumerate(zip(reference, compiled, strict=True)) if a != b)
    return f"{name} differs from byte {at} on"


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
    return pair.reference.counted()


def test_two_thousand_frames():
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
    memory = pair.compiled.bars
    np.frombuffer(memory.buffer, np.uint8)[memory.layout.links_offset + 1] ^= 1
    assert "links differs from byte 1 on" in disagreement(bar_steps(0, 1), pair)
