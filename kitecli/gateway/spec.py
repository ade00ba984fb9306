"""What a gateway is told at its start, what it is asked later and what it says: JSON objects, one a line.

To the gateway: first the spec, then requests::

    {"do": "subscribe", "modes": {"408065": "full"}}    {"do": "unsubscribe", "tokens": [408065]}    {"do": "stop"}

From it: events, of which the first is ``ready`` (or ``failed``) and the last ``stopped`` or ``failed``.
The access token travels in the spec, through a pipe: not in argv or the environment, which other processes can read.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from kitecli import errors
from kitecli.errors import KiteError
from kitecli.secret import Secret


@dataclass(frozen=True, slots=True)
class GatewaySpec:
    """Everything a gateway needs to know. ``ring_size`` in ticks; ``ring_path`` None: private memory."""

    ws_url: Secret
    modes: dict[int, str]
    ring_size: int
    ring_path: str | None
    connections: int = 3
    instruments_per_connection: int = 3000
    at_least: int = 1

    def to_line(self) -> str:
        """For the child's standard input only: the secret stands in it."""
        plain = {**_fields(self), "ws_url": self.ws_url.reveal()}
        return json.dumps(plain)

    @classmethod
    def from_line(cls, line: str) -> GatewaySpec:
        plain = json.loads(line)
        modes = {int(token): mode for token, mode in plain.pop("modes").items()}
        return cls(ws_url=Secret(plain.pop("ws_url")), modes=modes, **plain)


EventKind = Literal["ready", "connection", "message", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """Something the gateway says.

    ``ready``: the ring can be read. ``connection``: connection number ``connection`` is in ``state`` now, because of
    ``error`` if there is one. ``message``: the broker's text, its kind in ``state``. ``stopped``: the end, asked for.
    ``failed``: the end, by ``error``.
    """

    kind: EventKind
    connection: int | None = None
    state: str = ""
    retry_in_s: float | None = None
    data: object = None
    error: dict[str, str | int] = field(default_factory=dict)

    def to_line(self) -> str:
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_line(cls, line: str) -> GatewayEvent:
        return cls(**json.loads(line))

    def failure(self) -> KiteError | None:
        """The error this event carries, as the exception it was."""
        if not self.error:
            return None
        kinds = {kind.reference: kind for kind in _kinds(KiteError)}
        kind = kinds.get(str(self.error["error"]), errors.FeedError)
        return kind(str(self.error["what"]), why=str(self.error["why"]), hint=str(self.error["hint"]))


def failed(cause: Exception) -> GatewayEvent:
    """The last word of a gateway that ``cause`` ended. Of a defect only the place is told: its text may show a URL."""
    if isinstance(cause, KiteError):
        return GatewayEvent("failed", error=cause.as_dict())
    frame = traceback.extract_tb(cause.__traceback__)[-1]
    defect = errors.FeedError(
        "The feed failed",
        why=f"{type(cause).__name__} at {Path(frame.filename).name}:{frame.lineno}",
        hint="this is a defect of kite: report it",
    )
    return GatewayEvent("failed", error=defect.as_dict())


def subscribe_request(modes: Mapping[int, str]) -> str:
    return json.dumps({"do": "subscribe", "modes": {str(token): mode for token, mode in modes.items()}})


def unsubscribe_request(tokens: list[int]) -> str:
    return json.dumps({"do": "unsubscribe", "tokens": tokens})


STOP_REQUEST = json.dumps({"do": "stop"})


def _fields(spec: GatewaySpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__ if name != "ws_url"}


def _kinds(kind: type[KiteError]) -> list[type[KiteError]]:
    return [kind, *(found for sub in kind.__subclasses__() for found in _kinds(sub))]
