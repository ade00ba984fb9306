"""What a feed counts, against what the simulated exchange says it has sent: random runs, each equal to the last one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.stats.counting import counted_alike

pytestmark = pytest.mark.soak

RUNS = int(os.environ.get("KITE_SOAK_ROUNDS", "100"))


def test_counters_equal_the_exchange_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    began_s, total = time.monotonic(), 0
    for seed in range(1000, 1000 + RUNS):
        sent, seen, ticks = counted_alike(seed)
        assert seen == sent, f"seed {seed}"
        total += ticks
        print(f"seed {seed}: {ticks:,} ticks", flush=True)
    print(f"\n{RUNS} runs, {total:,} ticks, all counts equal, {time.monotonic() - began_s:.0f} s")
