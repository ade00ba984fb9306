"""Counting latencies cheaply: a histogram whose buckets grow with the value, so that it is small and never far off.

Buckets are log-linear, as in HdrHistogram: 32 to each doubling, so a percentile is at most 3 % too high, from a
nanosecond to an hour, in 10 kB. Recording a batch is one NumPy pass; the compiled pass counts into the same cells.

::

    cells of 8 bytes
    0        1        2          8                     8 + BUCKETS
    +--------+--------+----------+---------------------+
    | sum ns | max ns | unused   | counts by bucket    |
    +--------+--------+----------+---------------------+
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SUB_BITS: Final = 5
_SUB: Final = 1 << _SUB_BITS
_TOP_BITS: Final = 42
"""Up to 73 minutes; what is longer is counted as that, in buckets and in the sum, and its maximum is still exact."""
_TOP: Final = (1 << _TOP_BITS) - 1
_MOST: Final = (1 << 63) - 1
BUCKETS: Final = (_TOP_BITS - _SUB_BITS + 1) * _SUB
SUM, MAX, COUNTS = 0, 1, 8
CELLS: Final = COUNTS + BUCKETS
PERCENTS: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9}


class LatencyHistogram:
    """Latencies in nanoseconds. Negative ones, which a stepping clock makes, count as zero.

    ``cells``: where it counts, ``CELLS`` int64; memory of its own without. There is one writer; others may copy the
    cells while it writes, and then see it at most a few latencies out of step with itself.
    """

    def __init__(self, cells: NDArray[np.int64] | None = None) -> None:
        self.cells = np.zeros(CELLS, np.int64) if cells is None else cells
        self._counts = self.cells[COUNTS:]

    @property
    def count(self) -> int:
        return int(self._counts.sum())

    @property
    def max_ns(self) -> int:
        return int(self.cells[MAX])

    @property
    def sum_ns(self) -> int:
        return int(self.cells[SUM])

    def record(self, latencies_ns: NDArray[np.int64]) -> None:
        """Add a batch of latencies."""
        if latencies_ns.size == 0:
            return
        values = np.maximum(latencies_ns, 0)
        self.cells[SUM] = min(int(self.cells[SUM]) + int(np.minimum(values, _TOP).sum()), _MOST)
        self.cells[MAX] = max(self.cells[MAX], values.max())
        self._counts += np.bincount(_bucket(values), minlength=BUCKETS)

    def percentile_ns(self, percent: float) -> int | None:
        """The latency that ``percent`` of those recorded don't pass; None where there are none."""
        return self._percentile_ns(np.cumsum(self._counts), percent)

    def _percentile_ns(self, filled: NDArray[np.int64], percent: float) -> int | None:
        total = int(filled[-1])
        if total == 0:
            return None
        bucket = int(np.searchsorted(filled, max(1, round(total * percent / 100))))
        return min(_upper_edge(bucket), self.max_ns) if bucket < BUCKETS - 1 else self.max_ns

    def percentiles_ns(self) -> dict[str, int | None]:
        """``count``; ``mean``, ``p50``, ``p90``, ``p99``, ``p99_9`` and ``max`` in nanoseconds, None without any."""
        filled = np.cumsum(self._counts)
        count = int(filled[-1])
        found: dict[str, int | None] = {"count": count, "mean": self.sum_ns // count if count else None}
        found |= {name: self._percentile_ns(filled, percent) for name, percent in PERCENTS.items()}
        return {**found, "max": self.max_ns if count else None}

    def filled(self) -> list[tuple[int, int]]:
        """(upper edge in nanoseconds, count) of each bucket that has any, ascending."""
        return [(_upper_edge(bucket), int(self._counts[bucket])) for bucket in np.flatnonzero(self._counts).tolist()]

    def since(self, before: LatencyHistogram) -> LatencyHistogram:
        """What was recorded after ``before`` was copied from the same cells. Its maximum is a bucket's upper edge,
        where the longest latency of all is older."""
        later = LatencyHistogram(self.cells - before.cells)
        filled = np.flatnonzero(later.cells[COUNTS:])
        edge = _upper_edge(int(filled[-1])) if filled.size else 0
        later.cells[MAX] = min(edge, self.max_ns)
        return later


def _bucket(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Values below 2 × 32 have a bucket each; above, the top six bits and the exponent make the index."""
    values = np.minimum(values, _TOP)
    _, exponent = np.frexp(values.astype(np.float64))
    shift = np.maximum(exponent - (_SUB_BITS + 1), 0)
    buckets: NDArray[np.int64] = (values >> shift) + shift * _SUB
    return buckets


def _upper_edge(bucket: int) -> int:
    shift = max(bucket // _SUB - 1, 0)
    return ((bucket - shift * _SUB + 1) << shift) - 1
