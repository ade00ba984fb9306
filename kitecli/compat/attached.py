"""A gateway as the source of a ticker: its reader, its events in the port's words, its figures."""

from __future__ import annotations

import logging
import queue
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kitecli.compat.port import ABNORMAL, Down, Ended, Event, Said, Source, Up
from kitecli.errors import (
    CertificateRefused,
    GatewayGone,
    HandshakeBadRequest,
    HandshakeForbidden,
    HandshakeRateLimited,
    KiteError,
)
from kitecli.feed.liveness import State
from kitecli.gateway.handle import GatewayHandle, attach, open_gateway
from kitecli.gateway.spec import GatewayEvent, GatewaySpec
from kitecli.ring.layout import COUNTERS
from kitecli.ring.location import runtime_dir
from kitecli.secret import Secret
from kitecli.settings.endpoints import load_feed_limits
from kitecli.settings.live import config

if TYPE_CHECKING:
    from kitecli.ring.reader import Batch

log = logging.getLogger("kitecli.compat")

_HEARTBEATS: Final = COUNTERS.index("heartbeats")
_STATUS: Final[Mapping[type[KiteError], int]] = {
    HandshakeForbidden: 403,
    HandshakeRateLimited: 429,
    HandshakeBadRequest: 400,
}
_FATAL: Final = (HandshakeBadRequest, CertificateRefused)
_LOSSES: Final = (State.RECONNECTING, State.AUTH, State.DOWN)
_ANSWERED: Final = re.compile(r"\bHTTP (\d{3})\b")
_FAREWELL: Final = re.compile(r"(\d{4})\b ?(.*)", re.DOTALL)
_CUT: Final = "the connection was cut"
_NORMAL: Final = 1000


def open_attached(api_key: str, access_token: Secret, root: str) -> Source:
    """Join the account's gateway or start it, sized as configured; see :class:`~kitecli.compat.port.OpenSource`."""
    settings, limits = config.settings, load_feed_limits()
    spec = GatewaySpec(
        ws_root=root,
        api_key=api_key,
        access_token=access_token,
        modes={},
        ring_size=settings.performance.ring_buffer_size,
        folder=str(runtime_dir()) if settings.performance.use_mmap else None,
        connections=limits.connections,
        instruments_per_connection=limits.instruments_per_connection,
    )
    handle = open_gateway(spec)
    for warning in handle.warnings:
        log.warning("%s", warning)
    try:
        return Attached(handle, settings.performance.buffer_size)
    except BaseException:
        handle.close()
        raise


class Attached:
    """The port's Source over a gateway's handle. Reads from now on: what others had streamed before isn't ours."""

    def __init__(self, handle: GatewayHandle, batch: int) -> None:
        self._handle = handle
        self._reader = attach(handle.memory, batch=batch, depth=True, from_oldest=False)

    def subscribe(self, modes: Mapping[int, str]) -> None:
        with suppress(GatewayGone):
            self._handle.subscribe(modes)

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        with suppress(GatewayGone):
            self._handle.unsubscribe(tokens)

    def offer(self, access_token: Secret) -> None:
        with suppress(GatewayGone):
            self._handle.give_access_token(access_token)

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
    failure, connection = event.failure(), event.connection or 0
    match event.kind:
        case "stopped":
            return Ended(Down(0, _NORMAL, f"the feed was stopped by {event.data}"), final=True)
        case "failed":
            why = down_of(0, failure or GatewayGone("The feed process died"))
            return Ended(why, final=why.fatal)
        case "message" if failure is not None:
            log.error("%s", failure)
            return None
        case "message":
            return Said(connection, event.state, event.data)
        case "connection" if event.state in (State.LIVE, State.QUIET):
            return Up(connection)
        case "connection" if event.state in _LOSSES and failure is not None:
            over = event.state == State.DOWN and event.retry_in_s is None
            return down_of(connection, failure, over=over)
        case _:
            return None


def down_of(connection: int, failure: KiteError, *, over: bool = False) -> Down:
    """What the websocket would have said of this failure."""
    fatal, status = isinstance(failure, _FATAL), _status_of(failure)
    farewell = _FAREWELL.fullmatch(failure.why)
    if status is not None or farewell is None:
        return Down(connection, reason=str(failure), status=status, fatal=fatal, over=over)
    code, reason = int(farewell[1]), farewell[2]
    return Down(connection, code, "" if code == ABNORMAL and reason == _CUT else reason, fatal=fatal, over=over)


def _status_of(failure: KiteError) -> int | None:
    """The HTTP status a handshake was refused with; of those without an error of their own it stands in the text."""
    answered = _ANSWERED.search(failure.what)
    return _STATUS.get(type(failure)) or (int(answered[1]) if answered else None)
