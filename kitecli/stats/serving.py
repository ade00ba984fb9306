"""A page for Prometheus to scrape: each scrape takes one look at the feed, and finds a feed that was started anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from typing import Final

from kitecli.errors import GatewayGone, NoFeed, UsageError
from kitecli.gateway.running import one_feed
from kitecli.stats.exposition import CONTENT_TYPE, absent, exposition
from kitecli.stats.looking import FeedLooker

PATH: Final = "/metrics"
PORT: Final = 9712
LOOPBACK: Final = "127.0.0.1"
PATIENCE_S: Final = 5.0
"""How long a scraper may take to ask: there is one at a time."""


class Scraped:
    """The feed that ``wanted`` names, whenever it runs. ``page()`` is what Prometheus gets."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._looker: FeedLooker | None = None

    def page(self) -> str:
        """Raises :class:`UsageError` where several feeds could be meant."""
        try:
            if self._looker is None:
                self._looker = FeedLooker(one_feed(self._wanted))
            return exposition(self._looker.look(time.time_ns()))
        except (NoFeed, GatewayGone):
            name = self._looker.card.name if self._looker else self._wanted
            self.close()
            return absent(name)

    def close(self) -> None:
        if self._looker is not None:
            self._looker.close()
            self._looker = None


def server(page: Callable[[], str], host: str, port: int) -> HTTPServer:
    """Listens at once, and answers while ``serve_forever`` runs. Raises :class:`UsageError` where it can't listen."""

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_S

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != PATH:
                self._answer(HTTPStatus.NOT_FOUND, f"The figures are at {PATH}\n")
                return
            try:
                self._answer(HTTPStatus.OK, page())
            except UsageError as error:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{error.what}: {error.why}\n")

        def _answer(self, status: HTTPStatus, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library has it
            """A scrape a second is no news."""

    try:
        return HTTPServer((host, port), Handler)
    except OSError as cause:
        hint = "name another port: --listen PORT"
        raise UsageError(f"Nothing can listen at {host}:{port}", why=str(cause.strerror), hint=hint) from cause


def address(text: str) -> tuple[str, int]:
    """``[HOST:]PORT`` as host and port, on the loopback address where no host is named. Raises :class:`UsageError`."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 0xFFFF:
        raise UsageError(f"{text!r} is no address to listen at", why="it has to be [HOST:]PORT", hint=f"as {PORT}")
    return host or LOOPBACK, int(port)


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
