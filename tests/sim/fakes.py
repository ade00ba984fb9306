"""A source that gives what it is told: for the rules around it."""

from __future__ import annotations

import numpy as np

from kitecli.market.instruments import Instrument
from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, TICK_DTYPE
from kitecli.sim.minutes import CANDLE_DTYPE
from kitecli.sim.source import Batch, Records, Slots


def instrument(token: int, symbol: str, exchange: str = "NSE", segment: str = "NSE") -> Instrument:
    return Instrument(token, str(token >> 8), symbol, symbol, 0.0, None, 0.0, 0.05, 1, "EQ", segment, exchange)


INFY, ACC, NIFTY, USDINR = 408065, 5633, 256265, 579587
INSTRUMENTS = [
    instrument(INFY, "INFY"),
    instrument(ACC, "ACC"),
    instrument(NIFTY, "NIFTY 50", segment="INDICES"),
    instrument(USDINR, "USDINR26DECFUT", exchange="CDS", segment="CDS-FUT"),
]
SLOT_OF = {row.instrument_token: slot for slot, row in enumerate(INSTRUMENTS)}


class FixedSource:
    """Instruments 0 to 3; all but ACC have a cached tick."""

    mode = MODE_FULL
    lossless = False
    ended = False
    instruments = INSTRUMENTS

    def batch(self, *slots: int) -> Batch:
        ticks, depth = np.zeros(len(slots), TICK_DTYPE), np.zeros(len(slots), DEPTH_DTYPE)
        ticks["token"] = [INSTRUMENTS[slot].instrument_token for slot in slots]
        ticks["mode"] = self.mode
        ticks["last_price"], ticks["close"], ticks["ts_event_s"] = 157315, 156780, 1_719_461_460
        ticks["volume"], ticks["oi"] = 1_175_986, 70_000
        depth["buy"]["price"], depth["buy"]["quantity"], depth["buy"]["orders"] = 157310, 5, 1
        depth["last_trade_time"], depth["oi_day_high"] = 1_719_461_455, 80_000
        depth["buy"]["pad"][:, 0], depth["buy"]["pad"][:, 1] = 66_000 & 0xFFFF, 66_000 >> 16
        return Batch(np.array(slots, np.intp), ticks, depth)

    def begin(self, now_ns: int) -> None: ...

    def advance(self, now_ns: int) -> Batch:
        return self.batch()

    def next_ns(self) -> int:
        return 0

    def cached(self, slots: Slots) -> Batch:
        return self.batch(*[slot for slot in slots.tolist() if slot != SLOT_OF[ACC]])


class FixedHistory:
    """A minute at each of ``starts_s``, the first at 1573.00, each a rupee above the one before."""

    def __init__(self, *starts_s: int) -> None:
        self.starts_s = starts_s or (1_719_459_900, 1_719_459_960)  # 27 June 2024, 09:15 and 09:16 IST
        self.asked: list[tuple[int, bool]] = []

    def take(self, batch: Batch) -> None: ...

    def minutes(self, slot: int, first_s: int, last_s: int, *, continuous: bool = False) -> Records:
        self.asked.append((slot, continuous))
        made = np.zeros(len(self.starts_s), CANDLE_DTYPE)
        made["start_s"], made["open"] = self.starts_s, 157300 + 100 * np.arange(made.size)
        made["high"], made["low"], made["close"] = made["open"] + 100, made["open"] - 100, made["open"] + 50
        made["volume"], made["oi"] = 10, 7
        return made[(made["start_s"] >= first_s) & (made["start_s"] <= last_s)]

    def close(self) -> None: ...
