"""What a ticker needs of a feed, and what a feed tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from kitecli.errors import KiteError
from kitecli.ring.reader import Batch
from kitecli.secret import Secret

ABNORMAL: int = 1006
"""The websocket close code of a connection that ended without a farewell."""

RECALLED: int = -1


@dataclass(frozen=True, slots=True)
class Up:
    """Connection number ``connection`` streams."""

    connection: int


@dataclass(frozen=True, slots=True)
class Down:
    """A connection was lost, or one more attempt to open it failed.

    ``code`` and ``reason``: the websocket's, 1006 where there was no farewell. ``status``: the HTTP status of a refused
    handshake. ``fatal``: whatever it is that fails, trying again doesn't change it. ``over``: it isn't tried again.
    """

    connection: int
    code: int = ABNORMAL
    reason: str = ""
    status: int | None = None
    fatal: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The feed itself is over, all its connections with it; ``why`` says how. ``final``: there shall be no other."""

    why: Down
    final: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A text of the broker's, as :class:`~kitecli.protocol.messages.ServerMessage` has it."""

    connection: int
    kind: str
    data: object


@dataclass(frozen=True, slots=True)
class Refused:
    """Something this script asked for can't be had."""

    error: KiteError


Event = Up | Down | Ended | Said | Refused


class Source(Protocol):
    """One feed as one script uses it. Asked for ticks and events by one thread; the rest may be called from any."""

    def subscribe(self, modes: Mapping[int, str]) -> None:
        """Want these tokens in these modes, or with the :class:`~kitecli.errors.KiteError` raised none of them.

        Where the feed has ended nothing is raised: the next one will be asked.
        """
        ...

    def unsubscribe(self, tokens: Iterable[int]) -> None: ...

    def offer(self, access_token: Secret) -> None:
        """A new access token, for the next handshake."""
        ...

    def read(self, timeout_s: float) -> Batch | None:
        """Ticks and their depth as they come, of all who share the feed; valid until the next call.

        A batch whose ``first_sequence`` is ``RECALLED`` holds the latest ticks of tokens that others had subscribed to
        before: to them the broker sent a cached one, to us it doesn't.
        """
        ...

    def pending(self) -> int:
        """Ticks received and not yet read."""
        ...

    def heartbeats(self) -> int:
        """How many the broker has sent so far."""
        ...

    def events(self) -> Iterable[Event]:
        """What happened since the last call."""
        ...

    def close(self) -> None: ...


class OpenSource(Protocol):
    """Starts a feed, or joins the one there is. Raises :class:`~kitecli.errors.KiteError` where there can be none."""

    def __call__(self, api_key: str, access_token: Secret, root: str) -> Source: ...
