"""Ticks of bars that are closed already: what was published stays, and a revision of it is published.

A late tick may show that some of the volume counted in the next bar was traded in this one. Cumulative volume tells how
much: what the tick has beyond the last one of its bar was taken by the next bar, which loses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kitecli.bars.arrival import Arrival
from kitecli.bars.forming import U32, clip_i32, flags_of, key_of, volume_of
from kitecli.bars.record import BAR_DTYPE, FLAG_ESTIMATED, FLAG_REVISED, FLAG_VOLUME
from kitecli.bars.timeline import Bucket, day_of_ms

_MAX_REVISION = 255


@dataclass(frozen=True, slots=True)
class Place:
    """Where a late tick belongs: its own bar and its neighbours, the newest revision of each, where there is one.

    ``forming``: the open bar (cold part), if any; the next one where ``after`` is None.
    """

    bar: np.void | None
    before: np.void | None
    after: np.void | None
    forming: np.void | None


def place_of(records: Sequence[np.void], start_ms: int, forming: np.void | None) -> Place:
    """Among an instrument's records, newest first."""
    newest: dict[int, np.void] = {}
    for record in records:
        newest.setdefault(int(record["start_ms"]), record)
    before = max((start for start in newest if start < start_ms), default=start_ms)
    after = min((start for start in newest if start > start_ms), default=start_ms)
    return Place(
        bar=newest.get(start_ms),
        before=newest[before] if before != start_ms else None,
        after=newest[after] if after != start_ms else None,
        forming=forming,
    )


def revisions(place: Place, state: np.void, bucket: Bucket, arrival: Arrival) -> list[np.void]:
    """The records that a late tick leads to: its bar's, and the next one's if that loses volume to it.

    A next bar that still forms loses it at once. ``state`` has the tick in its figures already.
    """
    if place.bar is not None:
        bar = _again(place.bar, arrival)
        moved = _join(bar, place, state, arrival)
    else:
        bar = _alone(state, bucket, arrival)
        moved = _beyond(place.before, place, state, arrival, bucket)
    moved = _affordable(moved, place, state, bucket)
    if moved == 0:
        return [bar]
    bar["volume"] = (int(bar["volume"]) + moved) & U32
    bar["turnover"] += moved * arrival.price
    return [bar, *_taken(moved, place, arrival)]


def _again(record: np.void, arrival: Arrival) -> np.void:
    """Another revision of it, as it stands."""
    bar: np.void = record.copy()
    bar["revision"] = min(int(bar["revision"]) + 1, _MAX_REVISION)
    bar["flags"] |= np.uint16(FLAG_REVISED)
    bar["closed_after_ms"] = clip_i32(arrival.recv_ms - int(bar["start_ms"]) - int(bar["length_ms"]))
    return bar


def _join(bar: np.void, place: Place, state: np.void, arrival: Arrival) -> int:
    """Put the tick into its bar; returns the volume it has beyond the bar's last one.

    Where only one of them carries volume nothing tells their order, and open and close stay.
    """
    bar["ticks"] += np.uint32(1)
    bar["high"], bar["low"] = max(int(bar["high"]), arrival.price), min(int(bar["low"]), arrival.price)
    if (arrival.volume is not None) != bool(bar["flags"] & FLAG_VOLUME):
        return 0
    key = key_of(arrival, arrival.event_ms, int(bar["start_ms"]))
    if key < bar["first_key"]:
        bar["open"], bar["first_key"] = arrival.price, key
    if arrival.volume is None:
        if key >= bar["last_key"]:
            bar["close"], bar["last_key"] = arrival.price, key
        return 0
    if key <= bar["last_key"]:
        return 0
    bar["close"] = arrival.price
    if arrival.oi is not None:
        bar["oi"] = arrival.oi
    former = int(bar["last_key"])
    bar["last_key"] = max(former, min(key, _most(place, state)))
    return int(bar["last_key"]) - former


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


def _beyond(before: np.void | None, place: Place, state: np.void, arrival: Arrival, bucket: Bucket) -> int:
    """The volume of a tick, alone in its bar, beyond the bar before."""
    if before is None or arrival.volume is None or not before["flags"] & FLAG_VOLUME:
        return 0
    if day_of_ms(int(before["start_ms"])) != day_of_ms(bucket.start_ms):
        return 0
    return max(0, min(arrival.volume, _most(place, state)) - int(before["last_key"]))


def _most(place: Place, state: np.void) -> int:
    """The cumulative volume that the next bar ended with, or has now: a tick before it can't have more."""
    return int(state["volume"] if place.after is None else place.after["last_key"])


def _affordable(moved: int, place: Place, state: np.void, bucket: Bucket) -> int:
    """All of it, or 0 where the next bar is of another day or hasn't got so much."""
    giver = place.forming if place.after is None else place.after
    if giver is None:
        return moved
    has = int(place.after["volume"]) if place.after is not None else volume_of(state, giver)
    return moved if has >= moved and day_of_ms(int(giver["start_ms"])) == day_of_ms(bucket.start_ms) else 0


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
