"""Exchange segments: the low byte of an instrument token says where an instrument trades and how its prices are scaled.

``instrument_token == exchange_token << 8 | segment``. Prices travel as integers; price = integer / divisor.
Source: Kite Connect's websocket documentation and the official clients (NCO since pykiteconnect 5.2.2, 2026-09-15).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Segment:
    """One row of the segment table. ``divisor`` turns the wire's integer into rupees."""

    code: int
    name: str
    exchange: str
    divisor: int
    tradable: bool = True


DEFAULT_DIVISOR: Final = 100
INDICES: Final = 9

SEGMENTS: Final = MappingProxyType(
    {
        segment.code: segment
        for segment in (
            Segment(1, "nse", "NSE", 100),
            Segment(2, "nfo", "NFO", 100),
            Segment(3, "cds", "CDS", 10_000_000),
            Segment(4, "bse", "BSE", 100),
            Segment(5, "bfo", "BFO", 100),
            Segment(6, "bcd", "BCD", 10_000),
            Segment(7, "mcx", "MCX", 100),
            Segment(8, "mcxsx", "MCXSX", 100),
            Segment(INDICES, "indices", "NSE", 100, tradable=False),
            Segment(12, "nco", "NCO", 10_000),
        )
    }
)

_DERIVATIVES: Final = frozenset(
    segment.code for segment in SEGMENTS.values() if segment.name not in ("nse", "bse", "indices")
)


def segment_of(token: int) -> int:
    """The segment byte of an instrument token."""
    return token & 0xFF


def divisor_of(token: int) -> int:
    """What the wire's integer price is divided by; 100 for segments no client knows."""
    segment = SEGMENTS.get(token & 0xFF)
    return segment.divisor if segment else DEFAULT_DIVISOR


def is_derivative(token: int) -> bool:
    """Whether the token is of a segment of futures and options; single instruments only the master knows."""
    return token & 0xFF in _DERIVATIVES


def is_index(token: int) -> bool:
    return token & 0xFF == INDICES
