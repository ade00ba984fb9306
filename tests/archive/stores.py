"""A store with a day in it, recorded as a feed's would be, and files of ticks as people have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kitecli.market.gap import Gap
from kitecli.market.instruments import format_instruments
from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, MODE_LTP, MODE_QUOTE, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.store.recorder import Recorder, StoreHold
from kitecli.store.writer import StoreSettings
from kitecli.tables.ticks import instrument_of

DAY = date(2026, 11, 20)
START_NS = 1_795_146_300_000_000_000  # 09:15:00 IST
STEP_NS = 100_000_000
INFY, NIFTY, USDINR = 408065, 256265, 262147
NAMES = {INFY: "INFY", NIFTY: "NIFTY 50", USDINR: "USDINR26NOVFUT"}
MESSAGES = 600
FLOORLESS = StoreSettings(floor_bytes=0)


def ticks_of(number: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """The ticks of a message and their depth: a share in full mode, an index, and every third time a currency's ltp."""
    ticks = np.zeros(3 if number % 3 == 0 else 2, TICK_DTYPE)
    ticks["token"] = [INFY, NIFTY, USDINR][: len(ticks)]
    ticks["last_price"] = [150_000 + number, 2_500_000 + 5 * number, 1_054_725_000 + number][: len(ticks)]
    ticks["mode"] = [MODE_FULL, MODE_QUOTE, MODE_LTP][: len(ticks)]
    ticks["volume"][0], ticks["last_quantity"][0], ticks["oi"][0] = 10 * number, 1 + number % 50, 7
    ticks["ts_event_s"] = START_NS // 10**9 + number // 10
    for name in ("open", "high", "low", "close"):
        ticks[name][:2] = [149_000, 2_490_000]
    depth = np.zeros(len(ticks), DEPTH_DTYPE)
    depth["buy"]["price"][0] = 149_995 - np.arange(5) * 5
    depth["sell"]["price"][0] = 150_005 + np.arange(5) * 5
    depth["buy"]["quantity"][0] = depth["sell"]["quantity"][0] = 100 + number
    depth["buy"]["orders"][0] = depth["sell"]["orders"][0] = 3
    depth["buy"]["pad"][0, :2] = [70_000 & 0xFFFF, 70_000 >> 16]  # the day's lowest open interest
    depth["last_trade_time"] = START_NS // 10**9
    return ticks, depth


def master() -> bytes:
    return format_instruments(instrument_of(token, name) for token, name in NAMES.items()).encode()


@contextmanager
def recording(store: Path, day: date = DAY, master_csv: bytes | None = None) -> Iterator[Recorder]:
    """A recorder of a day in ``store``, closed with the block."""
    hold = StoreHold.take(store)
    try:
        csv = master() if master_csv is None else master_csv
        about = {"connections": [{"connection": 0, "endpoint": "wss://ws.kite.trade"}]}
        with Recorder(hold, day, master=csv or None, settings=FLOORLESS, about=lambda: about) as recorder:
            yield recorder
    finally:
        hold.release()


def record_day(store: Path, messages: int = MESSAGES, day: date = DAY, master_csv: bytes | None = None) -> Path:
    """Record a message each 100 ms, and an outage of INFY from the 200th to the 250th; returns the day's folder."""
    with recording(store, day, master_csv) as recorder:
        for number in range(messages):
            stamp = START_NS + number * STEP_NS
            (message,) = encode_frames(*ticks_of(number), packets_per_frame=10)
            assert recorder.append(message, stamp, 0)
            if number in (200, 250):
                end = stamp if number == 250 else None
                recorder.append_gap(Gap(0, (INFY,), START_NS + 200 * STEP_NS, end, "the socket was cut"), stamp)
        assert recorder.flush()
    return store / day.isoformat()


def flip(path: Path, at: float) -> None:
    """Turn one byte over, at a share of the file's length."""
    raw = bytearray(path.read_bytes())
    raw[int(len(raw) * at)] ^= 0x55
    path.write_bytes(raw)
