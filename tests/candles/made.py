"""Candles for tests: some minutes of a day."""

from __future__ import annotations

from datetime import date

import numpy as np

from kitecli.broker.historical import CANDLE_DTYPE, Candles
from kitecli.market.calendar import midnight_s
from kitecli.market.instruments import Instrument

INFY = Instrument(408065, "1594", "INFY", "INFOSYS", 0.0, None, 0.0, 0.1, 1, "EQ", "NSE", "NSE")
ODD = Instrument(519937, "2031", "M&M FIN/A", "M AND M", 0.0, None, 0.0, 0.1, 1, "EQ", "NSE", "NSE")


def minutes(day: date, count: int = 3, *, price: float = 100.0, settled: bool = True) -> Candles:
    made = np.zeros(count, CANDLE_DTYPE)
    made["start_s"] = midnight_s(day) + 33_300 + 60 * np.arange(count)
    made["open"], made["high"], made["low"], made["close"] = price, price + 1, price - 1, price + 0.5
    made["volume"], made["oi"], made["settled"] = 10, 7, settled
    return made


def joined(*parts: Candles) -> Candles:
    return np.concatenate(parts)
