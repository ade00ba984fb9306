"""What the fault proxy can do, as values. docs/faults.md has the same in tables, with the words of the script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

BAD_TLS: Final = ("self_signed", "wrong_host", "expired", "unknown_ca", "tls_1_1", "plaintext_redirect")
TLS_FORMS: Final = ("good", *BAD_TLS)
DAMAGES: Final = ("garbled", "count", "truncated", "length", "opcode")
STAGES: Final = ("accept", "request", "response")
PIECES: Final = ("segments", "fragments")
BODIES: Final = ("json", "html")
STATUSES: Final = (302, 400, 403, 429, 500, 502, 503, 504)

Where = Literal["ticker", "rest"]
"""One of the exchange's two entrances."""


@dataclass(frozen=True, slots=True)
class Rst:
    """Cut with a TCP reset; the exchange's side is closed."""

    kind: ClassVar[str] = "rst"


@dataclass(frozen=True, slots=True)
class Fin:
    """Closed without a websocket farewell."""

    kind: ClassVar[str] = "fin"


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """The server is gone and nobody told the client: its bytes go nowhere. A reset ends it after ``for_s``."""

    kind: ClassVar[str] = "half_open"
    for_s: float | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is passed on, either way; after ``for_s`` all of it is, late."""

    kind: ClassVar[str] = "silence"
    for_s: float | None = None


@dataclass(frozen=True, slots=True)
class Slow:
    """A thin or a long line towards the client. One of the two is set, or both."""

    kind: ClassVar[str] = "slow"
    for_s: float | None = None
    bytes_per_s: int | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Split:
    """Each frame in ``pieces`` parts, ``pause_s`` apart: TCP segments, or websocket fragments."""

    kind: ClassVar[str] = "split"
    for_s: float | None = None
    pieces: int = 2
    into: str = "segments"
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Merge:
    """``frames`` frames in one segment, or as many as come in a tenth of a second."""

    kind: ClassVar[str] = "merge"
    for_s: float | None = None
    frames: int = 10


@dataclass(frozen=True, slots=True)
class Malformed:
    """The next ``frames`` frames that carry ticks, damaged."""

    kind: ClassVar[str] = "malformed"
    form: str
    frames: int = 1


@dataclass(frozen=True, slots=True)
class Refuse:
    """The server is down: connections are reset and new ones refused."""

    kind: ClassVar[str] = "refuse"
    for_s: float


@dataclass(frozen=True, slots=True)
class CutHandshake:
    """``count`` new connections are reset at once, after their request, or in the middle of the response."""

    kind: ClassVar[str] = "cut_handshake"
    for_s: float | None = None
    count: int | None = None
    stage: str = "request"


@dataclass(frozen=True, slots=True)
class Status:
    """Requests are answered with an HTTP error: ``count`` of them, for ``for_s``, or until a new access token comes."""

    kind: ClassVar[str] = "status"
    code: int
    for_s: float | None = None
    count: int | None = None
    until_new_token: bool = False
    body: str = "json"


@dataclass(frozen=True, slots=True)
class Freeze:
    """The server neither accepts nor answers nor reads; then it goes on where it was."""

    kind: ClassVar[str] = "freeze"
    for_s: float


@dataclass(frozen=True, slots=True)
class Tls:
    """New connections meet a server of another TLS ``form``."""

    kind: ClassVar[str] = "tls"
    form: str
    for_s: float | None = None
    count: int | None = None


What = Rst | Fin | HalfOpen | Silence | Slow | Split | Merge | Malformed | Refuse | CutHandshake | Status | Freeze | Tls
Standing = Slow | Split | Merge
"""What lasts, and takes in connections that are opened meanwhile."""
AtTheDoor = Refuse | CutHandshake | Status | Freeze | Tls
"""What happens to an entrance rather than to chosen connections."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the open connections: those in ``seats``, or ``random`` of them, or all where neither is given.

    A connection takes the lowest free seat, from 0, when its handshake is through, and leaves it when it is cut; so
    the replacement of a single cut connection sits where that one sat.
    """

    seats: tuple[int, ...] = ()
    random: int = 0

    @property
    def is_all(self) -> bool:
        return not self.seats and not self.random

    def covers(self, seat: int) -> bool:
        """Whether a connection that comes later is meant too; of ``random`` ones none is."""
        return not self.random and (not self.seats or seat in self.seats)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something to do, and to whom. ``where``: one entrance, or both."""

    what: What
    choice: Choice = Choice()
    where: tuple[Where, ...] = ("ticker",)


@dataclass(frozen=True, slots=True)
class At:
    """Once, ``after_s`` the start."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Every:
    """Each ``period_s`` since the start, later by up to ``jitter_s``."""

    period_s: float
    jitter_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AfterOpen:
    """On each connection, ``after_s`` its handshake."""

    after_s: float


@dataclass(frozen=True, slots=True)
class OnMessage:
    """On each connection, once its ``number``-th text has been passed on to the exchange; from 1."""

    number: int


@dataclass(frozen=True, slots=True)
class OnFrame:
    """On each connection, once its ``number``-th frame has been passed on to the client; from 1."""

    number: int


When = At | Every | AfterOpen | OnMessage | OnFrame


@dataclass(frozen=True, slots=True)
class Rule:
    """``times``: how often in all; None: without end. ``line``: where the script says so."""

    when: When
    fault: Fault
    times: int | None
    line: int


@dataclass(frozen=True, slots=True)
class Script:
    """``tls``: how both entrances speak from the start; None: plainly."""

    seed: int = 1
    tls: str | None = None
    rules: tuple[Rule, ...] = ()
