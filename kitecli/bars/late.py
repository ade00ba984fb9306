"""Ticks of bars that are closed already: what was published stays, and a revision of it is published.

A late tick may show that volume counted in the next bar was traded in this one. The next bar has what was traded
between two cumulative volumes; up to the late tick's, it is this bar's::

    this bar's last            late tick              next bar's last
    ----+--------------------------+------------------------+---->  cumulative volume
        |<--- moves to this bar -->|<- stays with the next->|
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kitecli.bars.arrival import Arrival
from kitecli.bars.forming import U32, clip_i32, flags_of, key_of
from kitecli.bars.record import BAR_DTYPE, FLAG_ESTIMATED, FLAG_REVISED, FLAG_VOLUME
from kitecli.bars.timeline import Bucket, day_of_ms

_MAX_REVISION = 255


@dataclass(frozen=True, slots=True)
class Place:
    """Where a late tick belongs: ``bar``, its own, and ``after``, the next closed one; their newest revisions, or None.

    ``forming``: the open bar (cold part), or None; it is the next one where there is no ``after``.
    """

    bar: np.void | None
    after: np.void | None
    forming: np.void | None


def place_of(records: Sequence[np.void], start_ms: int, forming: np.void | None) -> Place:
    """Among an instrument's records, newest first."""
    newest: dict[int, np.void] = {}
    for record in records:
        newest.setdefault(int(record["start_ms"]), record)
    following = min((start for start in newest if start > start_ms), default=start_ms)
    return Place(newest.get(start_ms), newest[following] if following != start_ms else None, forming)


def revisions(place: Place, state: np.void, bucket: Bucket, arrival: Arrival) -> list[np.void]:
    """The records that a late tick leads to: its bar's, and the next one's if that loses volume to it.

    A next bar that still forms loses it in place. ``state`` has the tick in its figures already.
    """
    moved = _moved(place, state, bucket, arrival)
    if place.bar is None:
        bar = _alone(state, bucket, arrival)
    else:
        bar = _again(place.bar, arrival)
        _join(bar, arrival)
    if moved == 0:
        return [bar]
    bar["volume"] = (int(bar["volume"]) + moved) & U32
    bar["turnover"] += moved * arrival.price
    return [bar, *_taken(moved, place, arrival)]


def _moved(place: Place, state: np.void, bucket: Bucket, arrival: Arrival) -> int:
    """The volume that was this bar's, of the next one's; none of another day's."""
    if arrival.volume is None or not (place.bar is None or place.bar["flags"] & FLAG_VOLUME):
        return 0
    following = place.after if place.after is not None else place.forming
    if following is None:  # then it is traded since this bar was closed, and no other's
        first, last = int(state["volume"] if place.bar is None else place.bar["last_key"]), int(state["volume"])
    elif day_of_ms(int(following["start_ms"])) != day_of_ms(bucket.start_ms):
        return 0
    elif place.after is not None:
        last = int(place.after["last_key"])
        first = (last - int(place.after["volume"])) & U32
    else:
        first, last = int(following["base_volume"]), int(state["volume"])
    return max(0, min(arrival.volume, last) - first)


def _again(record: np.void, arrival: Arrival) -> np.void:
    """Another revision of it, as it stands."""
    bar: np.void = record.copy()
    bar["revision"] = min(int(bar["revision"]) + 1, _MAX_REVISION)
    bar["flags"] |= np.uint16(FLAG_REVISED)
    bar["closed_after_ms"] = clip_i32(arrival.recv_ms - int(bar["start_ms"]) - int(bar["length_ms"]))
    return bar


def _join(bar: np.void, arrival: Arrival) -> None:
    """Put the tick into its bar. Where only one of them carries volume nothing tells their order."""
    bar["ticks"] += np.uint32(1)
    bar["high"], bar["low"] = max(int(bar["high"]), arrival.price), min(int(bar["low"]), arrival.price)
    if (arrival.volume is not None) != bool(bar["flags"] & FLAG_VOLUME):
        return
    key = key_of(arrival, arrival.event_ms, int(bar["start_ms"]))
    if key < bar["first_key"]:
        bar["open"], bar["first_key"] = arrival.price, key
    # Without volume, of two at the same time the one that came last is the last.
    if key > bar["last_key"] or (arrival.volume is None and key == bar["last_key"]):
        bar["close"], bar["last_key"] = arrival.price, key
        bar["oi"] = bar["oi"] if arrival.oi is None else arrival.oi


def _alone(state: np.void, bucket: Bucket, arrival: Arrival) -> np.void:
    """A bar of this tick only: until now there was none."""
    bar: np.void = np.zeros(1, BAR_DTYPE)[0]
    bar["start_ms"], bar["length_ms"] = bucket.start_ms, bucket.end_ms - bucket.start_ms
    for name in ("open", "high", "low", "close"):
        bar[name] = arrival.price
    bar["ticks"] = bar["revision"] = 1
    bar["oi"] = arrival.oi or 0
    bar["first_key"] = bar["last_key"] = key_of(arrival, arrival.event_ms, bucket.start_ms)
    bar["flags"] = bucket.flags | flags_of(state) | FLAG_REVISED | (0 if arrival.stamped else FLAG_ESTIMATED)
    bar["closed_after_ms"] = clip_i32(arrival.recv_ms - bucket.end_ms)
    return bar


def _taken(moved: int, place: Place, arrival: Arrival) -> list[np.void]:
    """Take it from the next bar: a revision where that is closed."""
    if place.after is not None:
        after = _again(place.after, arrival)
        after["volume"] -= np.uint32(moved)
        after["turnover"] -= moved * int(after["open"])
        return [after]
    if place.forming is not None:
        place.forming["base_volume"] = (int(place.forming["base_volume"]) + moved) & U32
        place.forming["base_turnover"] += moved * int(place.forming["open"])
    return []
