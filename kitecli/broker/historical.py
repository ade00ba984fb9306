"""Candles from the broker's historical interface, one request at a time.

Spans and the limit of calls are dated data (config/limits.yaml) and others' business: ``kitecli.broker.pace`` holds
the limit. Source: Kite Connect v3, "Historical candle data"; the time a candle takes to settle is the broker's staff's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.broker.rest import BrokerSession, ask, not_as_documented
from kitecli.clock import IST, ist
from kitecli.errors import UsageError

SETTLED_AFTER_S: Final = 15.0
"""A candle that ended more recently may still change: staff ask to wait longer than 10 s, and 3 s were too few."""

INTERVALS_S: Final = {
    "minute": 60,
    "3minute": 180,
    "5minute": 300,
    "10minute": 600,
    "15minute": 900,
    "30minute": 1800,
    "60minute": 3600,
    "day": 86_400,
}

CANDLE_DTYPE: Final = np.dtype(
    [
        ("start_s", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<i8"),
        ("oi", "<i8"),
        ("settled", "?"),
    ]
)
"""Prices in rupees, ``start_s`` epoch seconds, ``oi`` 0 where it wasn't asked for; ``settled``: it will not change."""

Candles = NDArray[np.void]
_SPELT: Final = re.compile(r"(\d+) ?(m|min|minutes?|h|hours?|d|days?)")
_UNITS_S: Final = {"m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class CandleRequest:
    """One call: from ``first`` to ``last``, both included, as aware datetimes.

    ``interval``: one of :data:`INTERVALS_S`. ``continuous``: days of the futures before this one too. ``oi``: with open
    interest.
    """

    token: int
    interval: str
    first: datetime
    last: datetime
    continuous: bool = False
    oi: bool = False

    def params(self) -> list[tuple[str, str]]:
        """The query."""
        span = [(name, f"{at.astimezone(IST):%Y-%m-%d %H:%M:%S}") for name, at in self._ends()]
        return [*span, ("continuous", str(int(self.continuous))), ("oi", str(int(self.oi)))]

    def _ends(self) -> tuple[tuple[str, datetime], tuple[str, datetime]]:
        return ("from", self.first), ("to", self.last)


def interval_named(text: str) -> str:
    """The broker's word for ``5m``, ``5minute``, ``1h`` or ``1d``. Raises :class:`UsageError` where it has none."""
    plain = text.strip().lower()
    spelt = _SPELT.fullmatch(plain)
    size_s = int(spelt[1]) * _UNITS_S[spelt[2][0]] if spelt else INTERVALS_S.get(plain)
    for name, seconds in INTERVALS_S.items():
        if seconds == size_s:
            return name
    raise UsageError(f"The broker has no candles of {text!r}", hint="the intervals are " + ", ".join(INTERVALS_S))


def fetch_candles(session: BrokerSession, request: CandleRequest, now_s: float) -> Candles:
    """(n,) CANDLE_DTYPE, by time, each start once; (0,) where the broker has none. ``now_s``: when it is asked.

    Candles outside the time asked for are left out.

    :raises AuthError: the session has ended. :raises BrokerError: any other refusal, as a span that is too long.
    :raises BrokerUnavailable: it may work in a moment: 429, 5xx, a page instead of an answer, no network.
    """
    path = f"/instruments/historical/{request.token}/{request.interval}"
    data = ask(session, path, request.params())
    try:
        rows = data["candles"]  # type: ignore[index]
        found = parse_candles(rows, request.interval, now_s)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise not_as_documented("/instruments/historical") from error
    first_s, last_s = _reach(request)
    return found[(found["start_s"] >= first_s) & (found["start_s"] <= last_s)]


def parse_candles(rows: list[list[object]], interval: str, now_s: float) -> Candles:
    """The answer's rows, ``["2026-11-20T09:15:00+0530", open, high, low, close, volume(, oi)]``, by time.

    Raises ValueError, TypeError or IndexError for rows of another form.
    """
    made = np.zeros(len(rows), CANDLE_DTYPE)
    if not rows:
        return made
    columns = list(zip(*rows, strict=True))
    made["start_s"] = [round(datetime.fromisoformat(str(text)).timestamp()) for text in columns[0]]
    for name, column in zip(("open", "high", "low", "close", "volume", "oi"), columns[1:], strict=False):
        made[name] = np.asarray(column, np.float64)
    made["settled"] = made["start_s"] + INTERVALS_S[interval] + SETTLED_AFTER_S <= now_s
    _, lasts = np.unique(made["start_s"][::-1], return_index=True)
    return made[::-1][lasts]


def _reach(request: CandleRequest) -> tuple[float, float]:
    """The starts that belong to a request. A day starts at midnight, whatever the hour that was asked for."""
    first_s = request.first.timestamp()
    if request.interval == "day":
        first_s = ist(first_s).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    return first_s, request.last.timestamp()
