"""Different failures, different behaviour."""

import pytest

from kitecli.errors import (
    CertificateRefused,
    ConnectionFailed,
    HandshakeBadRequest,
    HandshakeForbidden,
    HandshakeRateLimited,
)
from kitecli.feed.policy import ATTEMPTS_BEFORE_FIRST_SUCCESS, LAST_CEILING_S, STEADY_S, Reached, ReconnectPolicy


def policy(draw=1.0, *, connected=True):
    made = ReconnectPolicy(lambda: draw)
    if connected:
        made.connected()
    return made


@pytest.mark.parametrize("failure", [HandshakeForbidden("403"), HandshakeBadRequest("400"), CertificateRefused("tls")])
def test_what_trying_again_cannot_mend_stops(failure):
    assert policy().delay_s(failure) is None


def test_a_fourth_connection_waits_a_minute_or_more():
    assert policy(draw=0.0).delay_s(HandshakeRateLimited("429")) == 60
    assert policy(draw=1.0).delay_s(HandshakeRateLimited("429")) == 120


def test_backoff_doubles_to_a_minute_and_starts_again_after_success():
    backoff = policy()
    delays = [backoff.delay_s(ConnectionFailed("cut")) for _ in range(9)]
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    backoff.connected()
    backoff.ended(lived_s=0.1)
    assert backoff.delay_s(ConnectionFailed("cut")) == 60, "accepted and hung up at once is no success"
    backoff.ended(lived_s=STEADY_S)
    assert backoff.delay_s(ConnectionFailed("cut")) == 1


def test_the_whole_delay_is_drawn():
    assert policy(draw=0.0).delay_s(ConnectionFailed("cut")) == 0
    assert policy(draw=0.25).delay_s(ConnectionFailed("cut")) == 0.25


def test_a_feed_that_never_connected_gives_up_soon_and_one_that_did_never():
    fresh = policy(connected=False)
    delays = [fresh.delay_s(ConnectionFailed("refused")) for _ in range(ATTEMPTS_BEFORE_FIRST_SUCCESS)]
    assert delays[-1] is None
    assert None not in delays[:-1]
    old = policy()
    assert [old.delay_s(ConnectionFailed("cut")) for _ in range(5_000)][-1] == LAST_CEILING_S


def test_a_second_connection_of_an_account_that_got_through_never_gives_up():
    reached = Reached()
    ReconnectPolicy(lambda: 0.0, reached).connected()
    late = ReconnectPolicy(lambda: 0.0, reached)
    assert None not in [late.delay_s(ConnectionFailed("refused")) for _ in range(10)]
