"""A gateway as the source of a ticker: its reader, its events in the port's words, its figures."""

from __future__ import annotations

import itertools
import os
import queue
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from kitecli.compat.port import ABNORMAL, Down, Ended, Event, Refused, Said, Source, Up
from kitecli.errors import (
    CertificateRefused,
    FeedError,
    HandshakeBadRequest,
    HandshakeForbidden,
    HandshakeRateLimited,
    KiteError,
)
from kitecli.gateway.handle import ChildGateway, EmbeddedGateway, GatewayHandle, attach, ring_path, subscribe
from kitecli.gateway.handle import unsubscribe as unsubscribe_from
from kitecli.gateway.spec import GatewayEvent, GatewaySpec
from kitecli.hot import COMPILED
from kitecli.ring.layout import COUNTERS
from kitecli.secret import Secret
from kitecli.settings.endpoints import load_feed_limits
from kitecli.settings.live import config

if TYPE_CHECKING:
    from kitecli.ring.reader import Batch

_numbers = itertools.count(1)
_HEARTBEATS: Final = COUNTERS.index("heartbeats")
_STATUS: Final[Mapping[type[KiteError], int]] = {
    HandshakeForbidden: 403,
    HandshakeRateLimited: 429,
    HandshakeBadRequest: 400,
}
_FINAL: Final = (HandshakeBadRequest, CertificateRefused)
_ANSWERED: Final = re.compile(r"\bHTTP (\d{3})\b")
_FAREWELL: Final = re.compile(r"(\d{4})\b ?(.*)", re.DOTALL)
_CUT: Final = "the connection was cut"


def open_attached(api_key: str, access_token: Secret, root: str) -> Source:
    """Start a gateway of the configured size and attach to it; see :class:`~kitecli.compat.port.OpenSource`."""
    settings, limits = config.settings, load_feed_limits()
    query = urlencode({"api_key": api_key, "access_token": access_token.reveal()})
    spec = GatewaySpec(
        ws_url=Secret(f"{root}?{query}"),
        modes={},
        ring_size=settings.performance.ring_buffer_size,
        ring_path=str(ring_path(_own_name())) if COMPILED and settings.performance.use_mmap else None,
        connections=limits.connections,
        instruments_per_connection=limits.instruments_per_connection,
    )
    handle = ChildGateway(spec) if spec.ring_path else EmbeddedGateway(spec)
    try:
        return Attached(handle, settings.performance.buffer_size)
    except BaseException:
        handle.close()
        raise


class Attached:
    """The port's Source over a gateway's handle."""

    def __init__(self, handle: GatewayHandle, batch: int) -> None:
        self._handle = handle
        self._reader = attach(handle.memory, batch=batch, depth=True)

    def subscribe(self, modes: Mapping[int, str]) -> None:
        subscribe(self._handle, modes)

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        unsubscribe_from(self._handle, list(tokens))

    def offer(self, access_token: Secret) -> None:
        """Nothing: a gateway whose token was refused has ended, and the next one is started with the new token."""

    def read(self, timeout_s: float) -> Batch | None:
        return self._reader.read(timeout_s)

    def pending(self) -> int:
        return self._reader.lag()

    def heartbeats(self) -> int:
        return int(self._reader.view.counters()[_HEARTBEATS])

    def events(self) -> Iterator[Event]:
        while True:
            try:
                event = self._handle.events.get_nowait()
            except queue.Empty:
                return
            translated = translate(event)
            if translated is not None:
                yield translated

    def close(self) -> None:
        self._handle.close()
        self._reader.close()


def translate(event: GatewayEvent) -> Event | None:
    """A gateway's event in the port's words; None for what no callback is told."""
    failure = event.failure()
    match event.kind:
        case "failed" | "stopped":
            stopped = FeedError("The feed was stopped", why="somebody ended its process")
            return Ended(down_of(0, failure or stopped))
        case "message" if failure is not None:
            return Refused(failure)
        case "message":
            return Said(event.connection or 0, event.state, event.data)
        case "connection" if event.state == "open":
            return Up(event.connection or 0)
        case "connection" if failure is not None:
            return down_of(event.connection or 0, failure)
        case _:
            return None


def down_of(connection: int, failure: KiteError) -> Down:
    """What the websocket would have said of this failure."""
    final, status = isinstance(failure, _FINAL), _STATUS.get(type(failure))
    answered = _ANSWERED.search(failure.what)
    if status is not None or answered is not None:
        return Down(connection, status=status or int(answered[1]) if answered else status, final=final)
    farewell = _FAREWELL.fullmatch(failure.why)
    if farewell is None:
        return Down(connection, reason=str(failure), final=final)
    code, reason = int(farewell[1]), farewell[2]
    return Down(connection, code, "" if code == ABNORMAL and reason == _CUT else reason, final=final)


def _own_name() -> str:
    """Of this ticker's ring: a process may have several, and its number comes first, as sweep() expects."""
    return f"{os.getpid()}.{next(_numbers)}"
