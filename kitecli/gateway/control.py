"""The control socket: lets clients in, hands their requests to the desk, and tells all of them what happens.

Nothing a client does may delay the feed, whose loop this runs on. What it sends is read at a limited pace
(:mod:`~kitecli.gateway.intake`), a few requests a turn; what it doesn't read is kept up to a limit, and then it is cut
off. What it holds is released when its socket ends, however that came about.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from kitecli.errors import AuthError, EnvironmentProblem, FeedError, KiteError, UsageError
from kitecli.gateway.intake import LineBuffer, Pace
from kitecli.gateway.lock import FALLBACK_PREFIX, FeedPlace, remove_socket
from kitecli.gateway.messages import LINE_BYTES, Hello, Request, answer_line, event_line, parse_request, refusal_line
from kitecli.gateway.spec import GatewayEvent, told
from kitecli.secret import Secret

CLIENTS_MOST: Final = 128
UNREAD_BYTES: Final = 4 << 20
REQUESTS_PER_S: Final = 2_000
BURST: Final = 16
"""Requests of one client in one turn of the loop: 0.5 to 1 ms, for a small one takes 30 to 60 us."""
ALL_REQUESTS_PER_S: Final = 4_000
ALL_BURST: Final = 32
HELLO_S: Final = 10.0
FLUSH_S: Final = 1.0
SOCKET_PATH_BYTES: Final = 100
"""The kernel takes 107 on Linux, 103 on macOS."""


class Desk(Protocol):
    """Who answers requests. Called on the loop; raises :class:`KiteError` where a request is refused."""

    def join(self, client: int, hello: Hello) -> object: ...
    def greetings(self) -> list[GatewayEvent]: ...
    def answer(self, client: int, request: Request) -> object: ...
    def leave(self, client: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Door:
    """Where a control server listens. ``token``: asked of those who come by TCP."""

    socket: Path | None = None
    port: int | None = None
    token: Secret | None = None


class ControlServer:
    """The gateway's end of the control socket. Belongs to one event loop."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._place: FeedPlace | None = None
        self._clients: dict[int, _Client] = {}
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.door = Door()
        self.pace = Pace(ALL_REQUESTS_PER_S, ALL_BURST, time.monotonic)

    async def listen(self, desk: Desk, place: FeedPlace) -> Door:
        """Let clients in from now on; returns where. Raises :class:`EnvironmentProblem`."""
        loop, self._place = asyncio.get_running_loop(), place
        try:
            if speaks_tcp():
                self._server = await loop.create_server(lambda: self._client(desk), "127.0.0.1", 0)
                port = self._server.sockets[0].getsockname()[1]
                self.door = Door(port=port, token=Secret(secrets.token_hex(32)))
            else:
                path = _socket_path(place)
                self._server = await loop.create_unix_server(lambda: self._client(desk), sock=_bound(path))
                self.door = Door(socket=path)
        except OSError as cause:
            raise EnvironmentProblem(
                "The feed's control socket can't be opened",
                why=str(cause.strerror or cause),
                hint="set KITE_RUNTIME_DIR to a folder of your own, or KITE_CONTROL=tcp",
            ) from cause
        return self.door

    def broadcast(self, event: GatewayEvent) -> None:
        """Tell every client that has said hello."""
        line = event_line(event)
        for client in list(self._clients.values()):
            if client.welcome:
                client.send(line)

    def stop_listening(self) -> None:
        """Let nobody in any more, and remove the socket."""
        if self._server is not None:
            self._server.close()
            if self.door.socket is not None and self._place is not None:
                remove_socket(self.door.socket, self._place)

    async def close(self) -> None:
        """Hang up on everybody, when they have read what was said: ``FLUSH_S`` are given for it."""
        self.stop_listening()
        for client in list(self._clients.values()):
            client.hang_up()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), FLUSH_S)
        for client in list(self._clients.values()):
            client.cut()
        await asyncio.sleep(0)

    def admit(self, client: _Client) -> None:
        """Keep a place for a client, or raise :class:`EnvironmentProblem` where there is none."""
        if len(self._clients) >= CLIENTS_MOST:
            raise EnvironmentProblem(
                f"This feed has {CLIENTS_MOST} clients already", why="it takes no more", hint="end one of them"
            )
        self._clients[client.number] = client
        self._empty.clear()

    def forget(self, client: _Client) -> None:
        self._clients.pop(client.number, None)
        if not self._clients:
            self._empty.set()

    def _client(self, desk: Desk) -> _Client:
        self._count += 1
        return _Client(self._count, desk, self)


class _Client(asyncio.Protocol):
    """One client, from its first byte to its last."""

    def __init__(self, number: int, desk: Desk, server: ControlServer) -> None:
        self.number = number
        self.welcome = False
        self._desk = desk
        self._server = server
        self._lines = LineBuffer(LINE_BYTES)
        self._pace = Pace(REQUESTS_PER_S, BURST, time.monotonic)
        self._paused = False
        self._done = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only
        self._in(HELLO_S, self._say_nothing)
        try:
            self._server.admit(self)
        except KiteError as refusal:
            self._refuse(None, refusal)

    def data_received(self, data: bytes) -> None:
        if self._done:
            return
        self._lines.feed(data)
        if not self._paused:
            self._work()

    def connection_lost(self, cause: Exception | None) -> None:  # noqa: ARG002 - how it ended changes nothing
        self._done = True
        self._in(None)
        self._server.forget(self)
        self._leave()

    def send(self, line: bytes) -> None:
        """Hand it to the kernel, as far as that takes it; who lets too much wait is cut off."""
        if self._transport.is_closing():
            return
        self._transport.write(line)
        if self._transport.get_write_buffer_size() > UNREAD_BYTES:
            self.cut()

    def hang_up(self) -> None:
        """Close once all that was said is sent."""
        self._done = True
        self._transport.close()

    def cut(self) -> None:
        self._done = True
        self._transport.abort()

    def _work(self) -> None:
        """Take what may be taken now; for the rest, stop reading and come again."""
        while not self._done:
            wait_s = max(self._pace.wait_s(), self._server.pace.wait_s())
            if wait_s > 0:
                self._pause(wait_s)
                return
            try:
                line = self._lines.take()
            except KiteError as refusal:
                self._refuse(None, refusal)
                return
            if line is None:
                self._resume()
                return
            self._pace.charge(len(line))
            self._server.pace.charge(len(line))
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            asked = parse_request(line)
        except KiteError as refusal:
            self._refuse(None, refusal)
            return
        request = asked.request
        if isinstance(request, KiteError):
            (self._answer_refusal if self.welcome else self._refuse)(asked.id, request)
        elif isinstance(request, Hello):
            self._greet(asked.id, request)
        elif self.welcome:
            self._answer(asked.id, request)
        else:
            self._refuse(asked.id, UsageError("A client says hello first", why="hello was not its first request"))

    def _answer(self, number: int, request: Request) -> None:
        try:
            line = answer_line(number, self._desk.answer(self.number, request))
        except Exception as cause:  # noqa: BLE001 - a defect met by one request must not reach the feed's loop
            self._answer_refusal(number, told(cause))
        else:
            self.send(line)

    def _answer_refusal(self, number: int, refusal: KiteError) -> None:
        self.send(refusal_line(number, refusal))

    def _greet(self, number: int, hello: Hello) -> None:
        try:
            self._check(hello)
            line = answer_line(number, self._desk.join(self.number, hello))
        except KiteError as refusal:
            self._refuse(number, refusal)
            return
        self.welcome = True
        self._in(None)
        self.send(line)
        for event in self._desk.greetings():
            self.send(event_line(event))

    def _check(self, hello: Hello) -> None:
        if self.welcome:
            raise UsageError("A client says hello once", why="this one has said it before")
        wanted = self._server.door.token
        said = hello.token.reveal() if hello.token else ""
        if wanted is not None and not hmac.compare_digest(said.encode("utf-8", "replace"), wanted.reveal().encode()):
            raise AuthError("The feed doesn't let this client in", why="its token is not the one of the feed's card")

    def _refuse(self, number: int | None, refusal: KiteError) -> None:
        """Say why, and hang up: after a while, for a socket closed on unread bytes takes the answer back."""
        self.send(refusal_line(number, refusal))
        self._done = True
        self._leave()
        if not self._transport.is_closing():
            self._resume()
            self._transport.write_eof()
            self._in(FLUSH_S, self.cut)

    def _leave(self) -> None:
        if self.welcome:
            self.welcome = False
            self._desk.leave(self.number)

    def _say_nothing(self) -> None:
        self._refuse(None, FeedError("The client said nothing", why=f"no hello within {HELLO_S:g} s"))

    def _pause(self, wait_s: float) -> None:
        if not self._paused and not self._transport.is_closing():
            self._transport.pause_reading()
            self._paused = True
        if self.welcome:
            self._in(wait_s, self._work)
        else:  # the time for its hello runs on
            asyncio.get_running_loop().call_later(wait_s, self._work)

    def _resume(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._transport.resume_reading()
        self._paused = False

    def _in(self, delay_s: float | None, call: Callable[[], None] | None = None) -> None:
        """Set the one timer, or, with None, no timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if delay_s is not None and call is not None:
            self._timer = asyncio.get_running_loop().call_later(delay_s, call)


def speaks_tcp() -> bool:
    """Whether the control socket is one of loopback: where there are no Unix sockets, or ``KITE_CONTROL=tcp``."""
    return not hasattr(socket, "AF_UNIX") or os.environ.get("KITE_CONTROL") == "tcp"


def _socket_path(place: FeedPlace) -> Path:
    """The socket's place in the runtime folder, or, where the path is too long for a socket's, in a short one."""
    if len(os.fsencode(place.socket)) <= SOCKET_PATH_BYTES:
        return place.socket
    return Path(tempfile.mkdtemp(prefix=FALLBACK_PREFIX)) / "sock"


def _bound(path: Path) -> socket.socket:
    """A socket bound to ``path``. Its folder is 0700, so nobody comes in before it is 0600 itself."""
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(0o600)
    except OSError:
        bound.close()
        raise
    return bound
