"""Who is let in, and until when."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from itertools import count

import pytest

from kitecli.clock import IST, NS_PER_S
from kitecli.sim.sessions import Refusal, Session, Sessions, next_expiry_ns

NOON_NS = round(datetime(2026, 11, 23, 12, tzinfo=IST).timestamp()) * NS_PER_S
HOUR_NS = 3600 * NS_PER_S


@pytest.fixture
def sessions() -> Sessions:
    numbers = count(1)
    return Sessions(lambda: f"{next(numbers):032x}", NOON_NS)


def login(sessions: Sessions, now_ns: int = NOON_NS, **wrong: str) -> Session | Refusal:
    given = {"api_key": sessions.api_key, "request_token": sessions.new_request_token(now_ns)} | wrong
    text = given["api_key"] + given["request_token"] + sessions.api_secret
    checksum = wrong.get("checksum") or hashlib.sha256(text.encode()).hexdigest()
    return sessions.exchange(given["api_key"], given["request_token"], checksum, now_ns)


def status(refusal: object) -> tuple[int, str]:
    assert isinstance(refusal, Refusal)
    return refusal.status, refusal.error_type


def test_a_session_is_ready_at_the_start_and_outlives_the_morning(sessions: Sessions):
    assert sessions.current
    token = sessions.current.access_token
    assert sessions.admit(sessions.api_key, token, 0, NOON_NS + 1000 * HOUR_NS) is None


@pytest.mark.parametrize(
    ("api_key", "token", "is_open", "wanted"),
    [("", "x", 0, 400), ("k", "", 0, 400), ("k", "x", 0, 403), ("é", "é", 0, 403)],
)
def test_the_handshake_refuses(sessions: Sessions, api_key: str, token: str, is_open: int, wanted: int):
    assert status(sessions.admit(api_key, token, is_open, NOON_NS))[0] == wanted


def test_three_connections_and_no_more(sessions: Sessions):
    assert sessions.current
    good = sessions.api_key, sessions.current.access_token
    assert [sessions.admit(*good, there, NOON_NS) is None for there in range(5)] == [True] * 3 + [False] * 2
    assert status(sessions.admit(*good, 3, NOON_NS)) == (429, "NetworkException")
    assert status(sessions.admit(good[0], "wrong", 3, NOON_NS))[0] == 403, "who isn't let in isn't counted"


def test_a_login_ends_the_session_before_it(sessions: Sessions):
    assert sessions.current
    old = sessions.current.access_token
    new = login(sessions)
    assert isinstance(new, Session)
    assert status(sessions.check(sessions.api_key, old, NOON_NS)) == (403, "TokenException")
    assert sessions.check(sessions.api_key, new.access_token, NOON_NS) is None


def test_it_ends_at_six_in_the_morning(sessions: Sessions):
    new = login(sessions)
    assert isinstance(new, Session)
    check = sessions.check
    assert check(sessions.api_key, new.access_token, NOON_NS + 18 * HOUR_NS - 1) is None
    assert status(check(sessions.api_key, new.access_token, NOON_NS + 18 * HOUR_NS))[0] == 403
    before_dawn = NOON_NS - 8 * HOUR_NS
    assert next_expiry_ns(before_dawn) == NOON_NS - 6 * HOUR_NS
    assert next_expiry_ns(NOON_NS - 6 * HOUR_NS) == NOON_NS + 18 * HOUR_NS


def test_a_request_token_works_once_and_for_minutes(sessions: Sessions):
    token = sessions.new_request_token(NOON_NS)
    assert isinstance(login(sessions, request_token=token), Session)
    refusal = login(sessions, request_token=token)
    assert isinstance(refusal, Refusal)
    assert refusal.message == "Token is invalid or has expired."
    stale = sessions.new_request_token(NOON_NS - HOUR_NS)
    assert status(login(sessions, request_token=stale)) == (403, "TokenException")


def test_wrong_checksum_key_and_none(sessions: Sessions):
    refusal = login(sessions, checksum="é")
    assert isinstance(refusal, Refusal)
    assert refusal.message == "Invalid `checksum`."
    assert status(login(sessions, api_key="other")) == (403, "TokenException")
    assert status(login(sessions, api_key="")) == (400, "InputException")


def test_a_logout_ends_it(sessions: Sessions):
    assert sessions.current
    token = sessions.current.access_token
    assert status(sessions.end(sessions.api_key, "wrong", NOON_NS))[0] == 403
    assert sessions.end(sessions.api_key, token, NOON_NS) is None
    assert status(sessions.check(sessions.api_key, token, NOON_NS))[0] == 403


def test_a_refusals_body_is_the_brokers_envelope():
    assert json.loads(Refusal(403, "No", "TokenException").body()) == {
        "status": "error",
        "message": "No",
        "data": None,
        "error_type": "TokenException",
    }


def test_a_renewed_token_ends_the_one_before(sessions: Sessions):
    assert sessions.current
    old, new = sessions.current.access_token, sessions.renew(NOON_NS).access_token
    assert status(sessions.admit(sessions.api_key, old, 0, NOON_NS))[0] == 403
    assert sessions.admit(sessions.api_key, new, 0, NOON_NS) is None
