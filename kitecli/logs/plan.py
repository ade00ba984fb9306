"""What a process is told of its log. It travels to child processes as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

LEVELS: Final = ("debug", "info", "warning", "error")
COMPONENTS: Final = (
    *("feed", "recording", "clients", "performance", "alerts"),  # of the feed's process
    *("sim", "cli", "service", "compat", "auth", "log"),
)
"""Who logs: the second word of a logger's name, ``kitecli.feed``."""


@dataclass(frozen=True, slots=True)
class LogPlan:
    """Where a process writes its log, and what of it. ``levels``: of components that differ from ``level``.

    ``rotate_bytes``: a file of that size is put aside, and ``keep`` of those are kept. ``console``: "text" or "json" has
    the lines on stderr too. ``performance_s``: how often a feed writes its figures; 0: never.
    """

    folder: str
    level: str = "info"
    levels: Mapping[str, str] = field(default_factory=dict)
    rotate_bytes: int = 10_000_000
    keep: int = 5
    console: str = "off"
    performance_s: float = 60.0

    def as_plain(self) -> dict[str, object]:
        return {**asdict(self), "levels": dict(self.levels)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:  # Any: JSON
        """The inverse of :meth:`as_plain`."""
        return cls(**plain)
