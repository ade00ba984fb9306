"""Why a bar of ours and the broker's candle may differ. docs/audit-bars.md explains each cause to users."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Cause(StrEnum):
    LATE = "late"  # a tick came after the bar was closed; its revision agrees
    GAP = "gap"  # an outage: ticks were missed
    MISSING_TICK = "missing tick"  # the broker sends some updates a second, not every trade
    AUCTION = "auction"  # theirs counts an auction that we keep apart
    OPEN_CORRECTED = "open corrected"  # the broker sets the day's open to the auction's price
    PARTIAL = "partial"  # we came later than its start
    ESTIMATED = "estimated"  # ticks without a stamp were placed by when we received them
    NO_TRADE = "no trade"  # a tick that repeats the last price; candles are made of trades alone
    UNSETTLED = "unsettled"  # the candle may still change
    UNEXPLAINED = "not explained"


class Verdict(NamedTuple):
    """A cause, and what it is seen by."""

    cause: Cause
    why: str
