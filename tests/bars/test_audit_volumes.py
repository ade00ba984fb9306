"""Why volumes differ: what moved, and that no explanation covers more than its evidence."""

import pytest

from kitecli.bars.audit_causes import Cause
from kitecli.bars.audit_pairs import Candle, Evidence, paired
from kitecli.bars.audit_volumes import Volumes
from kitecli.bars.intervals import Interval
from kitecli.bars.table import bars_of
from tests.bars.made_up import bars

MINUTES = Interval.parse("1m")


def volumes(ours, theirs, flags=()):
    flags = {row: words for row, words in dict(flags).items() if row < len(ours)}
    table = bars(*[(100, 102, 99, 101)] * len(ours), volume=ours, flags=flags)
    made = [
        Candle(bar.start, bar.open, bar.high, bar.low, bar.close, volume)
        for bar, volume in zip(bars_of(table), theirs, strict=True)
    ]
    return Volumes(paired(table, made, MINUTES), Evidence(MINUTES))


def verdicts(*arguments):
    return {number: verdict.cause for number, verdict in volumes(*arguments).verdicts.items()}


ALL_ESTIMATED = dict.fromkeys(range(6), "estimated")
ALL_OF_FIVE = dict.fromkeys(range(5), "estimated")


def test_a_chain_moves_a_little_over_every_boundary():
    found = volumes([90, 108, 99, 103, 100], [100] * 5, ALL_ESTIMATED)
    assert {verdict.cause for verdict in found.verdicts.values()} == {Cause.ESTIMATED}
    assert found.moved == {0: 10, 1: 2, 2: 3, 3: 0}


def test_what_came_from_before_the_first_bar_or_goes_behind_the_last_cannot_be_seen():
    assert set(verdicts([107, 100, 100], [100] * 3, ALL_ESTIMATED).values()) == {Cause.ESTIMATED}
    assert set(verdicts([100, 100, 93], [100] * 3, ALL_ESTIMATED).values()) == {Cause.ESTIMATED}
    assert verdicts([93, 100, 100], [100] * 3, ALL_ESTIMATED) == {0: Cause.UNEXPLAINED}
    assert verdicts([100, 100, 107], [100] * 3, ALL_ESTIMATED) == {2: Cause.UNEXPLAINED}


def test_no_more_moves_than_stands_where_it_moved_to():
    assert Cause.UNEXPLAINED not in verdicts([100, 50, 60, 200, 100], [100, 100, 110, 100, 100], ALL_ESTIMATED).values()
    assert Cause.UNEXPLAINED in verdicts([100, 50, 10, 200, 100], [100, 100, 60, 100, 100], ALL_ESTIMATED).values()


def test_a_rest_is_blamed_on_the_bar_that_has_it():
    assert verdicts([100, 90, 110, 100, 100], [100, 100, 100, 107, 100], ALL_ESTIMATED) == {
        1: Cause.ESTIMATED,
        2: Cause.ESTIMATED,
        3: Cause.UNEXPLAINED,
    }


@pytest.mark.parametrize("flags", [ALL_ESTIMATED, ()])
def test_opposite_differences_far_apart_are_no_neighbours(flags):
    ours = [100, 90, 100, 110, 100]
    assert verdicts(ours, [100] * 5, flags) == {1: Cause.UNEXPLAINED, 3: Cause.UNEXPLAINED}


def test_what_lies_beyond_a_minute_without_bars_is_no_neighbour():
    table = bars(*[(100, 102, 99, 101)] * 5, volume=[100, 90, 0, 110, 100], flags=ALL_OF_FIVE)
    made = [Candle(bar.start, bar.open, bar.high, bar.low, bar.close, 100) for bar in bars_of(table[[0, 1, 3, 4]])]
    found = Volumes(paired(table[[0, 1, 3, 4]], made, MINUTES), Evidence(MINUTES))
    assert {verdict.cause for verdict in found.verdicts.values()} == {Cause.UNEXPLAINED}


def test_an_outage_may_lose_some_over_its_edge():
    flags = {1: "gap", 2: "estimated"}
    assert verdicts([100, 93, 107, 100], [100] * 4, flags) == {1: Cause.GAP, 2: Cause.ESTIMATED}


def test_where_we_joined_we_know_nothing_of_what_was_before():
    assert verdicts([40, 100, 100], [100] * 3, {0: "partial"}) == {0: Cause.PARTIAL}
    flags = {0: "partial estimated", 1: "estimated"}
    assert verdicts([40, 105, 100], [100] * 3, flags) == {0: Cause.PARTIAL, 1: Cause.ESTIMATED}
    assert verdicts([100, 140, 100], [100] * 3, {1: "partial"}) == {1: Cause.UNEXPLAINED}
