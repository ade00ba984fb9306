"""A reader of a running feed that looks at no tick: ``scaling_reader.py RING``.

Told ``go TICKS`` it says ``ready``, reads until so many ticks have come or a few seconds none, and prints a line of
JSON: what it cost, how long ago each tick was sent when its batch was in hand, and what it lost.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from time import time_ns
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.gateway.handle import attach
from kitecli.ring.memory import RingMemory
from kitecli.ring.reader import RingReader
from stream_client import stamps_ns

SILENCE_S: Final = 5.0
_US: Final = 1e3


def main(ring: str) -> None:
    reader = attach(RingMemory.attach(Path(ring)), batch=10_000, depth=True, from_oldest=False)
    print("up", flush=True)
    for line in sys.stdin:
        print("ready", flush=True)
        print(json.dumps(read_round(reader, int(line.split()[1]))), flush=True)
    reader.close()


def read_round(reader: RingReader, ticks: int) -> dict[str, float]:
    """Every figure of a round; a tick that doesn't come is lost too."""
    ages_ns: list[NDArray[np.int64]] = []
    start, wall_ns, cpu_ns, heard_s = reader.delivered, time.perf_counter_ns(), time.process_time_ns(), time.monotonic()
    while reader.delivered - start < ticks and time.monotonic() - heard_s < SILENCE_S:
        batch = reader.read(0.5)
        if batch is not None:
            heard_s = time.monotonic()
            ages_ns.append(time_ns() - stamps_ns(batch.ticks))
    wall_ns, cpu_ns = time.perf_counter_ns() - wall_ns, time.process_time_ns() - cpu_ns
    ages = np.concatenate(ages_ns or [np.zeros(1, np.int64)]) / _US
    p50, p99 = np.percentile(ages, (50, 99)).tolist()
    lost = ticks - (reader.delivered - start)
    return {"cpu_ns": cpu_ns, "wall_ns": wall_ns, "p50_us": p50, "p99_us": p99, "most_us": ages.max(), "lost": lost}


if __name__ == "__main__":
    main(sys.argv[1])
