"""A listening port that can be shut so that clients are refused by the operating system, and opened again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import Final

BACKLOG: Final = 128


class Entrance:
    """``greet`` makes the protocol of each connection, as for ``loop.create_server``."""

    def __init__(self, host: str, greet: Callable[[], asyncio.Protocol]) -> None:
        self.port = 0
        self._host = host
        self._greet = greet
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None

    async def open(self, port: int) -> None:
        """Listen on ``port``, 0 for a free one. Raises OSError where it is taken."""
        bound = _bound(self._host, port)
        self.port = bound.getsockname()[1]
        await self._listen(bound)

    def shut(self) -> None:
        """Refuse connections, waiting ones too. The port stays ours: a bound socket that doesn't listen holds it.

        Without that, the port might be given to somebody's outgoing connection while it is shut.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
            with contextlib.suppress(OSError):  # taken within microseconds: then reopening says so
                self._reserved = _bound(self._host, self.port)

    async def reopen(self) -> None:
        if self._server is None:
            held, self._reserved = self._reserved, None
            await self._listen(held or _bound(self._host, self.port))

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._reserved is not None:
            self._reserved.close()
        self._server = self._reserved = None

    async def _listen(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._greet, sock=bound, backlog=BACKLOG)


def _bound(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it means that others may take the port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made
