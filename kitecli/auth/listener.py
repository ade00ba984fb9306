"""Catches the redirect at the end of a login: a listener on this machine for as long as one login takes.

It answers the one path that is registered. A redirect without the login's nonce is refused, and the wait goes on.

It has a door, too: an address of one random word that leads to the login page, once. A browser is started with that
one, because every user of a machine can read the command lines of its processes, and the page's address has the nonce.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from threading import Timer
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from kitecli.auth.steps import answers, is_loopback, request_token_of
from kitecli.errors import AuthError, EnvironmentProblem, UsageError
from kitecli.secret import Secret

LOOK_S: Final = 0.2
REQUEST_S: Final = 1.0
"""For all of a request: a client that drips bytes would else keep its thread and socket for the whole login."""
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>kite</title>
<body style="font:16px system-ui;max-width:32em;margin:4em auto"><h1>{title}</h1><p>{text}</p></body></html>
"""


@dataclass(frozen=True, slots=True)
class _Answer:
    """``ends``: what the wait ends with once this was sent."""

    status: int
    title: str
    text: str
    location: str = ""
    ends: Secret | AuthError | None = None


class Listener:
    """Listens at ``redirect_url`` for the end of the login with ``nonce`` that begins at ``page``.

    ``door``: an address here that leads to the page, once. To be closed, best by ``with``.
    """

    def __init__(self, redirect_url: str, page: str, nonce: str) -> None:
        """Raises :class:`UsageError` for an address elsewhere, :class:`EnvironmentProblem` where the port is taken."""
        where = urlsplit(redirect_url)
        if not is_loopback(redirect_url) or where.scheme != "http":
            raise UsageError(
                f"kite can't listen at {redirect_url}",
                why="it isn't http:// on this machine",
                hint="kite auth login --paste, or register another address: kite.redirect_url",
            )
        self._path = where.path.rstrip("/")
        self._nonce = nonce
        word = f"/{secrets.token_urlsafe(16)}"
        self._doors = {word: page}
        self._ended: Secret | AuthError | None = None
        try:
            self._server = _Server(where.port or 80, self._answer, self._end)
        except OSError as error:
            raise EnvironmentProblem(
                f"Nobody can listen at {redirect_url}",
                why=error.strerror or str(error),
                hint="end what uses the port (perhaps another kite auth login), or kite auth login --paste",
            ) from None
        self.door = f"http://127.0.0.1:{self._server.server_port}{word}"

    def wait(self, timeout_s: float) -> Secret:
        """The request token, once a redirect has brought it.

        Raises :class:`AuthError` where none comes in time, or the broker sends the browser back without one.
        """
        deadline_s = time.monotonic() + timeout_s
        self._server.timeout = LOOK_S
        while self._ended is None and time.monotonic() < deadline_s:
            self._server.handle_request()
        if isinstance(self._ended, Secret):
            return self._ended
        raise self._ended or AuthError(
            "No login came back from the browser",
            why=f"kite waited {timeout_s:g} s for the redirect",
            hint="is the redirect URL in the developer console the same as kite.redirect_url? kite auth login "
            "--paste works with any",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()

    def _answer(self, target: str) -> _Answer:
        path = target.partition("?")[0]
        if page := self._doors.pop(path, None):
            return _Answer(302, "Log in", "The broker's page comes next.", location=page)
        if path.rstrip("/") != self._path:
            return _Answer(404, "Nothing here", "kite waits for a login elsewhere.")
        try:
            token = request_token_of(target, self._nonce)
        except AuthError as refusal:
            ends = refusal if answers(target, self._nonce) else None
            return _Answer(400, refusal.what, f"{refusal.why}. {refusal.hint}", ends=ends)
        return _Answer(200, "Logged in", "kite has taken over. You can close this page.", ends=token)

    def _end(self, how: Secret | AuthError | None) -> None:
        self._ended = self._ended or how


class _Server(ThreadingMixIn, HTTPServer):
    """Each request has a thread of its own: browsers open connections that they never use, others are slow."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self, port: int, answer: Callable[[str], _Answer], end: Callable[[Secret | AuthError | None], None]
    ) -> None:
        self.answer, self.end = answer, end
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is none of ours; the standard answer prints a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "kite"
    sys_version = ""
    timeout = REQUEST_S

    def handle(self) -> None:
        cut = Timer(REQUEST_S, _hang_up, (self.connection,))
        cut.daemon = True
        cut.start()
        try:
            super().handle()
        finally:
            cut.cancel()

    def do_GET(self) -> None:
        told = self.server.answer(self.path)
        try:
            self._send(told)
        finally:
            self.server.end(told.ends)  # not before: the process may end with the wait, and the page would be cut short

    def log_message(self, *_: object) -> None:
        """Requests hold tokens: nothing is logged."""

    def _send(self, told: _Answer) -> None:
        page = _PAGE.format(title=_plain(told.title), text=_plain(told.text)).encode()
        self.send_response(told.status)
        if told.location:
            self.send_header("Location", told.location)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Referrer-Policy", "no-referrer")  # the address holds the request token
        self.end_headers()
        self.wfile.write(page)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)


def _plain(text: str) -> str:
    from html import escape

    return escape(text)
