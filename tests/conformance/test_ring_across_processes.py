"""One writer at full speed, readers in other processes: nothing torn, nothing unaccounted for, nobody left asleep."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ring.implementations import needs_compiled

pytestmark = [
    needs_compiled,
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="readers sleep in named pipes, which this lacks"),
]

CHECKOUT = Path(__file__).parents[2]
NORMAL_S, SOAK_S = 1.5, 30.0
SOAK_READS = 100_000_000
READERS = (
    {"batch": 10_000, "depth": True},
    {"batch": 7, "depth": False},
    {"batch": 2_000, "depth": True, "policy": "latest"},
    {"batch": 2_000, "depth": False, "policy": "drop-oldest"},
)
MORE_READERS = (*READERS, {"batch": 100, "depth": True}, {"batch": 10_000, "depth": False, "spin": True})


class Process:
    """A role of its module; its first word is "ready", its last its result."""

    module = "tests.conformance.ring_processes"

    def __init__(self, role: str, folder: Path, **how: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module, role, str(folder), json.dumps(how)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == '"ready"\n'

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        out, _ = self._process.communicate(timeout=500)
        assert self._process.returncode == 0
        return json.loads(out)

    def ended_s(self) -> float:
        """Wait for its end, and return when that was known."""
        self._process.wait(500)
        return time.monotonic()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a role and waits until it is ready."""
    started = []

    def start(role: str, **how: object) -> Process:
        started.append(Process(role, tmp_path, **how))
        started[-1].ready()
        return started[-1]

    yield start
    for process in started:
        process.end()


def run(start: Start, capacity: int, seconds: float, kinds: Sequence[dict[str, Any]] = READERS) -> int:
    """Every reader has what it should, and none of it torn; returns how many rows they read."""
    writer = start("write", capacity=capacity, seconds=seconds)
    readers, board = [start("read", **how) for how in kinds], start("watch")
    writer.go()
    produced, rows = writer.result()["produced"], 0
    print(f"\n{produced:,} ticks through a ring of {capacity:,} in {seconds} s")
    for how, reader in zip(kinds, readers, strict=True):
        found = reader.result()
        print(how, found)
        assert (found["wrong"], found["wrong_depth"], found["repeated"]) == (0, 0, 0)
        assert found["delivered"] + found["conflated"] + found["lost"] == produced
        assert found["told"] == produced
        if how.get("policy") == "latest":
            assert (found["lost"], found["left_out"]) == (0, 0)
        rows += found["delivered"]
    found = board.result()
    print("board and history", found)
    assert (found["wrong"], found["wrong_depth"]) == (0, 0)
    assert found["rows"] > 0
    assert found["history_rows"] > 0
    return int(rows + found["rows"] + found["history_rows"])


@pytest.mark.parametrize("capacity", [4096])
def test_readers_of_every_policy_see_every_tick_or_are_told_what_they_missed(start: Start, capacity: int):
    run(start, capacity, NORMAL_S)


@pytest.mark.soak
def test_a_hundred_million_reads_and_none_torn(start: Start):
    """Beside a writer at full speed, in rings so short that it laps their readers all the time and in longer ones."""
    rows, began_s = 0, time.monotonic()
    for capacity in itertools.cycle((64, 1024, 4096, 32_768)):
        rows += run(start, capacity, SOAK_S, MORE_READERS)
        print(f"{rows:,} reads in {time.monotonic() - began_s:.0f} s, 0 torn")
        if rows >= SOAK_READS and capacity == 32_768:
            return


@pytest.mark.soak
def test_readers_that_come_and_are_killed_disturb_nobody(start: Start, tmp_path: Path):
    writer = start("write", capacity=4096, seconds=SOAK_S)
    steady = start("read", batch=10_000, depth=True)
    writer.go()
    for visit in range(30):
        start("read", batch=100, depth=bool(visit % 2)).end()
    produced = writer.result()["produced"]
    found = steady.result()
    print(f"\n{produced:,} ticks, 30 readers killed: {found}")
    assert (found["wrong"], found["wrong_depth"]) == (0, 0)
    assert found["delivered"] + found["lost"] == produced
    assert list(tmp_path.iterdir()) == [], "the writer removed their pipes"


def test_a_reader_that_ignores_what_was_overwritten_sees_torn_rows(start: Start):
    """Shows that the test above would see them, and that the intent is what keeps readers from them."""
    writer = start("write", capacity=64, seconds=60)
    reader = start("read_heedlessly", enough=10, seconds=30)
    writer.go()
    found = reader.result()
    print(f"\n{found}")
    assert found["torn"] >= 10


@pytest.mark.parametrize("rounds", [5_000, pytest.param(300_000, marks=pytest.mark.soak)])
def test_no_wake_up_is_lost_between_processes(start: Start, rounds: int):
    """A reader that would sleep for twenty seconds gets one message at a time, and never sleeps so long.

    Without the two fences between a flag and a cursor, one in half a million did.
    """
    patience_s = 20.0
    writer, reader = start("answer", rounds=rounds), start("sleep", patience_s=patience_s)
    found = reader.result()
    assert found["delivered"] == writer.result()["produced"] == rounds * 50
    assert max(found["latencies_ns"]) < patience_s * 1e9
    p50, p99, most = np.percentile(found["latencies_ns"], [50, 99, 100]) / 1e3
    print(f"\n{rounds:,} wake-ups: p50 {p50:.0f} us, p99 {p99:.0f} us, longest {most:.0f} us")
