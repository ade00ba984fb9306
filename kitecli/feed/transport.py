"""The seam to the websocket library: everything above it sees messages, links and our errors, nothing of picows.

picows has one maintainer; should it fail us, another library fits behind :class:`Transport` in a hundred lines. It is
the one we use because it costs as much CPU per frame as a C program does (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

from picows import (
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)
from picows.picows import WSCloseHandshake

from kitecli.errors import (
    CertificateRefused,
    ConnectionFailed,
    HandshakeBadRequest,
    HandshakeForbidden,
    HandshakeRateLimited,
    KiteError,
)
from kitecli.secret import Secret
from kitecli.session import why_refused

HANDSHAKE_TIMEOUT_S: Final = 10.0
FAREWELL_S: Final = 1.0
"""How long a handshake that nobody wants any more may take to end by itself."""
_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_CLOSE, _PONG = WSMsgType.CLOSE, WSMsgType.PONG
"""Bound once: looking a member up in its Enum costs 0.12 us, a tenth of what a frame costs in all."""
MAX_MESSAGE_BYTES: Final = 10 * 1024 * 1024
"""3,000 full packets are 558 kB; a message of 65,535 packets, the format's limit, still fits with room."""


class Receiver(Protocol):
    """Who gets the messages. The memory of a binary message is valid during the call only."""

    def on_binary(self, payload: memoryview | bytes) -> None: ...
    def on_text(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended: the websocket close code, 1006 where there was no farewell."""

    code: int
    reason: str


class Link(Protocol):
    """An open websocket. What is sent to one that has ended goes nowhere, without a word."""

    @property
    def rtt_ns(self) -> int | None:
        """How long the latest answered ping took; None where none was."""
        ...

    def send_text(self, text: str) -> None: ...
    def ping(self) -> None: ...
    def close(self) -> None:
        """Say farewell and hang up."""
        ...

    def abort(self) -> None:
        """Hang up on a peer that may not be there any more: at once, whatever is unsent."""
        ...

    async def wait_closed(self) -> Closed: ...


class Transport(Protocol):
    """Opens websockets. Raises the handshake errors of kitecli.errors, never the library's own."""

    async def open(self, url: Secret, receiver: Receiver) -> Link: ...


class PicowsTransport:
    """picows on asyncio; TLS is always verified and redirects are refused, because the URL carries the access token."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls

    async def open(self, url: Secret, receiver: Receiver) -> Link:
        opening = asyncio.ensure_future(self._connect(url, receiver))
        try:
            # Shielded: picows, cancelled in the middle of a handshake, would leave its socket open.
            async with asyncio.timeout(
                HANDSHAKE_TIMEOUT_S
            ):  # picows counts from the TCP connection, which may not come
                return await asyncio.shield(opening)
        except asyncio.CancelledError:
            await _abandon(opening)
            raise
        except Exception as cause:  # noqa: BLE001 - whatever it is, its text or traceback may show the URL's token
            await _abandon(opening)
            raise _translated(cause) from None

    async def _connect(self, url: Secret, receiver: Receiver) -> _PicowsLink:
        pings = _Pings()
        transport, _ = await ws_connect(
            lambda: _Listener(receiver, pings),
            url.reveal(),
            ssl_context=self._context(url),
            websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            max_frame_size=MAX_MESSAGE_BYTES,
            extra_headers={"X-Kite-Version": "3"},
            max_redirects=0,
            use_aiofastnet=_fast_sockets(),
        )
        return _PicowsLink(transport, pings)

    def _context(self, url: Secret) -> ssl.SSLContext | None:
        if not url.reveal().startswith("wss:"):
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()  # reads the trust store: 10-20 ms, once
        return self._tls


class _Pings:
    """One ping is under way at most; an answer to an older one, or to none, says nothing."""

    def __init__(self) -> None:
        self.rtt_ns: int | None = None
        self._sent_ns = 0

    def next(self) -> bytes:
        """What to put into the ping."""
        self._sent_ns = time.monotonic_ns()
        return self._sent_ns.to_bytes(8, "big")

    def answered(self, payload: bytes) -> None:
        if payload == self._sent_ns.to_bytes(8, "big"):
            self.rtt_ns = time.monotonic_ns() - self._sent_ns


class _Listener(WSListener):
    """Whole messages to the receiver. picows joins no fragments, so that is done here."""

    def __init__(self, receiver: Receiver, pings: _Pings) -> None:
        super().__init__()
        self._pings = pings
        self._on_binary = receiver.on_binary
        self._on_text = receiver.on_text
        self._parts: list[bytes] = []
        self._first = _BINARY

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is _BINARY and frame.fin:
            self._on_binary(frame.get_payload_as_memoryview())
        elif kind is _CLOSE:
            code = frame.get_close_code()
            transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)  # NO_INFO goes out as 0
            transport.disconnect()
        elif kind is _PONG:
            self._pings.answered(frame.get_payload_as_bytes())
        elif kind in (_TEXT, _BINARY, _CONTINUATION):
            self._join(frame)

    def _join(self, frame: WSFrame) -> None:
        if frame.msg_type is not _CONTINUATION:
            self._parts, self._first = [], frame.msg_type
        self._parts.append(frame.get_payload_as_bytes())
        if frame.fin:
            whole, self._parts = b"".join(self._parts), []
            if self._first is _TEXT:
                self._on_text(whole.decode("utf-8", "replace"))
            else:
                self._on_binary(whole)


class _PicowsLink:
    def __init__(self, transport: WSTransport, pings: _Pings) -> None:
        self._transport = transport
        self._pings = pings

    @property
    def rtt_ns(self) -> int | None:
        return self._pings.rtt_ns

    def ping(self) -> None:
        self._transport.send_ping(self._pings.next())

    def send_text(self, text: str) -> None:
        self._transport.send(_TEXT, text.encode())

    def close(self) -> None:
        if not self._transport.is_disconnected:
            self._transport.send_close(WSCloseCode.OK)  # picows' default goes out as 0, which is no code
            self._transport.disconnect()

    def abort(self) -> None:
        self._transport.disconnect(graceful=False)

    async def wait_closed(self) -> Closed:
        try:
            await self._transport.wait_disconnected()
        except WSProtocolError as cause:  # what they sent is no websocket: we hung up
            return Closed(1002, str(cause))
        except Exception as cause:  # noqa: BLE001 - picows raises here whatever ended the connection on our side
            return Closed(1006, f"{type(cause).__name__}: {cause}")
        farewell: WSCloseHandshake | None = self._transport.close_handshake  # None, whatever picows' stub says
        said = farewell.recv if farewell is not None else None
        if said is None:
            return Closed(1006, "the connection was cut")
        return Closed(said.code.value or 1005, said.reason or "")  # 1005: a farewell without a code


def _fast_sockets() -> bool | None:
    """Not on uvloop. There picows' own sockets wait by add_reader, and uvloop drops a watched descriptor that has an
    error without a word to its reader: 19 of 40 resets went unnoticed, until the silence was. Elsewhere: as it likes.
    """
    return False if type(asyncio.get_running_loop()).__module__.startswith("uvloop") else None


async def _abandon(opening: asyncio.Future[_PicowsLink]) -> None:
    """Nobody waits for this connection any more: let its handshake end, shortly, and hang up."""
    await asyncio.wait([opening], timeout=FAREWELL_S)
    if not opening.done():
        opening.cancel()
    elif not opening.cancelled() and opening.exception() is None:
        opening.result().abort()


def _translated(cause: Exception) -> KiteError:
    if isinstance(cause, WSHandshakeError):
        return _refused(cause)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return CertificateRefused(
            "The ticker's TLS certificate is not valid",
            why=cause.verify_message,
            hint="check the clock, a proxy that opens TLS, and the trust store (kite doctor); never turn checking off",
        )
    if isinstance(cause, TimeoutError):
        reason = "no answer in time"
    else:
        reason = str(cause) if isinstance(cause, OSError) else type(cause).__name__
    return ConnectionFailed("The ticker can't be reached", why=reason, hint="check the network and the address")


def _refused(cause: WSHandshakeError) -> KiteError:
    status = int(cause.response.status) if cause.response is not None else 0
    if status == HTTPStatus.FORBIDDEN:
        return HandshakeForbidden(
            "The ticker refused the access token (HTTP 403)",
            why=f"{why_refused(time.time())}; or the app's plan has no market data",
            hint="kite auth status tells which; kite auth login begins a new session, and a running feed takes it up",
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return HandshakeRateLimited(
            "The ticker refused another connection (HTTP 429)",
            why="three are open with this api_key already",
            hint="stop another feed or script of this account; a feed can serve many readers",
        )
    if status == HTTPStatus.BAD_REQUEST:
        return HandshakeBadRequest(
            "The ticker did not understand the request (HTTP 400)",
            why="api_key or access_token is missing or garbled",
            hint="check both for stray characters",
        )
    what = f"answered HTTP {status}" if status else "did not speak websocket"
    return ConnectionFailed(
        f"The server {what} instead of opening a ticker", why=_body(cause), hint="check the address"
    )


def _body(cause: WSHandshakeError) -> str:
    return (cause.raw_body or b"")[:200].decode("utf-8", "replace").strip()
