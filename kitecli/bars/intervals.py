"""What a bar spans: ``100ms``, ``5s``, ``1m``, ``1h``, ``day``; ``500t`` ticks; ``10000v`` shares or contracts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from kitecli.errors import UsageError

MAX_SERIES: Final = 8
"""Sets of bars one feed builds; what else is asked for is put together from them when it is read."""
DAY_MS: Final = 86_400_000

_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000}
_NAMES: Final = {"minute": "1m", "hour": "1h", "1d": "day", "1day": "day", "d": "day"}
_FORM: Final = re.compile(r"(\d+)\s*(ms|s|min|minute|m|h|hour|t|v)")
_MOST: Final = 0xFFFFFFFF


class Kind(IntEnum):
    """What closes a bar."""

    TIME = 1
    TICKS = 2
    VOLUME = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """``size``: milliseconds, ticks, or shares."""

    kind: Kind
    size: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``5m``, ``15minute``, ``day``, ``500t`` … Raises :class:`UsageError`."""
        plain = text.strip().lower()
        plain = _NAMES.get(plain, plain)
        if plain == "day":
            return cls(Kind.TIME, DAY_MS)
        found = _FORM.fullmatch(plain)
        size = int(found[1]) if found else 0
        unit = {"minute": "m", "hour": "h"}.get(found[2], found[2]) if found else ""
        size *= _MS.get(unit, 1)
        if not 0 < size <= (_MOST if unit in ("t", "v") else DAY_MS):
            raise UsageError(f"{text!r} is no interval of bars", hint="as 100ms, 5s, 1m, 15m, 1h, day, 500t or 10000v")
        return cls({"t": Kind.TICKS, "v": Kind.VOLUME}.get(unit, Kind.TIME), size)

    @property
    def by_receive(self) -> bool:
        """Not of whole seconds, as exchange stamps are: our receive time places the ticks."""
        return self.kind is Kind.TIME and self.size % 1000 != 0

    def __str__(self) -> str:
        if self.kind is not Kind.TIME:
            return f"{self.size}{'t' if self.kind is Kind.TICKS else 'v'}"
        if self.size == DAY_MS:
            return "day"
        unit = next(unit for unit in ("h", "m", "s", "ms") if self.size % _MS[unit] == 0)
        return f"{self.size // _MS[unit]}{unit}"
