"""One websocket's life: connect, tell it what is wanted, hand every frame on, and begin again when it is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from time import time_ns

from kitecli.errors import ConnectionFailed, KiteError
from kitecli.feed.policy import ReconnectPolicy
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import Link, Transport
from kitecli.protocol.messages import ServerMessage, parse_server_text
from kitecli.secret import Secret

Ingest = Callable[[memoryview | bytes, int, int], int]
"""Takes (frame, ts_recv_ns, connection) and returns the number of ticks it held; never raises on bad bytes."""


class State(StrEnum):
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """Something about a connection that people or logs want to know; never one per tick."""

    connection: int
    state: State
    cause: KiteError | None = None
    retry_in_s: float | None = None
    message: ServerMessage | None = None


class FeedConnection:
    """Connection ``index`` of a pool."""

    def __init__(
        self,
        index: int,
        *,
        url: Secret,
        transport: Transport,
        subscriptions: Subscriptions,
        ingest: Ingest,
        policy: ReconnectPolicy,
        notify: Callable[[FeedEvent], None],
    ) -> None:
        self.index = index
        self.state = State.CONNECTING
        self._url = url
        self._transport = transport
        self._subscriptions = subscriptions
        self._ingest = ingest
        self._policy = policy
        self._notify = notify
        self._link: Link | None = None

    async def run(self) -> None:
        """Keep the connection up until cancelled. Raises the failure that makes trying again useless."""
        try:
            while True:
                failure = await self._once()
                delay_s = self._policy.delay_s(failure)
                if delay_s is None:
                    raise failure
                self._enter(State.WAITING, cause=failure, retry_in_s=delay_s)
                await asyncio.sleep(delay_s)
        finally:
            self._disconnect()
            self.state = State.STOPPED

    def flush(self) -> None:
        """Send what the socket has not been told yet. Nothing is lost while it is down: a new socket is told all."""
        if self._link is not None:
            for text in self._subscriptions.messages(self.index):
                self._link.send_text(text)

    def on_binary(self, payload: memoryview | bytes) -> None:
        self._ingest(payload, time_ns(), self.index)

    def on_text(self, text: str) -> None:
        self._notify(FeedEvent(self.index, self.state, message=parse_server_text(text)))

    async def _once(self) -> KiteError:
        """One connection from handshake to end; returns why it ended."""
        self._enter(State.CONNECTING)
        try:
            self._link = await self._transport.open(self._url, self)
        except KiteError as failure:
            return failure
        self._policy.connected()
        opened_s = asyncio.get_running_loop().time()
        self._subscriptions.forget(self.index)
        self._enter(State.OPEN)
        self.flush()
        ended = await self._link.wait_closed()
        self._link = None
        self._policy.ended(asyncio.get_running_loop().time() - opened_s)
        return ConnectionFailed("The ticker's connection ended", why=f"{ended.code} {ended.reason}".strip())

    def _enter(self, state: State, cause: KiteError | None = None, retry_in_s: float | None = None) -> None:
        self.state = state
        self._notify(FeedEvent(self.index, state, cause, retry_in_s))

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
