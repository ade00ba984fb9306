"""The loopback listener, over real sockets."""

from __future__ import annotations

import socket
import threading
import urllib.request
from functools import partial
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest

from kitecli.auth.listener import Listener
from kitecli.auth.steps import request_token_of
from kitecli.errors import AuthError, EnvironmentProblem, UsageError
from kitecli.secret import Secret
from tests.auth.exchanges import free_port

HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str) -> tuple[int, str]:
    try:
        with HTTP.open(url, timeout=10) as answer:
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


@pytest.fixture
def where() -> str:
    return f"http://127.0.0.1:{free_port()}/kite"


def listening(where: str) -> Listener:
    return Listener(where, partial(request_token_of, nonce="n"))


def test_it_waits_for_the_one_redirect_that_is_meant(where: str, capfd: pytest.CaptureFixture[str]):
    pages = []

    def browse() -> None:
        with socket.create_connection(("127.0.0.1", urlsplit(where).port)):
            pass  # browsers open connections they don't use
        targets = (
            where.replace("/kite", "/favicon.ico"),
            where + "?request_token=f0rged&status=success",
            where + "?request_token=f0rged&status=success&nonce=<b>",
            where + "/?request_token=good&status=success&nonce=n",
        )
        pages.extend(map(get, targets))

    with listening(where) as listener:
        browser = threading.Thread(target=browse)
        browser.start()
        assert listener.wait(20) == Secret("good")
        browser.join()
    assert [status for status, _ in pages] == [404, 400, 400, 200]
    assert "Logged in" in pages[-1][1]
    assert "another login" in pages[1][1]
    assert "f0rged" not in "".join(page for _, page in pages)
    assert capfd.readouterr().err == "", "nothing is logged: addresses hold tokens"


def test_the_wait_has_an_end(where: str):
    with listening(where) as listener, pytest.raises(AuthError, match=r"waited 0\.1 s") as refusal:
        listener.wait(0.1)
    assert "redirect URL" in refusal.value.hint


def test_a_port_that_is_taken_is_said(where: str):
    with listening(where), pytest.raises(EnvironmentProblem, match="--paste"):
        listening(where)


@pytest.mark.parametrize("elsewhere", ["https://127.0.0.1/kite", "http://example.com/kite"])
def test_it_listens_on_this_machine_alone(elsewhere: str):
    with pytest.raises(UsageError, match="--paste"):
        listening(elsewhere)
