"""Bars of longer intervals out of those that were built: open, high, low, close, volume and ticks come out exact.

Records in, records out (``BAR_DTYPE``), ascending by start, each the newest revision of its bar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.intervals import Interval, Kind
from kitecli.bars.record import AUCTIONS, BAR_DTYPE, FLAG_ESTIMATED, FLAG_OI, FLAG_SYNTHETIC, FLAG_VOLUME
from kitecli.bars.timeline import FLAG_OF, Phase, Timeline, span_of
from kitecli.errors import UsageError

_REVISIONS_MOST: Final = 255
_DIVIDED: Final = (Phase.CONTINUOUS, Phase.UNSCHEDULED)


def serving(built: Sequence[Interval], wanted: Interval) -> Interval | None:
    """Which of the ``built`` ones serves ``wanted``: itself, else the longest that it is a multiple of, if any.

    One that receive times place serves last, for its bars of whole seconds are estimates.
    """
    if wanted in built:
        return wanted
    parts = [one for one in built if wanted.kind is one.kind is Kind.TIME and wanted.size % one.size == 0]
    return max(parts, key=lambda one: (one.by_receive == wanted.by_receive, one.size), default=None)


def series_for(built: Sequence[Interval], wanted: Interval) -> int:
    """The place of the one that serves. Raises :class:`UsageError` where none does."""
    one = serving(built, wanted)
    if one is None:
        raise UsageError(
            f"This feed has no bars of {wanted}, and none they could be put together from",
            why=f"it builds {', '.join(map(str, built)) or 'none'}",
            hint="add it to datafeed.bars and start the feed anew, or ask for a multiple of one of these",
        )
    return built.index(one)


def resampled(bars: NDArray[np.void], interval: Interval, of: Interval, timeline: Timeline) -> NDArray[np.void]:
    """Bars of ``interval`` from ``bars`` (n,), which are of the shorter ``of``; aligned to the sessions.

    Flags of the parts are joined and their revisions added up. Those of auctions pass as they are. ``first_key`` and
    ``last_key`` are those of the parts.
    """
    if not bars.size or interval == of:
        return bars
    starts_ms, ends_ms = _buckets(bars, interval.size, timeline)
    first = np.flatnonzero(np.diff(starts_ms, prepend=starts_ms[0] - 1))
    last = np.append(first[1:], bars.size) - 1
    made = bars[first]
    made["start_ms"], made["length_ms"] = starts_ms[first], (ends_ms - starts_ms)[first]
    for name in ("close", "oi", "closed_after_ms", "last_key"):
        made[name] = bars[name][last]
    made["high"] = np.maximum.reduceat(bars["high"], first)
    made["low"] = np.minimum.reduceat(bars["low"], first)
    for name in ("volume", "turnover", "ticks"):
        made[name] = np.add.reduceat(bars[name], first)
    made["revision"] = np.minimum(np.add.reduceat(bars["revision"].astype(np.uint32), first), _REVISIONS_MOST)
    made["flags"] = np.bitwise_or.reduceat(bars["flags"], first)
    if of.by_receive and not interval.by_receive:
        made["flags"] |= np.uint16(FLAG_ESTIMATED)
    return made


def filled(
    bars: NDArray[np.void], interval: Interval, timeline: Timeline, until_ms: int, most: int
) -> NDArray[np.void]:
    """The newest ``most`` of ``bars`` (n,) of ``interval`` with a synthetic one in each bucket without ticks.

    Such a bar repeats the close before it, with no volume, within continuous trading alone. Holes are filled between
    bars, and behind the last one up to ``until_ms``. Only bars of time have buckets; others are returned as they are.
    """
    if interval.kind is not Kind.TIME:
        return bars[-most:]
    next_ms = np.append(bars["start_ms"][1:], until_ms)
    parts, behind, left = [], bars.size, most
    for at in np.flatnonzero(bars["start_ms"] + bars["length_ms"] < next_ms)[::-1].tolist():
        parts.append(bars[at + 1 : behind])
        left, behind = left - parts[-1].size, at + 1
        if left <= 0:
            break
        holes = list(_holes(bars[at], int(next_ms[at]), interval.size, timeline, left))
        parts += holes
        left -= sum(map(len, holes))
    return np.concatenate([bars[:behind], *parts[::-1]])[-most:] if parts and most > 0 else bars[bars.size - most :]


def end_of(bar: np.void) -> int:
    """When a bar ends, in milliseconds since 1970."""
    return int(bar["start_ms"]) + int(bar["length_ms"])


def _buckets(bars: NDArray[np.void], size_ms: int, timeline: Timeline) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and end of the longer bar that each of ``bars`` is a part of."""
    parts, begun = bars["start_ms"], bars["start_ms"].copy()
    ends = parts + bars["length_ms"]
    at = 0
    while at < bars.size:
        span = span_of(timeline, int(parts[at]))
        behind = max(at + 1, int(np.searchsorted(parts, span.end_ms)))
        here = np.flatnonzero(bars["flags"][at:behind] & AUCTIONS == 0) + at
        begun[here] = span.start_ms + (parts[here] - span.start_ms) // size_ms * size_ms
        ends[here] = np.minimum(begun[here] + size_ms, span.end_ms)
        at = behind
    return begun, ends


def _holes(bar: np.void, until_ms: int, size_ms: int, timeline: Timeline, most: int) -> Iterator[NDArray[np.void]]:
    """The last ``most`` synthetic bars from the end of ``bar`` up to ``until_ms``, by span, the last span first."""
    from_ms = end_of(bar)
    while until_ms > from_ms and most > 0:
        span = span_of(timeline, until_ms - 1)
        if span.phase in _DIVIDED:
            missing = -(-max(0, from_ms - span.start_ms) // size_ms)
            length_ms = until_ms - span.start_ms
            whole = -(-length_ms // size_ms) if until_ms == span.end_ms else length_ms // size_ms
            starts = span.start_ms + np.arange(max(missing, whole - most), whole) * size_ms
            most -= starts.size
            yield _synthetic(bar, starts, np.minimum(starts + size_ms, span.end_ms), FLAG_OF[span.phase])
        until_ms = span.start_ms


def _synthetic(bar: np.void, starts_ms: NDArray[np.int64], ends_ms: NDArray[np.int64], flags: int) -> NDArray[np.void]:
    made = np.zeros(starts_ms.size, BAR_DTYPE)
    made["start_ms"], made["length_ms"] = starts_ms, ends_ms - starts_ms
    for name in ("open", "high", "low", "close"):
        made[name] = bar["close"]
    for name in ("oi", "token", "series"):
        made[name] = bar[name]
    made["flags"] = flags | FLAG_SYNTHETIC | int(bar["flags"]) & (FLAG_VOLUME | FLAG_OI)
    return made
