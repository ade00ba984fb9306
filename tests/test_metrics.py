"""Percentiles from the histogram against those of the sorted list."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kitecli.metrics import LatencyHistogram


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
