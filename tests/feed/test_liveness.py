"""Alive or not, from stamps that change or don't."""

import itertools

import pytest

from kitecli.errors import ConnectionFailed
from kitecli.feed.liveness import LOOK_S, FeedLimits, Liveness, State

HOUR_NS = 3_600_000_000_000


def live(limits=None):
    made = Liveness(limits or FeedLimits(), 1)
    made.opened(0.0, 0, 0)
    made.enter(State.LIVE, 2)
    return made


def states(liveness, stamps, *, from_s=0.0, every_s=LOOK_S):
    """What is seen, look after look, of (message, tick) stamps."""
    seen = []
    for index, (frame_ns, tick_ns) in enumerate(stamps):
        state = liveness.look(from_s + every_s * (index + 1), frame_ns, tick_ns)
        liveness.enter(state, index)
        seen.append(state)
    return seen


def test_ticks_are_life():
    assert set(states(live(), [(n, n) for n in range(1, 100)])) == {State.LIVE}


def test_heartbeats_alone_are_quiet_for_as_long_as_the_market_is_closed():
    """A heartbeat a second for a night: QUIET after five, and nothing else until the first tick."""
    beats = [(n // 4 + 1, 1) for n in range(4 * 3600 * 17)]
    seen = states(live(), beats)
    assert [state for state, _ in itertools.groupby(seen)] == [State.LIVE, State.QUIET]
    assert seen.index(State.QUIET) == 4 * 5
    after = live()
    after.enter(State.QUIET, 5)
    assert after.look(0.25, 2, 2) is State.LIVE


@pytest.mark.parametrize("stale_s", [4.0, 2.0])
def test_nothing_at_all_is_stale(stale_s):
    seen = states(live(FeedLimits(stale_s=stale_s)), [(1, 1)] * 40)
    # The first look sees what came after opening; silence counts from there.
    assert seen.index(State.STALE) * LOOK_S == stale_s


def test_a_wall_clock_that_jumps_changes_nothing():
    """Stamps are compared, not subtracted: an hour forth or back with every message is no silence and no sign of it."""
    stamps = [((n + 1) * 250_000_000 + HOUR_NS * (n % 3 - 1),) * 2 for n in range(2000)]
    assert set(states(live(), stamps)) == {State.LIVE}
    frozen = live()
    assert State.STALE in states(frozen, [(HOUR_NS, HOUR_NS)] * 20)


def test_a_process_that_was_stopped_itself_accuses_nobody():
    """After a minute in which we read nothing, one look is no evidence; messages wait in the socket."""
    stopped = live()
    stopped.look(0.25, 1, 1)
    assert stopped.look(60.0, 1, 1) is State.LIVE
    assert stopped.look(60.25, 2, 2) is State.LIVE
    assert states(stopped, [(2, 2)] * 20, from_s=60.25)[-1] is State.STALE


def test_before_its_first_word_a_connection_is_not_live_and_may_be_given_up():
    fresh = Liveness(FeedLimits(), 1)
    fresh.opened(0.0, 7, 7)
    assert states(fresh, [(7, 7)] * 16) == [State.RECONNECTING] * 15 + [State.STALE]


def test_patience_lasts_until_the_first_word():
    slow = Liveness(FeedLimits(), 1)
    slow.opened(0.0, 0, 0, patience=4)
    assert states(slow, [(0, 0)] * 60)[-1] is State.RECONNECTING
    slow.enter(State.LIVE, 1)
    assert states(slow, [(1, 1)] * 17, from_s=15.0)[-2:] == [State.LIVE, State.STALE]


def test_a_state_keeps_its_age_through_further_failures():
    one = Liveness(FeedLimits(), 100)
    first, second = ConnectionFailed("first"), ConnectionFailed("second")
    one.enter(State.STALE, 200, first)
    one.enter(State.RECONNECTING, 300, first)
    one.enter(State.RECONNECTING, 400, second)
    assert (one.state, one.since_ns, one.cause) == (State.RECONNECTING, 300, second)
