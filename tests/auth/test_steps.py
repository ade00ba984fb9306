"""The page's address, and what is read out of a redirect or a paste."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from kitecli.auth.steps import is_loopback, page_url, pasted_token, request_token_of
from kitecli.errors import AuthError
from kitecli.secret import Secret

GOOD = "http://127.0.0.1:5010/kite?action=login&type=login&status=success&request_token=abc123&nonce=n-1"


def test_the_page_carries_app_and_nonce():
    query = parse_qs(urlsplit(page_url("https://kite.example/connect/login", "k&y", "n=1")).query)
    assert query == {"v": ["3"], "api_key": ["k&y"], "redirect_params": ["nonce=n%3D1"]}


def test_a_redirect_brings_the_request_token():
    assert request_token_of(GOOD, "n-1") == Secret("abc123")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("nonce=n-1", "nonce=n-2"), "another login"),
        (("&nonce=n-1", ""), "another login"),
        (("status=success", "status=cancelled"), "cancelled"),
        (("request_token=abc123", "x=y"), "no request token"),
    ],
)
def test_a_redirect_that_is_not_this_logins_good_end_is_refused(changed: tuple[str, str], said: str):
    with pytest.raises(AuthError, match=said) as refusal:
        request_token_of(GOOD.replace(*changed), "n-1")
    assert "abc123" not in str(refusal.value)


@pytest.mark.parametrize("pasted", [GOOD, f"  {GOOD}\n", GOOD.partition("?")[2], "abc123\n"])
def test_what_people_paste(pasted: str):
    assert pasted_token(pasted, "n-1") == Secret("abc123")


@pytest.mark.parametrize("pasted", ["", "\n", "two words", "http://127.0.0.1:5010/kite", GOOD.replace("n-1", "n-2")])
def test_what_is_no_request_token(pasted: str):
    with pytest.raises(AuthError):
        pasted_token(pasted, "n-1")


def test_what_comes_to_this_machine():
    assert is_loopback("http://localhost:5/x")
    assert is_loopback("http://127.0.0.1:5/x")
    assert not is_loopback("https://127.0.0.1.example.com/")
    assert not is_loopback("http://[::1]:5/x"), "nobody listens there"


@pytest.mark.parametrize("odd", ["http://[/?request_token=abc", "http://127.0.0.1/?request_token=abc&nonce=\udcff"])
def test_odd_text_that_is_pasted_is_refused(odd: str):
    with pytest.raises(AuthError):
        pasted_token(odd, "n")
