"""A gateway as the source of a ticker: its reader, its events in the port's words, its figures."""

from __future__ import annotations

import queue
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

import numpy as np

from kitecli.compat.port import ABNORMAL, RECALLED, Down, Ended, Event, Said, Source, Up
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
from kitecli.logs import logger
from kitecli.market.tick import DEPTH_DTYPE, FLAG_SNAPSHOT, TICK_DTYPE
from kitecli.ring.layout import COUNTERS
from kitecli.ring.location import runtime_dir
from kitecli.ring.reader import Batch
from kitecli.secret import Secret
from kitecli.settings.endpoints import load_feed_limits
from kitecli.settings.live import config

log = logger("kitecli.compat")

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
    """Join the account's gateway or start it, sized as configured; see :class:`~kitecli.compat.port.OpenSource`.

    What the broker answers is told by events, also where it ended the feed before we could join it.
    """
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
    try:
        handle = open_gateway(spec)
    except _FATAL as why:
        return Over(why)
    for warning in handle.warnings:
        log.warning("%s", warning)
    try:
        return Attached(handle, settings.performance.buffer_size)
    except KiteError as unreadable:
        end = _end_of(handle) or unreadable
        if isinstance(end, _FATAL):
            return Over(end)
        raise end from unreadable
    except BaseException:
        handle.close()
        raise


def _end_of(handle: GatewayHandle) -> KiteError | None:
    """What the feed has ended by, and its files with it; None where it serves. The handle is closed."""
    try:
        handle.stats()
    except KiteError as why:
        return why
    finally:
        handle.close()
    return None


class Attached:
    """The port's Source over a gateway's handle. Reads from now on: what others had streamed before isn't ours."""

    def __init__(self, handle: GatewayHandle, batch: int) -> None:
        self._handle = handle
        self._reader = attach(handle.memory, batch=batch, depth=True, from_oldest=False)
        self._asked: set[int] = set()
        self._shared: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self._streams = False

    def subscribe(self, modes: Mapping[int, str]) -> None:
        with suppress(GatewayGone, *_FATAL):
            streamed = self._handle.subscribe(modes)
            others = [token for token in streamed if token not in self._asked]
            self._asked.update(modes)
            if others:
                self._shared.put(others)

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        gone = list(tokens)
        self._asked.difference_update(gone)
        with suppress(GatewayGone, *_FATAL):
            self._handle.unsubscribe(gone)

    def offer(self, access_token: Secret) -> None:
        with suppress(GatewayGone, *_FATAL):
            self._handle.give_access_token(access_token)

    def read(self, timeout_s: float) -> Batch | None:
        while self._streams and not self._shared.empty():
            recalled = self._recall(self._shared.get())
            if len(recalled):
                return recalled
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
                self._streams = self._streams or isinstance(translated, Up)
                yield translated

    def close(self) -> None:
        self._handle.close()
        self._reader.close()

    def _recall(self, tokens: list[int]) -> Batch:
        """The latest ticks of ``tokens`` that the reader has passed, as cached ones; what is newer will come to it."""
        view = self._reader.view
        rows = view.board_rows()
        ticks, depth = np.zeros(rows, TICK_DTYPE), np.zeros(rows, DEPTH_DTYPE)
        sequences = np.zeros(rows, np.int64)
        found = view.snapshot(ticks, depth, sequences)
        passed = (sequences[:found] >= 0) & (sequences[:found] < self._reader.position)
        chosen = np.flatnonzero(passed & np.isin(ticks["token"][:found], tokens))
        batch = Batch(ticks[chosen], depth[chosen], RECALLED, 0)
        batch.ticks["flags"] |= np.uint16(FLAG_SNAPSHOT)
        batch.ticks["ts_recv_ns"] = batch.ticks["connection"] = 0  # one message, of no connection
        return batch


class Over:
    """The port's Source of a feed that has ended: says by what, and has no tick."""

    def __init__(self, why: KiteError) -> None:
        self._last = [Ended(down_of(0, why), final=True)]

    def subscribe(self, modes: Mapping[int, str]) -> None: ...
    def unsubscribe(self, tokens: Iterable[int]) -> None: ...
    def offer(self, access_token: Secret) -> None: ...
    def close(self) -> None: ...

    def read(self, timeout_s: float) -> Batch | None:
        time.sleep(timeout_s)
        return None

    def pending(self) -> int:
        return 0

    def heartbeats(self) -> int:
        return 0

    def events(self) -> Iterator[Event]:
        while self._last:
            yield self._last.pop()


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
