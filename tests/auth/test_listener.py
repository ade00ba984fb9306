"""The loopback listener, over real sockets."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest

from kitecli.auth.listener import Listener
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


PAGE = "https://broker.example/connect/login?api_key=k"


def listening(where: str) -> Listener:
    return Listener(where, PAGE, "n")


@contextmanager
def beside(browse: Callable[[], object]) -> Iterator[None]:
    """A browser at work while the block waits for it."""
    browser = threading.Thread(target=browse)
    browser.start()
    yield
    browser.join(20)


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

    with listening(where) as listener, beside(browse):
        assert listener.wait(20) == Secret("good")
    assert [status for status, _ in pages] == [404, 400, 400, 200]
    assert "Logged in" in pages[-1][1]
    assert "another login" in pages[1][1]
    assert "f0rged" not in "".join(page for _, page in pages)
    assert capfd.readouterr().err == "", "nothing is logged: addresses hold tokens"


def test_a_client_that_drips_bytes_holds_nobody_up_and_is_cut_off(where: str):
    """Its pauses are shorter than any patience with one of them, so only an end of the whole request ends it."""
    cut = threading.Event()

    def drip() -> None:
        with socket.create_connection(("127.0.0.1", urlsplit(where).port)) as slow, suppress(OSError):
            slow.settimeout(0.05)
            while not cut.is_set():
                slow.sendall(b"x")
                with suppress(TimeoutError):
                    assert slow.recv(1) in {b"", b"H"}
                    cut.set()
        cut.set()

    def browse() -> None:
        pages.append(get(where + "?request_token=good&status=success&nonce=n"))

    pages: list[tuple[int, str]] = []
    with listening(where) as listener, beside(drip), beside(drip):
        with beside(browse):
            assert listener.wait(30) == Secret("good")
        assert cut.wait(30)
    assert [status for status, _ in pages] == [200]


def test_a_login_that_was_cancelled_ends_the_wait_and_a_forged_one_doesn_t(where: str):
    def browse() -> None:
        pages.append(get(where + "?status=cancelled"))
        pages.append(get(where + "?status=cancelled&message=the+user+said+no&nonce=n"))

    pages: list[tuple[int, str]] = []
    with listening(where) as listener, beside(browse), pytest.raises(AuthError, match="the user said no"):
        listener.wait(30)
    assert [status for status, _ in pages] == [400, 400]
    assert "the user said no" in pages[1][1]


def test_its_door_leads_to_the_broker_s_page_once(where: str):
    def knock() -> None:
        port = urlsplit(listener.door).port
        for _ in range(2):
            asking = HTTPConnection("127.0.0.1", port, timeout=20)
            asking.request("GET", urlsplit(listener.door).path)
            with asking.getresponse() as answer:
                answers.append((answer.status, answer.headers["Location"]))
            asking.close()
        get(where + "?request_token=good&nonce=n")

    answers: list[tuple[int, str | None]] = []
    with listening(where) as listener, beside(knock):
        assert listener.wait(30) == Secret("good")
    assert answers == [(302, PAGE), (404, None)]


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
