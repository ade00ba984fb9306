"""Which callbacks an event of the feed brings, with the official client's arguments and in its order. Sans I/O.

Measured with kiteconnect 5.2.2 over one connection::

    opened                       on_connect(response), on_open()
    lost without a farewell      on_error(1006, why), on_close(1006, why)
    lost with one                on_close(code, reason)
    handshake refused            on_error(1006, why), on_close(1006, why)
    not reached                  nothing
    ... the n-th such failure    on_reconnect(n - 1) after it, from the second on
    ... more than the tries      on_noreconnect() after that
    text {"type": "error"}       on_error(0, data)
    text {"type": "order"}       on_order_update(data)

Here up to three connections stand behind one object. It is connected while all of them stream that ever did, and an
outage is told once, whichever of them it hit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final

from kitecli.compat.port import ABNORMAL, Down, Ended, Event, Refused, Said, Up

Call = tuple[str, tuple[object, ...]]
"""A callback's name, and what it gets beside the ticker."""

_CUT: Final = "peer dropped the TCP connection without previous WebSocket closing handshake"
"""What the official client says of a cut. Scripts and forum posts look for this text, and for the next ones."""
_UNCLEAN: Final = "connection was closed uncleanly ({})"
_UPGRADE: Final = "WebSocket connection upgrade failed ({} - {})"


@dataclass(slots=True)
class ConnectResponse:
    """What ``on_connect`` gets: the attributes of the official client's response that can be had."""

    peer: str
    headers: dict[str, str] = field(default_factory=dict)
    version: int = 13
    protocol: str | None = None
    extensions: list[str] = field(default_factory=list)


class Narrator:
    """Keeps the connections' states and turns events into calls. ``tries``: failures before it has no hope left."""

    def __init__(self, response: ConnectResponse, tries: int) -> None:
        self.connected = False
        self._response = response
        self._tries = tries
        self._live: set[int] = set()
        self._failures: dict[int, int] = {}  # of the connections that should be live, since they last were
        self._told = 0
        self._over = False  # told by its last connection, a moment before the feed itself

    def is_live(self, connection: int) -> bool:
        return connection in self._live

    def take(self, event: Event) -> list[Call]:
        match event:
            case Up():
                return self._up(event.connection)
            case Down():
                return self._down(event)
            case Ended():
                return self._ended(event)
            case Said():
                return _said(event)
            case Refused():
                return [("on_error", (0, str(event.error)))]

    def _up(self, connection: int) -> list[Call]:
        self._over = False
        self._live.add(connection)
        self._failures.pop(connection, None)
        if self.connected or self._failures:
            return []
        self.connected = True
        self._told = 0
        return [("on_connect", (self._response,)), ("on_open", ())]

    def _down(self, event: Down) -> list[Call]:
        streamed = event.connection in self._live
        self._live.discard(event.connection)
        failures = self._failures[event.connection] = self._failures.get(event.connection, 0) + 1
        self.connected = False
        self._over = event.over and not self._live
        if failures <= self._told:
            return []  # another connection's failure has told as much
        self._told = failures
        calls = _closed(event) if streamed or event.status is not None or event.fatal else []
        if failures > 1:
            calls.append(("on_reconnect", (failures - 1,)))
        if failures == self._tries + 1:
            calls.append(("on_noreconnect", ()))
        return calls

    def _ended(self, event: Ended) -> list[Call]:
        """One more failure, of all of them. The next feed opens its connections one by one, as the first did."""
        told = self._over
        self._live = {0} if self._live else set()
        self._failures = {0: self._told}
        calls = [] if told else self._down(replace(event.why, connection=0))
        return [*calls, ("on_noreconnect", ())] if event.final else calls


def reason_of(event: Down) -> str | None:
    """Why a connection ended, in the official client's words where scripts may look for them."""
    if event.status is not None:
        return _UNCLEAN.format(_UPGRADE.format(event.status, _phrase(event.status)))
    if event.code == ABNORMAL:
        return _UNCLEAN.format(event.reason or _CUT)
    return event.reason or None


def _closed(event: Down) -> list[Call]:
    told = (event.code, reason_of(event))
    unclean: list[Call] = [("on_error", told)] if event.code == ABNORMAL else []
    return [*unclean, ("on_close", told)]


def _phrase(status: int) -> str:
    """Without spaces, as the official client shows it: TooManyRequests."""
    try:
        return HTTPStatus(status).phrase.replace(" ", "")
    except ValueError:
        return "Unknown"


def _said(event: Said) -> list[Call]:
    if event.kind == "order" and event.data:
        return [("on_order_update", (event.data,))]
    if event.kind == "error":
        return [("on_error", (0, event.data))]
    return []
