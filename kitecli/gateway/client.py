"""A client's end of the control socket: requests with a time limit, events in a queue, from whatever thread."""

from __future__ import annotations

import itertools
import os
import queue
import socket
import sys
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from typing import Final

from kitecli.errors import FeedError, GatewayGone, KiteError
from kitecli.gateway.intake import LineBuffer
from kitecli.gateway.lock import FeedCard
from kitecli.gateway.messages import Answer, Bye, Hello, Request, parse_said, request_line
from kitecli.gateway.spec import GatewayEvent, revived

ANSWER_S: Final = 10.0
ANSWER_BYTES: Final = 64 << 20
_CHUNK_BYTES: Final = 1 << 16
_NAME: Final = "gateway events"


class ControlClient:
    """A connection to a running gateway. A thread listens to it until it ends.

    ``events``: what the gateway says. The last is "stopped" where it was asked to end, "failed" with its own reason, or
    "failed" by our word where it died without one. ``welcome``: what it answered to hello.
    """

    def __init__(self, connected: socket.socket, hello: Hello) -> None:
        self.events: queue.SimpleQueue[GatewayEvent] = queue.SimpleQueue()
        self._socket = connected
        self._sending = threading.Lock()
        self._waiting: dict[int, Future[object]] = {}
        self._table = threading.Lock()
        self._numbers = itertools.count(1)
        self._ended = False
        self._last: GatewayEvent | None = None
        self._leaving = False
        self._listener = threading.Thread(target=self._listen, daemon=True, name=_NAME)
        self._listener.start()
        try:
            self.welcome = self.ask(hello)
        except BaseException:
            self.close()
            raise

    @classmethod
    def reach(cls, card: FeedCard, *, client: str = "", observer: bool = False, daemon: bool = False) -> ControlClient:
        """Connect to the gateway ``card`` tells of and say hello.

        Raises :class:`GatewayGone` where it isn't there (any more), and what it refuses us with.
        """
        hello = Hello(client or _program(), os.getpid(), observer, daemon, card.token)
        try:
            connected = _connected(card)
        except OSError as cause:
            raise GatewayGone("The feed process isn't there", why=str(cause.strerror or cause)) from cause
        return cls(connected, hello)

    def ask(self, request: Request, timeout_s: float = ANSWER_S) -> dict[str, object]:
        """Do ``request``; returns its result.

        Raises the gateway's refusal, :class:`FeedError` where there is no answer in time, and at once
        :class:`GatewayGone`, or what it ended by, where it has ended.
        """
        number = next(self._numbers)
        line = request_line(number, request)
        answer: Future[object] = Future()
        with self._table:
            if self._ended:
                raise self._reason()
            self._waiting[number] = answer
        try:
            self._send(line)
            result = answer.result(timeout_s)
        except NoAnswer:
            raise _no_answer(timeout_s) from None
        finally:
            with self._table:
                self._waiting.pop(number, None)
        return result if isinstance(result, dict) else {}

    def leave(self, timeout_s: float) -> bool:
        """Say goodbye and close. Where the gateway ends by it, wait until it has; returns whether it has."""
        ends = False
        with suppress(KiteError):  # gone already, or mute: there is nothing to say goodbye to
            ends = bool(self.ask(Bye(), timeout_s).get("ends"))
        if ends:
            self._listener.join(timeout_s)
        self.close()
        return ends

    def close(self) -> None:
        """Hang up; a second time does nothing."""
        self._leaving = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._listener is not threading.current_thread():
            self._listener.join()

    def _send(self, line: bytes) -> None:
        """All of it, or this connection is over: half a line would spoil the next."""
        try:
            with self._sending:
                self._socket.sendall(line)
        except OSError as cause:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            if isinstance(cause, TimeoutError):
                raise _no_answer(ANSWER_S) from None
            # the listener learns why, and answers

    def _listen(self) -> None:
        lines = LineBuffer(ANSWER_BYTES)
        try:
            while data := self._receive():
                lines.feed(data)
                while (line := lines.take()) is not None:
                    self._take(line)
        except KiteError as failure:
            self._hear(GatewayEvent("failed", error=failure.as_dict()))
        finally:
            self._end()

    def _receive(self) -> bytes:
        while True:
            try:
                return self._socket.recv(_CHUNK_BYTES)
            except TimeoutError:
                continue
            except OSError:
                return b""

    def _take(self, line: bytes) -> None:
        said = parse_said(line)
        if isinstance(said, GatewayEvent):
            self._hear(said)
        else:
            self._settle(said)

    def _hear(self, event: GatewayEvent) -> None:
        if event.kind in ("stopped", "failed"):
            self._last = event
        self.events.put(event)

    def _settle(self, answer: Answer) -> None:
        refusal = revived(answer.error) if answer.error is not None else None
        if answer.id is None:  # it couldn't read us, and hangs up
            raise refusal or FeedError("The feed process answered what nobody asked")
        with self._table:
            waiting = self._waiting.pop(answer.id, None)
        if waiting is None:
            return  # asked too long ago
        if refusal is not None:
            waiting.set_exception(refusal)
        else:
            waiting.set_result(answer.result)

    def _end(self) -> None:
        """The socket has ended: whoever waits for an answer gets the reason, and so does the queue."""
        if self._last is None and not self._leaving:
            self.events.put(GatewayEvent("failed", error=_died().as_dict()))
        with self._table:
            self._ended = True
            waiting = list(self._waiting.values())
            self._waiting.clear()
        for answer in waiting:
            answer.set_exception(self._reason())
        self._socket.close()

    def _reason(self) -> KiteError:
        """Why it can't be asked any more: a new exception each time, for several threads may raise it."""
        if self._last is None:
            return _closed() if self._leaving else _died()
        return self._last.failure() or stopped(self._last)


def _connected(card: FeedCard) -> socket.socket:
    if card.socket is not None:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        address: str | tuple[str, int] = card.socket
    else:
        connected = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        address = ("127.0.0.1", card.port or 0)
    connected.settimeout(ANSWER_S)
    try:
        connected.connect(address)
    except OSError:
        connected.close()
        raise
    return connected


def _program() -> str:
    return os.path.basename(sys.argv[0]) or "python"  # noqa: PTH119 - of a name, not of a file


def stopped(event: GatewayEvent) -> GatewayGone:
    """The error of a gateway that said "stopped"."""
    return GatewayGone("The feed process was stopped", why=str(event.data or "it was asked to"), hint="start it again")


def _closed() -> GatewayGone:
    return GatewayGone("This feed has been closed", why="close() was called", hint="open it again")


def _died() -> GatewayGone:
    return GatewayGone(
        "The feed process died",
        why="its control socket ended without a word",
        hint="start it again; kite doctor looks for the cause",
    )


def _no_answer(after_s: float) -> FeedError:
    return FeedError(
        "The feed process doesn't answer",
        why=f"nothing came in {after_s:g} s: it is stopped, or its machine is overloaded",
        hint="kite doctor looks at the machine; kite stop names a process that has to be killed",
    )
