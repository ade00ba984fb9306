"""Different failures, different behaviour; one pace for an account."""

import random

import pytest

from kitecli.errors import (
    CertificateRefused,
    ConnectionFailed,
    HandshakeBadRequest,
    HandshakeForbidden,
    HandshakeRateLimited,
)
from kitecli.feed.policy import BACKOFF_S, GIVE_UP, STEADY_S, Account, ReconnectPolicy
from kitecli.secret import Secret

URL = Secret("ws://broker?access_token=t")
CUT = ConnectionFailed("cut")


def account(draw=1.0, *, reached=True, give_up=GIVE_UP):
    made = Account(lambda: draw, give_up)
    if reached:
        made.begin(URL, 0.0)
        made.finish(URL)
        made.opened(URL)
    return made


@pytest.mark.parametrize("failure", [HandshakeBadRequest("400"), CertificateRefused("tls")])
def test_what_trying_again_cannot_mend_stops_at_the_start_and_is_tried_rarely_later(failure):
    """Rarely, not never: a hotel's login page forges certificates too, and the day's trading goes on after it."""
    assert ReconnectPolicy(account(reached=False)).failed(failure, 0.0) is None
    assert ReconnectPolicy(account(draw=0.0)).failed(failure, 0.0) >= 60


def test_a_fourth_connection_waits_and_waits_longer():
    """The first wait is short: the third of the sockets the broker counts may be one of ours that was just cut."""
    for draw, waits in ((0.0, [5, 10, 20, 40, 60, 60]), (1.0, [6, 12, 24, 48, 72, 72])):
        policy = ReconnectPolicy(account(draw))
        assert [policy.failed(HandshakeRateLimited("429"), 0.0) for _ in range(6)] == waits
    policy.opened(URL, 0.0)
    assert policy.failed(HandshakeRateLimited("429"), 0.0) == 6, "it got through: count from the beginning"


def test_the_backoff_grows_to_a_small_ceiling_and_starts_again_after_success():
    one = account(draw=1.0)
    waits = []
    for _ in range(6):
        one.failed(100.0)
        waits.append(round(one.wait_s(100.0, at_once=False), 3))
    assert waits == [1.2, 2.0, 2.25, 2.25, 2.25, 2.25]
    one.steady()
    assert one.failures == 0


def test_the_waits_get_a_floor():
    one, waits = account(draw=0.0), []
    for _ in range(4):
        one.failed(100.0)
        waits.append(round(one.wait_s(100.0, at_once=False), 3))
    assert waits == [0, 0.3, 1.0, 1.0] == [least_s for least_s, _ in (*BACKOFF_S, BACKOFF_S[-1])]


def test_an_outage_of_hours_is_no_restart():
    one = account(draw=0.0)
    for at_s in range(4000):
        one.failed(float(at_s))
    assert one.wait_s(3999.0, at_once=False) == 5


def test_attempts_of_an_account_are_apart_and_success_lets_the_next_go():
    one = account(draw=1.0)
    one.failures = 9
    assert one.begin(URL, 50.0)
    assert one.wait_s(50.0, at_once=False) == 2.25
    assert one.wait_s(50.0, at_once=True) == pytest.approx(0.15)
    one.finish(URL)
    one.opened(URL)
    assert one.wait_s(50.0, at_once=False) == pytest.approx(0.15)


def test_an_established_connection_is_tried_again_at_once():
    policy = ReconnectPolicy(account(draw=1.0))
    policy.opened(URL, 10.0)
    assert policy.ended(10.0 + STEADY_S, spoke=True) == 0.7
    assert policy.at_once


@pytest.mark.parametrize(("lived_s", "spoke"), [(0.5, True), (60.0, False)])
def test_accepted_and_hung_up_or_never_spoken_is_no_success(lived_s, spoke):
    policy = ReconnectPolicy(account(draw=1.0))
    policy.opened(URL, 10.0)
    policy.ended(10.0 + lived_s, spoke=spoke)
    assert not policy.at_once
    assert policy.account.failures == 1


def test_a_connection_that_works_ends_the_outage_while_it_lasts():
    policy = ReconnectPolicy(account())
    policy.account.failed(0.0)
    policy.opened(URL, 10.0)
    policy.spoken(10.2)
    assert policy.account.failures == 1
    policy.spoken(10.0 + STEADY_S)
    assert policy.account.failures == 0
    policy.account.failed(20.0)
    policy.spoken(30.0)
    assert policy.account.failures == 1, "another connection's failures aren't undone by one that lives on"


def test_a_slow_line_gets_more_patience_until_it_has_spoken():
    policy = ReconnectPolicy(account())
    seen = []
    for _ in range(4):
        policy.opened(URL, 0.0)
        seen.append(policy.patience)
        policy.ended(5.0, spoke=False)
    assert seen == [1, 2, 4, 4]
    policy.spoken(6.0)
    assert policy.patience == 1


def test_a_feed_that_never_connected_gives_up_soon_and_one_that_did_never():
    fresh = ReconnectPolicy(account(reached=False))
    assert [fresh.failed(CUT, 0.0) for _ in range(GIVE_UP)] == [0.0] * (GIVE_UP - 1) + [None]
    old = ReconnectPolicy(account())
    assert None not in [old.failed(CUT, 0.0) for _ in range(5_000)]
    stubborn = ReconnectPolicy(account(reached=False, give_up=None))
    assert None not in [stubborn.failed(CUT, 0.0) for _ in range(100)]


def test_a_token_is_tried_twice_at_most_by_all_connections_together():
    refusal = HandshakeForbidden("403")
    one = account(reached=False)
    assert one.begin(URL, 0.0)
    assert one.begin(URL, 0.0)
    assert not one.begin(URL, 0.0), "two are under way: their answers are waited for"
    one.refused(URL, refusal)
    one.finish(URL)
    assert not one.begin(URL, 1.0), "one refused, one under way"
    one.refused(URL, refusal)
    one.finish(URL)
    with pytest.raises(HandshakeForbidden) as raised:
        one.begin(URL, 2.0)
    assert raised.value is refusal
    assert one.begin(Secret("ws://broker?access_token=new"), 2.0)


def test_only_a_token_that_has_worked_gets_a_second_chance():
    new, old = account(reached=False), account()
    new.refused(URL, HandshakeForbidden("403"))
    old.refused(URL, HandshakeForbidden("403"))
    assert new.second_chance_s(URL) is None
    assert old.second_chance_s(URL) == 6
    old.refused(URL, HandshakeForbidden("403"))
    assert old.second_chance_s(URL) is None


def test_a_token_that_is_accepted_again_is_as_good_as_new():
    one = account()
    one.refused(URL, HandshakeForbidden("403"))
    one.opened(URL)
    assert one.begin(URL, 0.0)
    assert one.begin(URL, 0.0)


def test_the_whole_width_is_drawn():
    dice = random.Random(1)
    one = Account(dice.random)
    drawn = [one.between((1.0, 2.25)) for _ in range(1000)]
    assert 1.0 <= min(drawn) < 1.02
    assert 2.23 < max(drawn) <= 2.25
