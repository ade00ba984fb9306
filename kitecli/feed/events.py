"""What a feed tells about itself: events as they happen, and where each connection stands when asked."""

from __future__ import annotations

from dataclasses import dataclass

from kitecli.errors import KiteError
from kitecli.feed.liveness import State
from kitecli.market.gap import Gap
from kitecli.protocol.messages import ServerMessage


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """Something about a connection that people or logs want to know; never one per tick.

    One of: a change of ``state`` (or another failed attempt in the same state: ``cause``, ``retry_in_s``); the broker's
    ``message``; a ``gap`` that begins (``to_ns`` None) or ends. ``state`` and ``since_ns`` are the connection's in any
    case.
    """

    connection: int
    state: State
    since_ns: int
    cause: KiteError | None = None
    retry_in_s: float | None = None
    message: ServerMessage | None = None
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """Where one connection stands. Times ``_ns`` are epoch nanoseconds, None where there was nothing yet.

    ``attempts``: handshakes begun; ``connects``: those that went through. ``rtt_ns``: how long the latest answered ping
    took; None where the server answers none.
    """

    index: int
    state: State
    since_ns: int
    cause: KiteError | None
    instruments: int
    last_frame_ns: int | None
    last_tick_ns: int | None
    attempts: int
    connects: int
    gaps: int
    rtt_ns: int | None
