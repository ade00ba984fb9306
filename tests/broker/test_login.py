"""A session's beginning and end, against the simulated exchange."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kitecli.broker.login import end, exchange
from kitecli.broker.rest import BrokerSession, profile
from kitecli.errors import AuthError, ChecksumRefused, RequestTokenRefused, UserNotLinked
from kitecli.secret import Secret
from kitecli.session import session_end_s
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    with launch(SimOptions(instruments=3, rate_limits=False)) as running:
        yield running


def test_a_request_token_becomes_a_session_once(sim: SimProcess):
    asking, now_s = BrokerSession(sim.api_url, sim.api_key), time.time()
    token, secret = Secret(sim.ready.request_token), Secret(sim.ready.api_secret)
    with pytest.raises(ChecksumRefused):
        exchange(asking, token, Secret("another"), now_s)
    sim.change_app(linked=False)
    with pytest.raises(UserNotLinked):
        exchange(asking, token, secret, now_s)
    sim.change_app(linked=True)
    session = exchange(asking, token, secret, now_s)
    assert (session.user_id, session.until_s) == ("SIM001", session_end_s(now_s))
    assert session.access_token.reveal() not in repr(session)
    with pytest.raises(RequestTokenRefused) as refusal:
        exchange(asking, token, secret, now_s)
    assert token.reveal() not in str(refusal.value)
    ours = BrokerSession(sim.api_url, sim.api_key, session.access_token)
    assert profile(ours)["user_id"] == "SIM001"
    end(ours)
    for again in (profile, end):
        with pytest.raises(AuthError):
            again(ours)


def test_an_unreachable_broker_is_told_without_the_token():
    ours = BrokerSession("http://127.0.0.1:1", "key", Secret("t0psecret"))
    with pytest.raises(Exception, match="reached") as failure:
        end(ours)
    assert "t0psecret" not in str(failure.value)
