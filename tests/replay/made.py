"""A made-up morning: three instruments, a message a second from 10:00 on the 20th, an outage from 10:00:20 to :25."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from kitecli.bars.hours import NO_HOURS
from kitecli.clock import IST, NS_PER_S
from kitecli.market.gap import Gap
from kitecli.market.instruments import Instrument, format_instruments
from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, FLAG_OHLC, MODE_FULL, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.replay.facts import FeedFacts
from kitecli.store.recorder import _keep_master
from tests.replay.live import Live

TEN_S = round(datetime(2026, 11, 20, 10, tzinfo=IST).timestamp())
TOKENS = {"INFY": 408065, "RELIANCE": 738561, "TCS": 2953217}
GAP = (20, 25)
FACTS = FeedFacts(1 << 12, ("1s", "1m"), 1 << 10)


def at_ns(seconds: float) -> int:
    """So long after ten."""
    return TEN_S * NS_PER_S + round(seconds * NS_PER_S)


def master_csv() -> bytes:
    rows = [
        Instrument(token, str(token >> 8), name, name, 0.0, None, 0.0, 0.05, 1, "EQ", "NSE", "NSE")
        for name, token in TOKENS.items()
    ]
    return format_instruments(rows).encode()


def message(second: int) -> bytes:
    """A full tick of each: price and volume say which second it is."""
    ticks, depth = np.zeros(3, TICK_DTYPE), np.zeros(3, DEPTH_DTYPE)
    ticks["token"] = list(TOKENS.values())
    ticks["mode"], ticks["flags"] = MODE_FULL, FLAG_DEPTH | FLAG_OHLC
    ticks["last_price"], ticks["volume"] = 100_000 + second, 1_000 + 10 * second
    ticks["ts_event_s"] = TEN_S + second
    depth["buy"]["price"] = 99_000 + second
    return encode_frames(ticks, depth, 100)[0]


def made_day(folder: Path, seconds: int = 90, *, master: bool = True, facts: FeedFacts = FACTS) -> Live:
    """What a feed recorded; ``end()`` it."""
    folder.mkdir(parents=True, exist_ok=True)
    live = Live(folder, facts, NO_HOURS, master=_keep_master(folder, master_csv()) if master else bytes(32))
    live.subscribed(dict.fromkeys(TOKENS.values(), "full"), at_ns(0))
    lasting = Gap(0, tuple(TOKENS.values()), at_ns(GAP[0]), None, "cut")
    for second in range(seconds):
        if second == GAP[0]:
            live.outage(lasting, at_ns(GAP[0]))
        if second == GAP[1]:
            live.outage(Gap(0, lasting.tokens, lasting.from_ns, at_ns(GAP[1]), "cut"), at_ns(GAP[1]))
        if not GAP[0] <= second < GAP[1]:
            live.message(message(second), at_ns(second))
        live.sweep(at_ns(second + 0.5), 500)
    return live
