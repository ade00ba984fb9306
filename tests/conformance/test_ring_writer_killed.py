"""The writer's process dies in the middle of a board row: its readers say so, have all that was published, and go on.

The pass is built with deaths planted in it, so that each dies in the place that is wanted and not somewhere near it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from kitecli.hot import RingView
from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, TICK_DTYPE
from kitecli.ring.layout import NOT_WHOLE
from kitecli.ring.memory import RingMemory
from kitecli.ring.policy import Policy
from kitecli.ring.reader import Batch, RingReader
from kitecli.ring.seats import Seat
from tests.conformance.native import compile_pass, headers, needs_compiler
from tests.conformance.ring_processes import INSTRUMENTS, PACKETS, Expected
from tests.conformance.test_ring_across_processes import Process
from tests.ring.implementations import needs_compiled

pytestmark = [
    needs_compiled,
    needs_compiler,
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="readers sleep in named pipes, which this lacks"),
]

LONG_S = 60.0
CAPACITY = 1024
DEATHS = """
#include <signal.h>
#include <stdlib.h>
static int64_t kite_dying_at = -1, kite_dying_in, kite_written;
static void kite_die(int64_t place)
{
    if (kite_dying_at < 0) {
        kite_dying_at = atoll(getenv("KITE_DIES_AT"));
        kite_dying_in = atoll(getenv("KITE_DIES_IN"));
    }
    if (kite_written == kite_dying_at && place == kite_dying_in)
        raise(SIGKILL);
}
"""
PLACES = (
    (
        "    kite_put_packet(tick, pass->board_ticks",
        "    kite_written = sequence;\n    kite_die(0);\n    kite_put_packet(tick, pass->board_ticks",
    ),
    ("    kite_put_be32x4(a->words + 4,", "    kite_die(1);\n    kite_put_be32x4(a->words + 4,"),
    ("    memcpy(a->levels, p", "    kite_die(2);\n    memcpy(a->levels, p"),
    ("    /* Released, because history", "    kite_die(3);\n    /* Released, because history"),
    (
        "    kite_store_release32(&meta->version, meta->version + 1);\n}",
        "    kite_die(4);\n    kite_store_release32(&meta->version, meta->version + 1);\n}",
    ),
)


@pytest.fixture(scope="module")
def deadly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of a pass that dies where it is told to."""
    sources = headers()
    for sound, dying in PLACES:
        assert sources["pass.h"].count(sound) == 1, f"pass.h has changed: {sound!r} should stand there once"
        sources["pass.h"] = sources["pass.h"].replace(sound, dying)
    sources["pass.h"] = sources["pass.h"].replace("/* ---- token", DEATHS + "/* ---- token", 1)
    folder = tmp_path_factory.mktemp("deadly")
    compile_pass(folder, sources)
    return folder / "native.so"


class Survivors:
    """Readers of a ring whose writer is about to die in the middle of tick ``at``, and what they must have of it."""

    def __init__(self, folder: Path, at: int, expected: Expected) -> None:
        self._expected = expected
        self._memory = RingMemory.attach(folder / "feed.ring")
        self.view = RingView(self._memory)
        self.published = at // PACKETS * PACKETS
        self.every = RingReader(self.view, seat=Seat.take(folder / "feed.seats"), from_oldest=True, depth=True)
        self.latest = [
            RingReader(self.view, policy=Policy.LATEST, from_oldest=True, depth=True, batch=batch)
            for batch in (1, CAPACITY)
        ]

    def outlive(self) -> float:
        """Read until the writer is gone; returns the time at which that was known."""
        while not self.every.writer_gone or self.every.lag() > 0:
            batch = self.every.read(LONG_S)
            if batch is not None:
                self._check(batch)
        return time.monotonic()

    def check_board(self, torn: int) -> None:
        ticks, depth = np.zeros(INSTRUMENTS, TICK_DTYPE), np.zeros(INSTRUMENTS, DEPTH_DTYPE)
        sequences = np.zeros(INSTRUMENTS, np.int64)
        rows = self.view.snapshot(ticks, depth, sequences)
        whole = np.flatnonzero(sequences[:rows] >= 0)
        assert np.flatnonzero(sequences[:rows] == NOT_WHOLE).tolist() == [torn]
        assert len(whole) == rows - 1
        assert self._expected.wrong_ticks(ticks[whole], sequences[whole]) == 0
        assert self._expected.wrong_depth(depth[whole], sequences[whole]) == 0

    def check_latest(self, reader: RingReader) -> None:
        """Every instrument's newest published tick, also the one whose row is half written; and nothing after."""
        batch = reader.poll()
        assert batch is not None
        self._check(batch)
        newest = np.arange(max(0, self.published - INSTRUMENTS), self.published)
        assert batch.sequences.tolist() == newest.tolist()
        assert reader.poll() is None
        assert reader.delivered + reader.conflated == self.published

    def _check(self, batch: Batch) -> None:
        assert self._expected.wrong_ticks(batch.ticks, batch.sequences) == 0
        assert batch.depth is not None
        deep = (batch.ticks["flags"] & FLAG_DEPTH) != 0
        assert self._expected.wrong_depth(batch.depth[deep], batch.sequences[deep]) == 0


@pytest.fixture(scope="module")
def expected() -> Expected:
    return Expected()


@pytest.fixture
def outlived(tmp_path: Path, deadly: Path, expected: Expected) -> Callable[[int, int], float]:
    def outlive(at: int, place: int) -> float:
        folder = tmp_path / f"{at}-{place}"
        folder.mkdir()
        writer = Process("die", folder, library=str(deadly), at=at, place=place, capacity=CAPACITY)
        writer.ready()
        readers = Survivors(folder, at, expected)
        died_s: list[float] = []
        waiting = threading.Thread(target=lambda: died_s.append(writer.ended_s()))
        waiting.start()
        writer.go()
        known_s = readers.outlive()
        waiting.join()
        assert readers.every.position == readers.published
        assert readers.every.delivered + readers.every.lost == readers.published
        readers.check_board(torn=at % INSTRUMENTS)
        for reader in readers.latest:
            readers.check_latest(reader)
        readers.every.close()
        writer.end()
        return known_s - died_s[0]

    return outlive


@pytest.mark.parametrize("place", range(len(PLACES)))
def test_readers_outlive_a_writer_killed_within_a_row(outlived: Callable[[int, int], float], place: int):
    outlived(5_031, place)


@pytest.mark.soak
def test_two_hundred_writers_killed_within_a_row(outlived: Callable[[int, int], float]):
    draw, began_s = Random(5), time.monotonic()
    took_s = [outlived(draw.randrange(INSTRUMENTS, 60_000), draw.randrange(len(PLACES))) for _ in range(200)]
    seen_ms = np.percentile(np.maximum(took_s, 0), [50, 100]) * 1e3
    print(f"\n200 of 200 writers killed within a board row, in {time.monotonic() - began_s:.0f} s;")
    print(f"seen by a sleeping reader after the system knew: p50 {seen_ms[0]:.1f} ms, longest {seen_ms[1]:.1f} ms")
    assert sum(one <= 0.1 for one in took_s) >= 198, "within 100 ms, but for a stall of the machine"
