"""Timing into a slot, by the reference and by the compiled class, which must leave the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.hot import COMPILED
from kitecli.hot import Tally as Served
from kitecli.market.tick import FLAG_SNAPSHOT, TICK_DTYPE
from kitecli.metrics.block import Slot
from kitecli.metrics.stages import CALLBACK, READ, STAMP
from kitecli.metrics.tally import Tally

BOTH = [Tally, pytest.param(Served, marks=pytest.mark.skipif(not COMPILED, reason="isn't compiled"))]
S = 1_000_000_000


def tally(kind, slot, stage):
    return kind(slot.buffer, slot.stage_offset(stage))


def ticks(*rows):
    """Of (ts_recv_ns, ts_event_s, flags)."""
    made = np.zeros(len(rows), TICK_DTYPE)
    for tick, (received_ns, event_s, flags) in zip(made, rows, strict=True):
        tick["ts_recv_ns"], tick["ts_event_s"], tick["flags"] = received_ns, event_s, flags
    return made


@given(st.lists(st.integers(-(2**56), 2**56) | st.integers(-10, 2**43), min_size=1, max_size=50))
def test_each_latency_falls_into_the_reference_s_bucket(latencies):
    slots = [Slot.private(()) for _ in BOTH]
    for slot, kind in zip(slots, (Tally, Served), strict=True):
        one = tally(kind, slot, READ)
        for latency in latencies:
            one.add(latency)
    cells = [slot.stage(READ).cells.tolist() for slot in slots]
    assert cells[0] == cells[1]
    assert slots[1].stage(READ).max_ns == max(0, *latencies)


@pytest.mark.parametrize("kind", BOTH)
def test_what_is_absurdly_late_keeps_the_sum_from_running_over(kind):
    slot = Slot.private(())
    slot.stage(READ).cells[0] = 2**63 - 1 - 2**42
    for _ in range(3):
        tally(kind, slot, READ).add(2**62)
    read = slot.stage(READ)
    assert (read.count, read.sum_ns, read.max_ns) == (3, 2**63 - 1, 2**62)


@pytest.mark.parametrize("kind", BOTH)
def test_ticks_tell_how_old_they_are(kind):
    slot = Slot.private(())
    taken = ticks((100 * S + 50, 99, 0), (100 * S + 60, 0, 0), (100 * S + 70, 3, FLAG_SNAPSHOT), (100 * S, 100, 0))
    tally(kind, slot, READ).ticks(taken, 100 * S + 1_000, tally(kind, slot, STAMP))
    read, stamp = slot.stage(READ), slot.stage(STAMP)
    assert (read.count, read.sum_ns, read.max_ns) == (4, 1_000 * 4 - 50 - 60 - 70, 1_000)
    assert (stamp.count, stamp.sum_ns, stamp.max_ns) == (2, S + 50, S + 50)


@pytest.mark.parametrize("kind", BOTH)
def test_what_lies_between_begin_and_end_is_timed(kind):
    slot = Slot.private(())
    one = tally(kind, slot, CALLBACK)
    one.begin()
    one.end()
    assert (slot.stage(CALLBACK).count, slot.stage(CALLBACK).max_ns > 0) == (1, True)


def test_a_histogram_outside_the_memory_is_refused():
    slot = Slot.private(())
    for kind in (Tally, Served):
        with pytest.raises(ValueError):
            kind(slot.buffer, len(slot.buffer) - 8)
