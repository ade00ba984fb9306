"""Each outage once, though a recording tells of it twice."""

from __future__ import annotations

from kitecli.archive.outages import outages
from kitecli.market.gap import Gap


def test_a_beginning_and_its_end_are_one():
    begun, ended = Gap(1, (5,), 100, None, "cut"), Gap(1, (5,), 100, 200, "cut")
    other = Gap(2, (), 50, 300, "nothing was recording")
    assert outages([begun, other, ended]) == [other, ended]


def test_one_whose_end_is_never_told_lasts_and_equal_ones_are_two():
    lasting = Gap(1, (), 100, None, "cut")
    assert outages([lasting]) == [lasting]
    lost = Gap(0, (), 10, 20, "lost")
    assert outages([lost, lost]) == [lost, lost]
