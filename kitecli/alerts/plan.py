"""What a feed is told of alerts. It travels through a pipe to the feed's process: secrets stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self

from kitecli.secret import Secret

Kind = Literal["outage", "silent", "token", "recording", "ended", "test"]
KINDS: Final = ("outage", "silent", "token", "recording", "ended")
CHANNELS: Final = ("telegram", "webhook")
_SECRETS: Final = ("telegram_token", "webhook_url")


@dataclass(frozen=True, slots=True)
class AlertPlan:
    """``channels``: where alerts go; ``kinds``: what is worth one.

    ``outage_after_s``: outages that end sooner aren't. ``repeat_after_s``: for so long the same isn't told again.
    ``most_per_hour``: more are held back, and counted in the next that goes.
    """

    channels: tuple[str, ...]
    kinds: tuple[str, ...] = KINDS
    telegram_root: str = ""
    telegram_chat: str = ""
    telegram_token: Secret | None = None
    webhook_url: Secret | None = None
    outage_after_s: float = 5.0
    repeat_after_s: float = 900.0
    most_per_hour: int = 20

    def as_plain(self) -> dict[str, object]:
        """With its secrets in the open."""
        plain: dict[str, object] = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value.reveal() if isinstance(value, Secret) else value for name, value in plain.items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:  # Any: JSON
        """The inverse of :meth:`as_plain`."""
        lists = {name: tuple(plain[name]) for name in ("channels", "kinds")}
        secrets = {name: Secret(plain[name]) if plain[name] else None for name in _SECRETS}
        return cls(**{**plain, **lists, **secrets})


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to be told. ``key``: what it is about, as a connection: of the same kind and key one tells the same.

    ``grave``: something is wrong; else it is well again.
    """

    kind: Kind
    what: str
    why: str
    feed: str
    at_ns: int
    key: str = ""
    grave: bool = True
    held_back: int = 0
