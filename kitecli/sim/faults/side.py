"""One end of a proxied connection: an asyncio protocol that can be told to stop reading for several reasons at once."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

HIGH_WATER_BYTES: Final = 256 * 1024
"""More than this unsent, and the other side isn't read: the exchange must notice a slow client as without a proxy."""


class Side(asyncio.Protocol):
    """``heard`` gets what comes, ``left`` is called once it is closed, ``met`` once it is open.

    ``peer``: the other end, whose bytes are written here.
    """

    peer: Side

    def __init__(
        self,
        heard: Callable[[bytes], None],
        left: Callable[[Exception | None], None],
        met: Callable[[], None] = lambda: None,
    ) -> None:
        self.transport: asyncio.Transport | None = None
        self._heard = heard
        self._left = left
        self._met = met
        self._holds: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        given = cast(asyncio.Transport, transport)  # all transports of sockets are
        self.adopt(given)
        if self._holds:
            given.pause_reading()
        self._met()

    def adopt(self, transport: asyncio.Transport) -> None:
        """Speak through ``transport`` from now on; TLS puts a new one over the first."""
        self.transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)

    def data_received(self, data: bytes) -> None:
        self._heard(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._left(exc)

    def pause_writing(self) -> None:
        self.peer.hold("unsent")

    def resume_writing(self) -> None:
        self.peer.release("unsent")

    def hold(self, why: str) -> None:
        """Don't read until every hold is released."""
        if self.transport is not None and not self._holds:
            self.transport.pause_reading()
        self._holds.add(why)

    def release(self, why: str) -> None:
        if why in self._holds:
            self._holds.discard(why)
            if self.transport is not None and not self._holds and not self.transport.is_closing():
                self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def finish(self) -> None:
        """Send what waits, then FIN."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """RST: a socket that may not linger is closed with one."""
        if self.transport is None:
            return
        sock: socket.socket | None = self.transport.get_extra_info("socket")
        if sock is not None and not self.transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
