"""A bar while it forms: how it begins, what a tick changes in it, and the record it leaves.

``state`` is the instrument's row, ``hot`` and ``cold`` are the bar's, all of :mod:`kitecli.bars.layout` and changed in
place. Close, volume, turnover and ticks aren't kept: they are differences to the state's running figures.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kitecli.bars.arrival import Arrival
from kitecli.bars.layout import STATE_GAP, STATE_OI, STATE_PARTIAL, STATE_VOLUME
from kitecli.bars.record import BAR_DTYPE, FLAG_GAP, FLAG_OI, FLAG_PARTIAL, FLAG_VOLUME
from kitecli.bars.timeline import Bucket

U32: Final = 0xFFFFFFFF
_I32: Final = 0x7FFFFFFF
_FLAG_OF_STATE: Final = {STATE_VOLUME: FLAG_VOLUME, STATE_OI: FLAG_OI}


def key_of(arrival: Arrival, t_ms: int, start_ms: int) -> int:
    """What orders a bar's ticks: the cumulative volume, or the milliseconds since the bar's start."""
    return arrival.volume if arrival.volume is not None else clip_u32(t_ms - start_ms)


def clip_u32(value: int) -> int:
    return max(0, min(value, U32))


def clip_i32(value: int) -> int:
    return max(-_I32 - 1, min(value, _I32))


def begin(state: np.void, hot: np.void, cold: np.void, bucket: Bucket, arrival: Arrival, t_ms: int) -> None:
    """With this tick, which isn't yet in the state's figures."""
    cold["start_ms"], cold["end_ms"] = bucket.start_ms, bucket.end_ms
    hot["until_ms"] = cold["until_ms"] = bucket.until_ms
    for name in ("turnover", "volume", "ticks"):
        cold[f"base_{name}"] = state[name]
    cold["open"] = hot["high"] = hot["low"] = arrival.price
    cold["first_key"] = key_of(arrival, t_ms, bucket.start_ms)
    partial = state["joined_ms"] > bucket.start_ms or state["flags"] & STATE_PARTIAL
    gap = state["flags"] & STATE_GAP
    cold["flags"] = bucket.flags | (FLAG_PARTIAL if partial else 0) | (FLAG_GAP if gap else 0)


def extend(hot: np.void, cold: np.void, arrival: Arrival, t_ms: int, *, newest: bool) -> None:
    """By one tick more. One that comes out of order may be the first; the last one is the state's."""
    hot["high"] = max(int(hot["high"]), arrival.price)
    hot["low"] = min(int(hot["low"]), arrival.price)
    key = key_of(arrival, t_ms, int(cold["start_ms"]))
    if not newest and key < cold["first_key"]:
        cold["open"], cold["first_key"] = arrival.price, key


def record_of(state: np.void, hot: np.void, cold: np.void, end_ms: int, now_ms: int) -> np.void:
    """The bar as it is now, as one that ended at ``end_ms`` and is closed at ``now_ms``. Token and series are left.

    The newest tick by its stamp may have come before this bar began, where receive times or counts divide bars; then
    its price is none of this bar's, and the nearest one is the close.
    """
    record: np.void = np.zeros(1, BAR_DTYPE)[0]
    start_ms, carries = int(cold["start_ms"]), bool(state["flags"] & STATE_VOLUME)
    record["open"], record["high"], record["low"] = cold["open"], hot["high"], hot["low"]
    record["close"] = max(int(hot["low"]), min(int(state["last_price"]), int(hot["high"])))
    record["ticks"] = (int(state["ticks"]) - int(cold["base_ticks"])) & U32
    if carries:
        record["volume"] = volume_of(state, cold)
        record["turnover"] = state["turnover"] - cold["base_turnover"]
    record["oi"], record["start_ms"] = state["oi"], start_ms
    record["length_ms"] = clip_u32(end_ms - start_ms)
    record["closed_after_ms"] = clip_i32(now_ms - end_ms)
    record["first_key"] = cold["first_key"]
    record["last_key"] = state["volume"] if carries else clip_u32(int(state["last_ms"]) - start_ms)
    record["flags"] = int(cold["flags"]) | flags_of(state)
    return record


def volume_of(state: np.void, cold: np.void) -> int:
    """Traded in the bar so far."""
    return (int(state["volume"]) - int(cold["base_volume"])) & U32


def flags_of(state: np.void) -> int:
    """Which figures mean something, by the instrument's last tick."""
    return sum(flag for bit, flag in _FLAG_OF_STATE.items() if state["flags"] & bit)
