"""What a tick says to bars: its price, its cumulative volume, and when it was.

The exchange's stamp counts where there is one, in whole seconds; else our receive time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from kitecli.market.segments import is_derivative
from kitecli.market.tick import FLAG_INDEX, FLAG_SNAPSHOT, MODE_FULL, MODE_QUOTE

AHEAD_MS: Final = 60_000
"""A stamp further ahead of our clock than this is none."""
PLAYED_MS: Final = 600_000
"""A stamp further behind it is of a recorded day that is being played, or of an instrument long without a packet."""
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """``event_ms`` is ``recv_ms`` where ``stamped`` is false. ``volume``, ``oi``: None where it carries none."""

    recv_ms: int
    event_ms: int
    stamped: bool
    price: int
    volume: int | None
    oi: int | None
    snapshot: bool

    @classmethod
    def of(cls, tick: np.void) -> Self:
        recv_ms = int(tick["ts_recv_ns"]) // _NS_PER_MS
        stamp_ms = int(tick["ts_event_s"]) * 1000
        stamped = 0 < stamp_ms <= recv_ms + AHEAD_MS
        tradable = not tick["flags"] & FLAG_INDEX
        deep = tradable and tick["mode"] == MODE_FULL and is_derivative(int(tick["token"]))
        return cls(
            recv_ms=recv_ms,
            event_ms=stamp_ms if stamped else recv_ms,
            stamped=stamped,
            price=int(tick["last_price"]),
            volume=int(tick["volume"]) if tradable and tick["mode"] >= MODE_QUOTE else None,
            oi=int(tick["oi"]) if deep else None,
            snapshot=bool(tick["flags"] & FLAG_SNAPSHOT),
        )

    @property
    def market_ms(self) -> int:
        """The market's time when it came: ours, or the stamp's where another day is played."""
        return self.event_ms if self.recv_ms - self.event_ms > PLAYED_MS else self.recv_ms


class MarketClock:
    """What time it is in the market that the ticks are of, by the newest exchange stamp so far."""

    def __init__(self) -> None:
        self._event_ms = self._recv_ms = 0

    def note(self, arrival: Arrival) -> None:
        if arrival.stamped and arrival.event_ms > self._event_ms:
            self._event_ms, self._recv_ms = arrival.event_ms, arrival.recv_ms

    def at(self, now_ms: int) -> int:
        """Our clock, unless a recorded day is played: then the newest stamp and what has passed since it came."""
        if self._recv_ms - self._event_ms <= PLAYED_MS:
            return now_ms
        return self._event_ms + now_ms - self._recv_ms
