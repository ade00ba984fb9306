"""The login without a browser as requests and answers, no socket."""

from __future__ import annotations

import json
from email.utils import formatdate

import pytest

from kitecli.auth.headless import CLOCK_TOLERANCE_S, Answer, Ask, User, headless, skew_of
from kitecli.errors import AuthError, BrokerError, BrokerUnavailable, CodeRefused, EnvironmentProblem, PasswordRefused
from kitecli.secret import Secret

NOW_S = 1_795_322_700.0
PAGE = "https://kite.example/connect/login?v=3&api_key=k"
END = "http://127.0.0.1:5010/kite?status=success&request_token=tok3n&nonce=n"
USER = User(Secret("AB1234"), Secret("p4ssword"), lambda: Secret("123456"), lambda: NOW_S)


def page(status: int = 200, late_s: float = 0, **headers: str) -> Answer:
    return Answer(status, {"date": formatdate(NOW_S - late_s, usegmt=True), **headers}, b"<html>")


def said(data: object) -> Answer:
    return Answer(200, {}, json.dumps({"status": "success", "data": data}).encode())


def refused(kind: str, message: str, status: int = 403) -> Answer:
    envelope = {"status": "error", "message": message, "error_type": kind, "data": None}
    return Answer(status, {}, json.dumps(envelope).encode())


HALF_WAY = said({"request_id": "r1", "twofa_type": "app_code", "twofa_types": ["totp", "app_code"]})
GOOD = [
    page(302, location="/connect/login?sess_id=s"),
    page(),
    HALF_WAY,
    said({}),
    page(302, location="/connect/finish?sess_id=s"),
    page(302, location=END),
]


def run(answers: list[Answer]) -> tuple[list[Ask], Secret | None, AuthError | BrokerError | EnvironmentProblem | None]:
    """What was asked, and how it ended."""
    asked: list[Ask] = []
    flow = headless(PAGE, "n", USER)
    answers = list(answers)
    try:
        asked.append(next(flow))
        while True:
            asked.append(flow.send(answers.pop(0)))
    except StopIteration as done:
        assert not answers
        return asked, done.value, None
    except (AuthError, BrokerError, EnvironmentProblem) as failure:
        return asked, None, failure


def test_password_then_code_then_the_redirect():
    asked, token, _ = run(GOOD)
    assert token == Secret("tok3n")
    assert [one.url.partition("?")[0].removeprefix("https://kite.example") for one in asked] == [
        "/connect/login",
        "/connect/login",
        "/api/login",
        "/api/twofa",
        "/connect/login",
        "/connect/finish",
    ]
    plain = [
        {name: str(getattr(value, "reveal", lambda one=value: one)()) for name, value in one.form.items()}
        for one in asked
    ]
    assert plain[2] == {"user_id": "AB1234", "password": "p4ssword", "type": "user_id"}
    assert plain[3]["twofa_value"] == "123456"
    assert plain[3]["request_id"] == "r1"
    assert not any(plain[index] for index in (0, 1, 4, 5))
    assert "p4ssword" not in repr(asked)


@pytest.mark.parametrize(
    ("answers", "error", "words"),
    [
        ([page(), refused("UserException", "Invalid username or password.")], PasswordRefused, "Invalid username"),
        ([page(), HALF_WAY, refused("TwoFAException", "Invalid TOTP.")], CodeRefused, "Invalid TOTP"),
        ([page(), said({"request_id": "1", "twofa_type": "sms", "twofa_types": ["sms"]})], AuthError, "sms"),
        ([page(), refused("GeneralException", "Down", 503)], BrokerUnavailable, "503"),
        ([page(), Answer(200, {}, b"<html>")], BrokerUnavailable, "200"),
        ([page(502)], BrokerUnavailable, "502"),
        ([refused("InputException", "Invalid `api_key`.", 400)], BrokerError, "api_key"),
        ([*GOOD[:4], page()], AuthError, "whether the app may"),
        ([page(302, location="https://elsewhere.example/")], AuthError, "elsewhere.example"),
        ([page(302, location="http://kite.example/plain")], AuthError, "leads elsewhere"),
        ([page(302, location="/again")] * 9, BrokerUnavailable, "circles"),
        ([*GOOD[:5], page(302, location=END.replace("nonce=n", "nonce=m"))], AuthError, "another login"),
    ],
)
def test_each_way_it_can_fail(answers: list[Answer], error: type, words: str):
    _, token, failure = run(answers)
    assert token is None
    assert type(failure) is error
    assert words in str(failure)
    assert "p4ssword" not in str(failure)


@pytest.mark.parametrize("late_s", [CLOCK_TOLERANCE_S + 2, -CLOCK_TOLERANCE_S - 2])
def test_a_clock_that_is_off_is_said_before_anything_is_tried(late_s: float):
    asked, _, failure = run([page(late_s=late_s)])
    assert isinstance(failure, EnvironmentProblem)
    assert ("fast" if late_s > 0 else "slow") in failure.what
    assert not any(one.form for one in asked)
    assert run([page(late_s=late_s / 2), *GOOD[2:]])[1] == Secret("tok3n")


def test_a_browser_session_that_lasts_needs_no_password():
    asked, token, _ = run([page(302, location=END)])
    assert (token, len(asked)) == (Secret("tok3n"), 1)


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Nov 2026 99:00:00 GMT"])
def test_a_server_that_tells_no_time_is_not_compared(date: str):
    assert skew_of(date, NOW_S) is None
