"""An outage is a value."""

import pytest

from kitecli.market.gap import Gap


def test_a_gap_is_known_by_what_it_says_and_lasts_until_it_ends():
    gap = Gap(0, (1, 2), 100, None, "cut")
    assert gap == Gap(0, (1, 2), 100, None, "cut")
    assert gap.to_ns is None
    assert gap.sequence is None
    with pytest.raises(AttributeError):
        gap.to_ns = 5
