"""What comes from stdin, and a stdin that was closed."""

from __future__ import annotations

import io
import sys

import pytest

from kitecli import stdin
from kitecli.auth.authenticator import KiteAuthenticator
from kitecli.errors import UsageError
from kitecli.settings import load


def test_a_closed_one_is_nobody_and_holds_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert (stdin.at_terminal(), stdin.whole(), stdin.line()) == (False, b"", "")


def test_what_is_piped_is_read_by_line_and_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\ntwo\n"), encoding="utf-8"))
    assert (stdin.at_terminal(), stdin.line(), stdin.line(), stdin.line()) == (False, "one\n", "two\n", "")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8"))
    assert stdin.whole() == b"\xff\n"


def test_another_encoding_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8"))
    with pytest.raises(UsageError, match="UTF-8"):
        stdin.line()


@pytest.mark.parametrize(
    "pasted", [None, b"", b"\xff\n", b"http://[/?request_token=abc\n", b"x?request_token=a&nonce=\xc3\xbf\n"]
)
def test_a_login_by_paste_that_gets_nothing_of_use_is_false(monkeypatch: pytest.MonkeyPatch, pasted: bytes | None):
    given = None if pasted is None else io.TextIOWrapper(io.BytesIO(pasted), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", given)
    settings = load(environ={"KITE_API_KEY": "the-key", "KITE_API_SECRET": "the-secret", "KITE_ENVIRONMENT": "sim"})
    assert KiteAuthenticator("paste", settings=settings, say=lambda _: None).authenticate() is False
