"""What a gateway is told at its start, and what it says while it runs.

The spec travels through a pipe: the access token stands in it, and argv and the environment can be read by others.
Requests and answers are in :mod:`~kitecli.gateway.messages`.
"""

from __future__ import annotations

import hashlib
import json
import traceback
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Final, Literal

from kitecli import errors
from kitecli.alerts.plan import AlertPlan
from kitecli.errors import KiteError
from kitecli.logs.plan import LogPlan
from kitecli.secret import Secret

READY: Final = "ready"
TAKEN: Final = "taken"
"""The first word of a gateway that listens, and of a process that was second to be the gateway of its name."""
_NAME_DIGITS: Final = 8
FLOOR_BYTES: Final = 1 << 28


def feed_name(api_key: str, ws_root: str) -> str:
    """The name of the one feed an account may have at a ticker; nobody learns the key from it."""
    return hashlib.sha256(f"{api_key}|{ws_root}".encode()).hexdigest()[:_NAME_DIGITS]


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """Where a feed is recorded, and how. ``level``: what the records are to survive; a ``process`` killed, or a
    ``power`` cut, which ``flush_s`` before it may cost. ``masters``: the folder of its instruments' masters.
    ``floor_bytes`` of the disk are left to others. ``seal``: what is ended is packed meanwhile.
    """

    store: str
    level: str = "power"
    flush_s: float = 1.0
    masters: str = ""
    floor_bytes: int = FLOOR_BYTES
    seal: bool = False


@dataclass(frozen=True, slots=True)
class GatewaySpec:
    """Everything a gateway needs to know.

    ``modes``: what the opener wants, token → mode. ``ring_size`` in ticks. ``folder``: the runtime folder its files
    stand in; None: a feed on a thread of this process, in private memory. ``token_file``: a file that holds the access
    token, read again when it changes. ``at_least``: connections to hold however few instruments there are. ``daemon``:
    it goes on without clients. ``label``: what people call it.

    ``intervals``: the bars it builds, ``bar_capacity`` closed ones of each kept. ``timelines``: when segments trade, as
    :mod:`kitecli.bars.hours` has it; empty: at any hour. ``record``: where everything received is recorded to, for as
    long as it runs. ``logs``: where it writes what happens to it; ``alerts``: whom it tells.
    """

    ws_root: str
    api_key: str
    modes: dict[int, str]
    ring_size: int
    folder: str | None
    access_token: Secret | None = None
    user_id: Secret | None = None
    token_file: str | None = None
    connections: int = 3
    instruments_per_connection: int = 3000
    at_least: int = 1
    daemon: bool = False
    label: str = ""
    intervals: tuple[str, ...] = ()
    bar_capacity: int = 65_536
    bar_grace_ms: int = 1500
    timelines: str = ""
    record: RecordPlan | None = None
    logs: LogPlan | None = None
    alerts: AlertPlan | None = None

    @property
    def name(self) -> str:
        return feed_name(self.api_key, self.ws_root)

    @property
    def limit(self) -> int:
        """Instruments the account may stream at once."""
        return self.connections * self.instruments_per_connection

    def to_line(self) -> str:
        """For the gateway's standard input only: secrets stand in it."""
        plain = {entry.name: _plain(getattr(self, entry.name)) for entry in fields(self)}
        return json.dumps(plain)

    @classmethod
    def from_line(cls, line: str) -> GatewaySpec:
        plain = json.loads(line)
        plain["modes"] = {int(token): mode for token, mode in plain["modes"].items()}
        plain["intervals"] = tuple(plain["intervals"])
        plain["record"] = RecordPlan(**plain["record"]) if plain["record"] else None
        plain["logs"] = LogPlan.from_plain(plain["logs"]) if plain["logs"] else None
        plain["alerts"] = AlertPlan.from_plain(plain["alerts"]) if plain["alerts"] else None
        for name in ("access_token", "user_id"):
            plain[name] = None if plain[name] is None else Secret(plain[name])
        return cls(**plain)


EventKind = Literal["ready", "connection", "gap", "message", "silent", "recording", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """Something the gateway says; never one per tick.

    ========== =====================================================================================================
    ready      the ring can be read
    connection number ``connection`` is in ``state`` since ``since_ns``, because of ``error``; tries in ``retry_in_s``
    gap        ``data``: an outage, as :class:`kitecli.gateway.gaps.GapRecord` has it; told when it begins and ends
    message    the broker's text: its kind in ``state``, its content in ``data``
    silent     ``data``: tokens of liquid instruments without a tick for long though their connection streams, or, where
               ``state`` is "back", that tick again
    recording  in ``state`` "on", "alarm" (by ``error``, nothing is recorded until it is "on" again), "refused" (by
               ``error``) or "off"; ``data``: how it stands, as docs/control-socket.md has it
    stopped    the end, asked for; ``data``: by whom
    failed     the end, by ``error``
    ========== =====================================================================================================
    """

    kind: EventKind
    connection: int | None = None
    state: str = ""
    since_ns: int | None = None
    retry_in_s: float | None = None
    data: object = None
    error: dict[str, str | int] = field(default_factory=dict)

    def failure(self) -> KiteError | None:
        """The error this event carries, as the exception it was."""
        return revived(self.error) if self.error else None


def revived(error: dict[str, str | int]) -> KiteError:
    """The exception that ``error``, an ``as_dict()`` of another process, was made of."""
    kinds = {kind.reference: kind for kind in _kinds(KiteError)}
    kind = kinds.get(str(error.get("error")), errors.FeedError)
    what, why, hint = (str(error.get(part, "")) for part in ("what", "why", "hint"))
    return kind(what, why=why, hint=hint)


def failed(cause: BaseException) -> GatewayEvent:
    """The last word of a gateway that ``cause`` ended."""
    return GatewayEvent("failed", error=told(cause).as_dict())


def told(cause: BaseException) -> KiteError:
    """``cause`` as others may see it. Of a defect only the place is told: its text may show a URL and a token in it."""
    if isinstance(cause, KiteError):
        return cause
    frame = traceback.extract_tb(cause.__traceback__)[-1]
    return errors.FeedError(
        "The feed failed",
        why=f"{type(cause).__name__} at {Path(frame.filename).name}:{frame.lineno}",
        hint="this is a defect of kite: report it",
    )


def _plain(value: object) -> object:
    if isinstance(value, RecordPlan):
        return asdict(value)
    if isinstance(value, LogPlan | AlertPlan):
        return value.as_plain()
    return value.reveal() if isinstance(value, Secret) else value


def _kinds(kind: type[KiteError]) -> list[type[KiteError]]:
    return [kind, *(found for sub in kind.__subclasses__() for found in _kinds(sub))]
