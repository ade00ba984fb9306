"""The reference and the compiled pass leave the same memory, byte for byte, whatever comes in."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest

from kitecli.ring.layout import COUNTERS, INTENT_OFFSET, RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.parts import RingParts
from tests.fuzz.frames import frames, steps
from tests.ring.implementations import COMPILED_ONE, REFERENCE, needs_compiled

pytestmark = needs_compiled

Step = bytes | dict[int, str]
REGRESSIONS = Path(__file__).with_name("regressions.txt")
FRAMES_A_RING = 500
# What has found a bug before is in regressions.txt; these seeds only make every ordinary run the same.
SEEDS = range(10_000 // FRAMES_A_RING)
SOAK_FRAMES = 1_000_000
ROUNDED_MB = 4


class Pair:
    """Two rings of one layout, written by the reference and by what is held to it."""

    def __init__(self, layout: RingLayout, make_pass: Callable[[RingMemory], Any]) -> None:
        self.layout = layout
        self._memories = [RingMemory.private(layout) for _ in range(2)]
        makers = (REFERENCE.frame_pass, make_pass)
        self._passes = [make(memory) for make, memory in zip(makers, self._memories, strict=True)]

    def differs(self, step: Step, ts_recv_ns: int, connection: int) -> str:
        """What the two made different of one more step; empty if nothing."""
        brought = [_taken(one, step, ts_recv_ns, connection) for one in self._passes]
        if brought[0] != brought[1]:
            return f"brought {brought[0]} and {brought[1]} ticks"
        reference, compiled = (memory.buffer[INTENT_OFFSET:] for memory in self._memories)
        if reference == compiled:
            return ""
        at = next(at for at, (a, b) in enumerate(zip(reference, compiled, strict=True)) if a != b)
        return f"memory differs from byte {at + INTENT_OFFSET} on"

    def counted(self) -> Counter[str]:
        counters = RingParts.of(self._memories[0]).counters.tolist()
        return Counter({name: count for name, count in zip(COUNTERS, counters, strict=True) if count})


def _taken(one: Any, step: Step, ts_recv_ns: int, connection: int) -> Any:
    return one.expect_snapshots(step) if isinstance(step, dict) else one.ingest(step, ts_recv_ns, connection)


def compiled_pair(layout: RingLayout) -> Pair:
    assert COMPILED_ONE is not None
    return Pair(layout, COMPILED_ONE.frame_pass)


def layout_of(seed: int) -> RingLayout:
    draw = Random(seed)
    return RingLayout.of(draw.choice((64, 128, 256)), draw.choice((64, 128)))


def disagreement(some: Iterable[Step], pair: Pair) -> tuple[str, list[Step]]:
    """The first difference, and the steps that led to it."""
    seen: list[Step] = []
    for number, step in enumerate(some):
        seen.append(step)
        if problem := pair.differs(step, 10**18 + number, number % 3):
            return problem, seen
    return "", []


def word(step: Step) -> str:
    """A step as it is kept: a frame in hexadecimal, an expectation as token:mode,token:mode."""
    if isinstance(step, dict):
        return ",".join(f"{token:x}:{mode}" for token, mode in step.items()) or ":"
    return step.hex() or "-"


def step_of(word: str) -> Step:
    if ":" not in word:
        return bytes.fromhex(word.replace("-", ""))
    pairs = [pair.split(":") for pair in word.split(",") if pair != ":"]
    return {int(token, 16): mode for token, mode in pairs}


def check(seed: int) -> Counter[str]:
    """Both leave the same after every frame of this seed; returns what was counted."""
    pair = compiled_pair(layout_of(seed))
    problem, guilty = disagreement(steps(seed, FRAMES_A_RING), pair)
    if disagreement(guilty[-1:], compiled_pair(pair.layout))[0]:
        guilty = guilty[-1:]  # it needs no history
    line = " ".join(map(word, guilty))
    assert not problem, f"seed {seed}: {problem}. Keep this line in {REGRESSIONS.name}:\n{line}"
    return pair.counted()


def resident_mb() -> float:
    """Resident memory of this process; 0 where the system doesn't say."""
    if sys.platform != "linux":
        return 0.0
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@pytest.mark.parametrize("line", [line for line in REGRESSIONS.read_text().splitlines() if line[:1] not in ("", "#")])
def test_frames_that_once_failed(line: str):
    kept = [step_of(word) for word in line.split()]
    for seed in range(6):
        assert disagreement(kept, compiled_pair(layout_of(seed))) == ("", [])


def test_ten_thousand_frames():
    for seed in SEEDS[:5]:
        check(seed)
    before = resident_mb()
    counted = sum((check(seed) for seed in SEEDS[5:]), Counter())
    print(f"{len(SEEDS) * FRAMES_A_RING:,} frames, seeds {SEEDS.start} to {SEEDS.stop - 1}: {dict(counted)}")
    assert resident_mb() - before < ROUNDED_MB
    assert set(counted) == set(COUNTERS), "every kind of damage came, or this has shown nothing"


@pytest.mark.soak
@pytest.mark.parametrize("part", range(10))
def test_a_million_frames(part: int):
    first = SystemRandom().randrange(1 << 40)
    seeds = range(first, first + SOAK_FRAMES // 10 // FRAMES_A_RING)
    print(f"\nseeds {seeds.start} to {seeds.stop - 1}")
    for seed in seeds[:20]:
        check(seed)
    before = resident_mb()
    counted = sum((check(seed) for seed in seeds[20:]), Counter())
    grown = resident_mb() - before
    print(f"{len(seeds) * FRAMES_A_RING:,} frames, memory grew by {grown:.2f} MB: {dict(counted)}")
    assert grown < ROUNDED_MB


def test_a_kept_line_is_what_was_kept():
    kept = list(steps(5, 200))
    assert any(isinstance(step, dict) for step in kept)
    assert [step_of(word(step)) for step in kept] == kept


def test_the_comparison_would_notice_a_single_byte():
    """The guard of the guard: one flipped bit in one ring is seen."""
    pair = compiled_pair(layout_of(0))
    pair._memories[1].buffer[pair._memories[1].layout.links_offset] ^= 1
    assert "memory differs" in pair.differs(b"\x00\x00", 1, 0)


@pytest.mark.parametrize("sequence", [2**32 - 3, 2**32, 2**40, 2**62])
def test_sequences_of_a_ring_that_has_run_for_years(sequence: int):
    """Also: an instrument last seen more than 2^32 ticks ago, farther than a link reaches."""
    pair = compiled_pair(RingLayout.of(64, 64))
    first, rest = list(frames(1, 20)), steps(2, 200)
    assert disagreement(first, pair) == ("", [])
    for memory in pair._memories:
        parts = RingParts.of(memory)
        parts.intent[0] = parts.cursor[0] = sequence
    assert disagreement(rest, pair) == ("", [])
