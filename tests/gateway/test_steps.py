"""What happens to a feed, into its memory. tests/replay/test_player.py takes the same steps again from a recording."""

import numpy as np

from kitecli.bars.hours import NO_HOURS
from kitecli.gateway.steps import FeedSteps
from kitecli.market.gap import Gap
from kitecli.market.tick import FLAG_SNAPSHOT, TICK_DTYPE
from kitecli.replay.facts import FeedFacts
from tests.replay.made import TOKENS, at_ns, message

FACTS = FeedFacts(1 << 8, ("1s",), 1 << 8)


def test_each_step_leaves_what_it_should():
    steps = FeedSteps(FACTS.ring(64), FACTS.bars(64), NO_HOURS)
    steps.subscribed({TOKENS["INFY"]: "full", TOKENS["TCS"]: None})
    assert steps.view.board_rows() == 1  # nothing is expected of what was unsubscribed
    assert steps.message(message(1), at_ns(1), 2) == 3
    placed = steps.outage(Gap(2, (TOKENS["INFY"],), at_ns(1), None, "cut"))
    assert placed.sequence == 3
    ticks = np.zeros(3, TICK_DTYPE)
    steps.view.copy(0, 3, ticks, None)
    assert ticks["token"][ticks["flags"] & FLAG_SNAPSHOT != 0].tolist() == [TOKENS["INFY"]]
    assert set(ticks["connection"].tolist()) == {2}


def test_who_keeps_other_hours_is_remembered():
    steps = FeedSteps(FACTS.ring(64), FACTS.bars(64), NO_HOURS)
    steps.placed({TOKENS["INFY"]: 0})
    assert steps.places == {TOKENS["INFY"]: 0}
    assert steps.view.tokens(0, 1).tolist() == [TOKENS["INFY"]]


def test_the_clock_closes_a_slice_and_says_whether_more_are_left():
    steps = FeedSteps(FACTS.ring(64), FACTS.bars(64), NO_HOURS)
    for second in (0, 1):
        steps.message(message(second), at_ns(second), 0)
    assert steps.timer(at_ns(9), 2)
    assert not steps.timer(at_ns(9), 2)
