"""The login page and what is behind it, without a socket."""

from __future__ import annotations

import json
from itertools import count
from urllib.parse import parse_qs, urlencode, urlsplit

import pyotp
import pytest

from kitecli.clock import NS_PER_S
from kitecli.sim.calls import Request, Response, taken_apart
from kitecli.sim.login import STEP_S, TRIES, USER_ID, LoginDesk, totp
from kitecli.sim.sessions import Refusal, Sessions

NOW_NS = 1_795_322_700 * NS_PER_S
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Browser:
    """Keeps one cookie, follows redirects until they leave the exchange."""

    def __init__(self) -> None:
        numbers = count(1)
        mint = lambda: f"{next(numbers):032x}"  # noqa: E731
        self.sessions = Sessions(mint, NOW_NS, "http://127.0.0.1:1/here?own=1")
        self.desk = LoginDesk(self.sessions, mint)
        self.cookie = ""
        self.left_for = ""

    def ask(self, method: str, target: str, now_ns: int = NOW_NS, **form: str) -> Response:
        headers = {**FORM, "cookie": self.cookie}
        call = taken_apart(Request(method, target, headers, urlencode(form).encode()), now_ns)
        answer = self.desk.routes[(method, call.path)](call)
        told = dict(answer.headers)
        self.cookie = told.get("Set-Cookie", self.cookie).partition(";")[0]
        where = told.get("Location", "")
        if where.startswith("/"):
            return self.ask("GET", where, now_ns)
        self.left_for = where
        return answer

    def open(self, **more: str) -> Response:
        return self.ask("GET", "/connect/login?" + urlencode({"v": "3", "api_key": self.sessions.api_key, **more}))

    def log_in(self, now_ns: int = NOW_NS, password: str = "", code: str = "") -> Response:
        given = {"user_id": USER_ID, "password": password or self.desk.password}
        first = self.ask("POST", "/api/login", now_ns, **given)
        if first.status != 200:
            return first
        asked = data_of(first)["request_id"]
        return self.ask(
            "POST", "/api/twofa", now_ns, user_id=USER_ID, request_id=asked, twofa_value=code or self.desk.code(now_ns)
        )


@pytest.fixture
def browser() -> Browser:
    return Browser()


def data_of(response: Response):
    assert response.status == 200, response.body
    return json.loads(response.body)["data"]


def message_of(response: Response) -> tuple[int, str, str]:
    said = json.loads(response.body)
    return response.status, said["error_type"], said["message"]


def test_codes_are_those_of_every_authenticator():
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    for at_s in (0, 59, 1_111_111_109, 1_795_322_700):
        assert totp(secret, at_s * NS_PER_S) == pyotp.TOTP(secret).at(at_s)


def test_page_password_code_and_a_request_token_at_the_apps_address(browser: Browser):
    page = browser.open(redirect_params="nonce=a%26b&x=1")
    assert page.status == 200
    text = page.body.decode()
    assert browser.desk.password in text
    finish = json.loads(text.split("location.href = ")[1].split(";")[0])
    assert browser.log_in().status == 200
    browser.ask("GET", finish)
    sent = urlsplit(browser.left_for)
    said = {name: values[0] for name, values in parse_qs(sent.query).items()}
    assert (sent.netloc, sent.path) == ("127.0.0.1:1", "/here")
    token = said.pop("request_token")
    wanted = {"own": "1", "action": "login", "type": "login", "status": "success", "nonce": "a&b", "x": "1"}
    assert said == wanted
    checksum = "0" * 64
    refused = browser.sessions.exchange(browser.sessions.api_key, token, checksum, NOW_NS)
    assert isinstance(refused, Refusal)
    assert refused.message == "Invalid `checksum`.", "the token itself is a good one"


def test_a_browser_that_has_logged_in_goes_on_at_once(browser: Browser):
    assert browser.log_in().status == 200
    browser.open()
    assert "request_token=" in browser.left_for


def test_nobody_finishes_without_having_logged_in(browser: Browser):
    page = browser.open()
    finish = json.loads(page.body.decode().split("location.href = ")[1].split(";")[0])
    assert b"Log in" in browser.ask("GET", finish).body
    browser.cookie = "kf_session=invented"
    assert b"Log in" in browser.ask("GET", finish).body
    assert not browser.left_for


@pytest.mark.parametrize(("query", "said"), [("", "Missing `api_key`."), ("?api_key=other", "Invalid `api_key`.")])
def test_an_app_nobody_knows_has_no_page(browser: Browser, query: str, said: str):
    for path in ("/connect/login", "/connect/finish"):
        assert message_of(browser.ask("GET", path + query)) == (400, "InputException", said)


def test_a_wrong_password_and_a_wrong_code_are_told_apart_and_block_the_account(browser: Browser):
    assert message_of(browser.log_in(password="no"))[1:] == ("UserException", "Invalid username or password.")
    assert message_of(browser.log_in(code="000000"))[1:] == ("TwoFAException", "Invalid TOTP.")
    assert browser.log_in().status == 200, "a good login forgets the bad ones"
    for _ in range(TRIES):
        browser.log_in(password="no")
    right = {"user_id": USER_ID, "password": browser.desk.password}
    assert "blocked" in message_of(browser.ask("POST", "/api/login", **right))[2]
    asked = {"user_id": USER_ID, "request_id": "1", "twofa_value": browser.desk.code(NOW_NS)}
    assert "blocked" in message_of(browser.ask("POST", "/api/twofa", **asked))[2]


def test_a_code_needs_its_password_first(browser: Browser):
    given = {"user_id": USER_ID, "request_id": "invented", "twofa_value": browser.desk.code(NOW_NS)}
    assert message_of(browser.ask("POST", "/api/twofa", **given))[1] == "TwoFAException"


@pytest.mark.parametrize(("late_s", "status"), [(-STEP_S, 200), (STEP_S, 200), (3 * STEP_S, 403), (-3 * STEP_S, 403)])
def test_a_clock_may_be_off_by_a_step(browser: Browser, late_s: int, status: int):
    shown = browser.desk.code(NOW_NS + late_s * NS_PER_S)
    assert browser.log_in(code=shown).status == status
