"""Catches the redirect at the end of a login: a listener on this machine for as long as one login takes.

It answers the one path that is registered. A redirect without the login's nonce is refused, and the wait goes on.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from kitecli.auth.steps import is_loopback
from kitecli.errors import AuthError, EnvironmentProblem, KiteError, UsageError
from kitecli.secret import Secret

LOOK_S: Final = 0.2
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>kite</title>
<body style="font:16px system-ui;max-width:32em;margin:4em auto"><h1>{title}</h1><p>{text}</p></body></html>
"""


class Listener:
    """Listens at ``redirect_url``; ``read`` makes a request token of a redirect's target, or raises :class:`KiteError`.

    To be closed, best by ``with``.
    """

    def __init__(self, redirect_url: str, read: Callable[[str], Secret]) -> None:
        """Raises :class:`UsageError` for an address elsewhere, :class:`EnvironmentProblem` where the port is taken."""
        where = urlsplit(redirect_url)
        if not is_loopback(redirect_url) or where.scheme != "http":
            raise UsageError(
                f"kite can't listen at {redirect_url}",
                why="it isn't http:// on this machine",
                hint="kite auth login --paste, or register another address: kite.redirect_url",
            )
        self._path = where.path.rstrip("/")
        self._read = read
        self._token: Secret | None = None
        try:
            self._server = _Server(("127.0.0.1", where.port or 80), _handler(self._answer))
        except OSError as error:
            raise EnvironmentProblem(
                f"Nobody can listen at {redirect_url}",
                why=error.strerror or str(error),
                hint="end what uses the port (perhaps another kite auth login), or kite auth login --paste",
            ) from None

    def wait(self, timeout_s: float) -> Secret:
        """The request token, once a redirect has brought it. Raises :class:`AuthError` where none comes in time."""
        deadline_s = time.monotonic() + timeout_s
        self._server.timeout = LOOK_S
        while self._token is None and time.monotonic() < deadline_s:
            self._server.handle_request()
        if self._token is None:
            raise AuthError(
                "No login came back from the browser",
                why=f"kite waited {timeout_s:g} s for the redirect",
                hint="is the redirect URL in the developer console the same as kite.redirect_url? kite auth login "
                "--paste works with any",
            )
        return self._token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()

    def _answer(self, target: str) -> tuple[int, str, str]:
        """Status, title and text for a request."""
        if target.partition("?")[0].rstrip("/") != self._path:
            return 404, "Nothing here", "kite waits for a login elsewhere."
        try:
            self._token = self._read(target)
        except KiteError as refusal:
            return 400, refusal.what, f"{refusal.why}. {refusal.hint}"
        return 200, "Logged in", "kite has taken over. You can close this page."


class _Server(HTTPServer):
    allow_reuse_address = True

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        connection.settimeout(LOOK_S)  # browsers open connections that they never use
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is none of ours; the standard answer prints a traceback."""


def _handler(answer: Callable[[str], tuple[int, str, str]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "kite"
        sys_version = ""

        def do_GET(self) -> None:
            status, title, text = answer(self.path)
            page = _PAGE.format(title=_plain(title), text=_plain(text)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Referrer-Policy", "no-referrer")  # the address holds the request token
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Requests hold tokens: nothing is logged."""

    return Handler


def _plain(text: str) -> str:
    from html import escape

    return escape(text)
