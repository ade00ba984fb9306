"""Timing into a stage's histogram: the reference of the compiled ``Tally``, and what serves where that isn't there."""

from __future__ import annotations

import mmap
import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.market.tick import FLAG_SNAPSHOT
from kitecli.metrics.histogram import CELLS, LatencyHistogram

_NS_PER_S: Final = 1_000_000_000


class Tally:
    """The one writer of the histogram whose cells stand ``offset`` bytes into ``buffer``."""

    def __init__(self, buffer: mmap.mmap, offset: int) -> None:
        self._histogram = LatencyHistogram(np.frombuffer(buffer, np.int64, CELLS, offset))
        self._began_ns = 0

    def add(self, latency_ns: int) -> None:
        """Count one latency; a negative one as zero."""
        self._histogram.record(np.array([latency_ns], np.int64))

    def begin(self) -> None:
        """What is timed begins now."""
        self._began_ns = time.monotonic_ns()

    def end(self) -> None:
        """It has ended: count how long it took."""
        self.add(time.monotonic_ns() - self._began_ns)

    def ticks(self, ticks: NDArray[np.void], now_ns: int, stamps: Tally) -> None:
        """Count how long before ``now_ns`` each tick was received, and in ``stamps`` how long after its exchange's
        stamp that was. Ticks without a stamp, and the cached ones that answer a subscription, have no such age."""
        received = ticks["ts_recv_ns"]
        self._histogram.record(now_ns - received)
        stamped = (ticks["ts_event_s"] != 0) & (ticks["flags"] & FLAG_SNAPSHOT == 0)
        stamps._histogram.record((received - ticks["ts_event_s"].astype(np.int64) * _NS_PER_S)[stamped])
