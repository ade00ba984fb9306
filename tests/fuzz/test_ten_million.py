"""Ten million frames of the fuzzer's, to the tick a user sees: nothing raises, nothing grows, and all adds up.

The reference isn't asked here (``test_agreement`` does that): it would take days.
"""

from __future__ import annotations

import os
from collections import Counter
from random import SystemRandom

import pytest

from kitecli.hot import FramePass, RingView
from kitecli.market.view import ticks_of
from kitecli.ring.layout import COUNTERS, RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.reader import RingReader
from tests.fuzz.frames import steps
from tests.fuzz.test_agreement import ROUNDED_MB, resident_mb
from tests.ring.implementations import needs_compiled

pytestmark = needs_compiled

FRAMES = int(os.environ.get("KITE_FUZZ_FRAMES", "10000000"))
FRAMES_A_RING = 10_000
SHOWN = 97
"""Of so many steps, one's ticks are looked at as a user does: all of them would take an hour."""


def run(seed: int) -> Counter[str]:
    """One ring's frames; returns what was counted."""
    memory = RingMemory.private(RingLayout.of(4096, 64))
    frame_pass, reader = FramePass(memory), RingReader(RingView(memory), depth=True)
    brought = frames = 0
    for number, step in enumerate(steps(seed, FRAMES_A_RING)):
        if isinstance(step, dict):
            frame_pass.expect_snapshots(step)
            continue
        frames += 1
        brought += frame_pass.ingest(step, 10**18 + number, number % 3)
        batch = reader.poll()
        if batch is not None and number % SHOWN == 0:
            assert all(tick.to_json_dict() for tick in ticks_of(batch.ticks, batch.depth, batch.sequences))
    counted = dict(zip(COUNTERS, reader.view.counters().tolist(), strict=True))
    assert counted["frames"] == frames
    assert counted["ticks"] == brought == reader.delivered + reader.lost
    memory.close()
    return Counter(counted)


def test_frames_to_what_a_user_sees():
    counted = run(7)
    assert all(counted[kind] for kind in COUNTERS), "every kind of damage came, or this has shown nothing"


@pytest.mark.soak
def test_ten_million_frames_raise_nothing_and_leave_nothing():
    first = SystemRandom().randrange(1 << 40)
    counted = sum((run(seed) for seed in range(first, first + 20)), Counter())
    before = resident_mb()
    counted += sum((run(seed) for seed in range(first + 20, first + FRAMES // FRAMES_A_RING)), Counter())
    grown = resident_mb() - before
    print(f"\nseeds from {first}: {counted['frames']:,} frames, memory grew by {grown:.2f} MB: {dict(counted)}")
    assert grown < ROUNDED_MB
