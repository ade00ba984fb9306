"""What one client of a load counts: ticks by instrument, and how long each took from the exchange's write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.market.tick import FLAG_INDEX
from kitecli.metrics.histogram import LatencyHistogram

POINT_S: Final = 1.0
"""A point of the time series is of so long."""


class ClientTally:
    """``tokens``: the instruments that are expected; others are counted as ``strange``.

    Latencies are counted from :meth:`begin` to :meth:`end`, ticks always. ``points``: a row for each :data:`POINT_S` of
    that time, [seconds since the beginning, ticks, p50, p99 and longest latency in ns].
    """

    def __init__(self, tokens: Sequence[int]) -> None:
        self._sorted = np.sort(np.array(tokens, np.uint32))
        self._counts: NDArray[np.int64] = np.zeros(self._sorted.size, np.int64)
        self.ticks = 0
        self.strange = 0
        self.seconds = 0.0
        self.latency = LatencyHistogram()
        self.points: list[list[float]] = []
        self._point = LatencyHistogram()
        self._point_ticks = 0
        self._began_s = self._point_s = 0.0
        self._measures = False

    def begin(self, now_s: float) -> None:
        self._began_s = self._point_s = now_s
        self._measures = True

    def end(self, now_s: float) -> None:
        if self._measures and self._point_ticks:
            self._close_point(now_s)
        self.seconds = now_s - self._began_s
        self._measures = False

    def count(self, tokens: NDArray[np.uint32]) -> None:
        """Ticks of these instruments, which may repeat, have come."""
        places = np.minimum(np.searchsorted(self._sorted, tokens), self._sorted.size - 1)
        known = self._sorted[places] == tokens
        np.add.at(self._counts, places[known], 1)
        self.ticks += tokens.size
        self.strange += tokens.size - int(np.count_nonzero(known))

    def time(self, latencies_ns: NDArray[np.int64], ticks: int, now_s: float) -> None:
        """So many ticks were in the reader's hands at ``now_s``; those with a stamp took this long."""
        if not self._measures:
            return
        self.latency.record(latencies_ns)
        self._point.record(latencies_ns)
        self._point_ticks += ticks
        if now_s - self._point_s >= POINT_S:
            self._close_point(now_s)

    def by_token(self) -> dict[int, int]:
        """The ticks counted of each instrument that had any."""
        found = np.flatnonzero(self._counts)
        return dict(zip(self._sorted[found].tolist(), self._counts[found].tolist(), strict=True))

    def _close_point(self, now_s: float) -> None:
        p50, p99 = (self._point.percentile_ns(percent) or 0 for percent in (50, 99))
        took_s = max(now_s - self._point_s, 1e-9)
        self.points.append([now_s - self._began_s, self._point_ticks / took_s, p50, p99, self._point.max_ns])
        self._point, self._point_ticks, self._point_s = LatencyHistogram(), 0, now_s


def stamps_ns(ticks: NDArray[np.void]) -> NDArray[np.int64]:
    """When the exchange wrote them: (n,) or fewer, since indices carry no stamp (kitecli.sim.load)."""
    stamped = ticks[(ticks["flags"] & FLAG_INDEX) == 0]
    stamps: NDArray[np.int64] = stamped["buy_quantity"].astype(np.int64) << 32 | stamped["sell_quantity"]
    return stamps


def missing(sent: dict[int, int], got: dict[int, int]) -> int:
    """Ticks of the exchange's ledger that a client didn't get, and those it got and shouldn't have."""
    return sum(abs(sent.get(token, 0) - got.get(token, 0)) for token in sent.keys() | got.keys())
