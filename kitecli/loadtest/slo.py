"""What is asked of a run, as ``p99=1ms,lost=0``: read, and held against its figures.

=========================  ===============================================================
avg p50 p90 p99 p99.9 max  latency, sender's stamp to reader's handler: ns, us, ms, s
lost                       ticks the exchange sent that a reader didn't get, of all readers
cpu                        of one core by the feed process: 5%
memory                     private memory of the feed process: 60MB
=========================  ===============================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from kitecli.errors import UsageError

DEFAULT: Final = "p99=1ms,lost=0"
_TIMES: Final = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
_SIZES: Final = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
_PLAIN: Final = {"": 1.0}
_PERCENT: Final = {"%": 0.01}
UNITS: Final = {
    **dict.fromkeys(("avg", "p50", "p90", "p99", "p99.9", "max"), _TIMES),
    "lost": _PLAIN,
    "cpu": _PERCENT,
    "memory": _SIZES,
}
"""What can be asked for, and in which units; the figures themselves are ns, ticks, cores and bytes."""
_PART: Final = re.compile(r"(?P<name>[a-z0-9.]+)=(?P<value>\d+(?:\.\d+)?)(?P<unit>[a-zA-Z%]*)")


@dataclass(frozen=True, slots=True)
class Slo:
    """``name`` may be ``most`` at most; ``text``: as it was written."""

    name: str
    most: float
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``found``: the figure, None where this machine doesn't tell it, which is no pass."""

    slo: Slo
    found: float | None

    @property
    def passed(self) -> bool:
        return self.found is not None and self.found <= self.slo.most


def parse(text: str) -> tuple[Slo, ...]:
    """Raises :class:`UsageError` for what can't be read."""
    return tuple(_slo(part.strip()) for part in text.split(",") if part.strip())


def _slo(part: str) -> Slo:
    found = _PART.fullmatch(part)
    units = UNITS.get(found["name"], {}) if found else {}
    if found is None or found["unit"] not in units:
        raise UsageError(
            f"{part} is no target",
            why=f"one of {', '.join(UNITS)}, =, and a number with its unit was expected",
            hint="as in --slo p99=1ms,lost=0,cpu=5%,memory=60MB",
        )
    return Slo(found["name"], float(found["value"]) * units[found["unit"]], part)


def judged(slos: tuple[Slo, ...], figures: dict[str, float | None]) -> tuple[Verdict, ...]:
    """``figures`` by the names of :data:`UNITS`: ns, ticks, cores, bytes."""
    return tuple(Verdict(slo, figures[slo.name]) for slo in slos)
