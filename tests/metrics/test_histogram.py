"""Percentiles from the histogram against those of the sorted list."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kitecli.metrics.histogram import CELLS, LatencyHistogram


def test_without_latencies_there_is_no_percentile():
    histogram = LatencyHistogram()
    assert histogram.percentile_ns(50) is None
    histogram.record(np.zeros(0, np.int64))
    assert (histogram.count, histogram.max_ns) == (0, 0)


def test_a_clock_that_steps_back_counts_as_zero():
    histogram = LatencyHistogram()
    histogram.record(np.array([-5, -1], np.int64))
    assert (histogram.count, histogram.percentile_ns(99), histogram.max_ns) == (2, 0, 0)


@given(st.lists(st.integers(0, 3_600_000_000_000), min_size=1, max_size=200), st.sampled_from([50, 90, 99, 99.9, 100]))
def test_a_percentile_is_at_most_one_bucket_too_high(latencies, percent):
    histogram = LatencyHistogram()
    for part in (latencies[::2], latencies[1::2]):
        histogram.record(np.array(part, np.int64))
    exact = sorted(latencies)[max(1, round(len(latencies) * percent / 100)) - 1]
    got = histogram.percentile_ns(percent)
    assert exact <= got <= exact + exact / 32 + 1
    assert histogram.max_ns == max(latencies)


def test_it_counts_in_memory_it_is_given():
    cells = np.zeros(CELLS, np.int64)
    LatencyHistogram(cells).record(np.array([10, 20], np.int64))
    seen = LatencyHistogram(cells)
    assert (seen.count, seen.sum_ns, seen.max_ns, seen.percentile_ns(50)) == (2, 30, 20, 10)


def test_longer_than_its_last_bucket_is_still_told_as_the_longest():
    histogram = LatencyHistogram()
    histogram.record(np.array([5, 10**16], np.int64))
    assert (histogram.percentile_ns(99), histogram.max_ns) == (10**16, 10**16)


def test_what_came_since_a_look():
    histogram = LatencyHistogram()
    histogram.record(np.array([5_000_000, 10], np.int64))
    before = LatencyHistogram(histogram.cells.copy())
    histogram.record(np.array([700, 800], np.int64))
    later = histogram.since(before)
    assert (later.count, later.sum_ns) == (2, 1_500)
    assert 800 <= later.max_ns <= 825
    histogram.record(np.array([9_000_000], np.int64))
    assert histogram.since(before).max_ns == 9_000_000


def test_all_percentiles_at_once():
    histogram = LatencyHistogram()
    assert set(histogram.percentiles_ns().values()) == {0, None}
    histogram.record(np.arange(1, 11, dtype=np.int64))
    assert histogram.percentiles_ns() == {
        "count": 10,
        "mean": 5,
        "p50": 5,
        "p90": 9,
        "p99": 10,
        "p99_9": 10,
        "max": 10,
    }
