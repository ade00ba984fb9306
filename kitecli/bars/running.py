"""An instrument's running figures, which all its forming bars share: what a tick says was traded, and the tick's share.

``state`` is its row of :data:`~kitecli.bars.layout.STATE_DTYPE`, changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kitecli.bars.arrival import Arrival
from kitecli.bars.forming import clip_u32
from kitecli.bars.intervals import DAY_MS
from kitecli.bars.layout import STATE_OI, STATE_SEEN, STATE_VOLUME
from kitecli.bars.timeline import IST_OFFSET_MS, Phase, Timeline, day_of_ms, midnight_ms, span_of


@dataclass(frozen=True, slots=True)
class Traded:
    """``delta``: the volume traded since the tick before. ``volume`` and ``day``: the cumulative one after this tick.

    ``newest``: no tick before was stamped later, or had more volume at the same time. ``began_anew``: within the day.
    """

    newest: bool
    delta: int
    volume: int
    day: int
    began_anew: bool = False


def join(state: np.void, timeline: Timeline, arrival: Arrival) -> None:
    """The first packet of an instrument: what was traded before isn't ours to count.

    Before the day's first session its figures are those of the day before.
    """
    joined_ms = arrival.market_ms
    state["flags"] |= np.uint16(STATE_SEEN)
    state["joined_ms"], state["last_price"] = joined_ms, arrival.price
    state["volume"], state["oi"] = arrival.volume or 0, arrival.oi or 0
    span, midnight = span_of(timeline, joined_ms), midnight_ms(joined_ms)
    is_early = span.phase is Phase.OUTSIDE and span.start_ms == midnight and span.end_ms < midnight + DAY_MS
    state["day"] = day_of_ms(joined_ms) - is_early
    note_contents(state, arrival)


def differs(state: np.void, arrival: Arrival) -> bool:
    """Whether a snapshot tells of trades we weren't told of."""
    if arrival.volume is None:
        return bool(arrival.price != state["last_price"])
    return bool(arrival.volume != state["volume"])


def note_contents(state: np.void, arrival: Arrival) -> None:
    """What a packet carries is by its mode, which may change."""
    carried = (STATE_VOLUME if arrival.volume is not None else 0) | (STATE_OI if arrival.oi is not None else 0)
    state["flags"] = int(state["flags"]) & ~(STATE_VOLUME | STATE_OI) | carried


def traded(state: np.void, arrival: Arrival) -> Traded:
    """What a tick says of the volume, before anything of it is noted.

    A lower volume on the same day is an old packet again or, below half, a count that began anew. The first volume of
    an instrument that was streamed without it until now says nothing of when it was traded.
    """
    former, day, cumulative = int(state["volume"]), int(state["day"]), arrival.volume
    newest = arrival.event_ms > state["last_ms"]
    if arrival.event_ms == state["last_ms"]:
        newest = cumulative is None or cumulative >= former
    if cumulative is None or not newest:
        return Traded(newest, 0, former, day)
    today = day_of_ms(arrival.event_ms)
    if former == 0 and not state["flags"] & STATE_VOLUME:
        return Traded(newest, 0, cumulative, today)
    if today != day:
        # The same again: yesterday's figures, until something is traded.
        return Traded(newest, 0, former, day) if cumulative == former else Traded(newest, cumulative, cumulative, today)
    if cumulative < former // 2:
        return Traded(newest, 0, cumulative, day, began_anew=True)
    return Traded(newest, max(0, cumulative - former), max(former, cumulative), day)


def sure_ms_of(state: np.void, end_ms: int) -> int:
    """For how long from its floor on a tick is late for no bar, ends none and is of the day that volume is of.

    ``end_ms``: when the first of the stamped bars ends; 0 where one isn't forming. The pass asks no more of most ticks.
    """
    floor_ms = int(state["floor_ms"])
    if state["flags"] & STATE_VOLUME:
        midnight = int(state["day"]) * DAY_MS - IST_OFFSET_MS
        end_ms = min(end_ms, midnight + DAY_MS) if floor_ms >= midnight else 0
    return clip_u32(end_ms - floor_ms)


def add(state: np.void, arrival: Arrival, told: Traded) -> None:
    """The tick into the figures."""
    state["ticks"] += np.uint32(1)
    state["turnover"] += arrival.price * told.delta
    state["volume"], state["day"] = told.volume, told.day
    if not told.newest:
        return
    state["last_price"], state["last_ms"] = arrival.price, arrival.event_ms
    if arrival.oi is not None:
        state["oi"] = arrival.oi
