"""Ticks from before what the ring still holds: read from the day's recording, newest first, for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.clock import NS_PER_S
from kitecli.errors import DataError
from kitecli.gateway.feed import Feed
from kitecli.market.tick import TICK_DTYPE
from kitecli.store.recording import Recording

FIRST_SPAN_S: Final = 2
GROWTH: Final = 4
"""Each look is at four times the span of the one before: a busy market's day is 75 GB, and its last seconds suffice."""
DAY_S: Final = 86_400
PATIENCE_S: Final = 0.5


def history(feed: Feed, token: int, count: int) -> NDArray[np.void]:
    """The last ``count`` ticks of an instrument, oldest first: the ring's, and before them the recording's."""
    ticks = feed.history(token, count)[0]
    if ticks.size >= count or not feed.has_moved_on or (folder := feed.recorded_day()) is None:
        return ticks
    before_ns = int(ticks["ts_recv_ns"][0]) if ticks.size else time.time_ns()
    return np.concatenate([ticks_before(folder, token, count - ticks.size, before_ns), ticks])


def ticks_before(
    folder: Path, token: int, count: int, before_ns: int, now_s: Callable[[], float] = time.monotonic
) -> NDArray[np.void]:
    """The last ``count`` ticks of an instrument received before ``before_ns``, oldest first: rows ``TICK_DTYPE``.

    Fewer where the day's recording in ``folder`` holds no more, or where ``PATIENCE_S`` have passed: then those there
    was time for, without a hole among them.
    """
    until_s, found, have = now_s() + PATIENCE_S, [np.zeros(0, TICK_DTYPE)], 0
    to_ns, span_s = before_ns, FIRST_SPAN_S
    try:
        with Recording.open(folder) as recording:
            while have < count and span_s < GROWTH * DAY_S:
                from_ns = to_ns - span_s * NS_PER_S
                part = _span(recording, token, from_ns, to_ns, lambda: now_s() < until_s)
                if part is None:
                    break
                found.append(part)
                have, to_ns, span_s = have + part.size, from_ns, span_s * GROWTH
    except DataError:  # nothing was recorded yet, or what lies further back is damaged: kite data verify tells
        pass
    return np.concatenate(found[::-1])[-count:]


def _span(
    recording: Recording, token: int, from_ns: int, to_ns: int, in_time: Callable[[], bool]
) -> NDArray[np.void] | None:
    """None where there was no time for all of it: its newest ticks would be the missing ones."""
    batches = [np.zeros(0, TICK_DTYPE)]
    for batch in recording.ticks([token], from_ns, to_ns):
        if not in_time():
            return None
        batches.append(batch.ticks)
    return np.concatenate(batches) if in_time() else None
