"""Counting latencies cheaply: a histogram whose buckets grow with the value, so that it is small and never far off.

Buckets are log-linear, as in HdrHistogram: 32 to each doubling, so a percentile is at most 3 % too high, from a
nanosecond to an hour, in 10 kB. Recording a batch is one NumPy pass.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SUB_BITS: Final = 5
_SUB: Final = 1 << _SUB_BITS
_BUCKETS: Final = 64 * _SUB


class LatencyHistogram:
    """Latencies in nanoseconds. Negative ones, which a stepping clock makes, count as zero."""

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(_BUCKETS, np.int64)
        self.max_ns = 0

    @property
    def count(self) -> int:
        return int(self._counts.sum())

    def record(self, latencies_ns: NDArray[np.int64]) -> None:
        """Add a batch of latencies."""
        if latencies_ns.size == 0:
            return
        values = np.maximum(latencies_ns, 0)
        self.max_ns = max(self.max_ns, int(values.max()))
        self._counts += np.bincount(_bucket(values), minlength=_BUCKETS)

    def percentile_ns(self, percent: float) -> int | None:
        """The latency that ``percent`` of those recorded don't pass; None where there are none."""
        total = self.count
        if total == 0:
            return None
        rank = max(1, round(total * percent / 100))
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        return min(_upper_edge(bucket), self.max_ns)


def _bucket(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Values below 2 × 32 have a bucket each; above, the top six bits and the exponent make the index."""
    _, exponent = np.frexp(values.astype(np.float64))
    shift = np.maximum(exponent - (_SUB_BITS + 1), 0)
    buckets: NDArray[np.int64] = (values >> shift) + shift * _SUB
    return buckets


def _upper_edge(bucket: int) -> int:
    shift = max(bucket // _SUB - 1, 0)
    return ((bucket - shift * _SUB + 1) << shift) - 1
