"""A process of its own that maps a feed's ring and bars, and keeps every byte of them as they are when the feed ends.

``python -m tests.conformance.memory_dumper RUNTIME_FOLDER FEED OUT``: says "mapped" once it has them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from kitecli.bars.memory import BarsMemory
from kitecli.errors import DataError
from kitecli.gateway.lock import FeedPlace
from kitecli.hot import RingView
from kitecli.ring.memory import RingMemory
from tests.replay.live import memory_of

LONGEST_S = 60


def main(folder: str, feed: str, out: str) -> None:
    place, deadline_s = FeedPlace(Path(folder), feed), time.monotonic() + LONGEST_S
    while (mapped := _mapped(place)) is None and time.monotonic() < deadline_s:
        time.sleep(0.01)
    ring, bars = mapped
    print("mapped", flush=True)
    while not RingView(ring).closed() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    Path(out, "ring").write_bytes(memory_of(ring))
    Path(out, "bars").write_bytes(memory_of(bars))


def _mapped(place: FeedPlace) -> tuple[RingMemory, BarsMemory] | None:
    if not place.card.exists():
        return None
    try:
        return RingMemory.attach(place.ring), BarsMemory.attach(place.bars)
    except DataError:
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
