"""A recorded day as an iterator, on its own clock: for back-tests, and for whoever wants ticks without a feed.

::

    with Recording.open(Path("store/2026-11-20")) as recording:
        for batch in iterate(recording, symbols=["NSE:INFY"], from_=time(10, 15)):
            print(batch.now_ns, len(batch.ticks), batch.bars["1m"])

No socket, no thread, no wall clock: the same recording gives the same batches, however often and however fast.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.follow import PublishedBars
from kitecli.bars.memory import BarsMemory
from kitecli.bars.reader import BarsReader
from kitecli.bars.table import table_of
from kitecli.bars.timeline import Timelines
from kitecli.gateway.steps import FeedSteps
from kitecli.hot import BarsView
from kitecli.market.gap import Gap
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.replay.facts import FeedFacts
from kitecli.replay.player import Player
from kitecli.ring.layout import DEFAULT_BOARD_CAPACITY, MIN_CAPACITY, RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.store.instruments import tokens_of
from kitecli.store.recording import Recording
from kitecli.store.spans import span_of

BATCH_TICKS: Final = 1 << 13
MOST_OF_ONE: Final = 1 << 16
"""A message counts its packets in 16 bits."""


@dataclass(frozen=True, slots=True)
class ReplayBatch:
    """Some of a day: its ``gaps`` happened, then its ticks came, and bars were closed by them or by the clock.

    ``now_ns``: what time it was after it, epoch nanoseconds. ``ticks``: (n,) TICK_DTYPE, maybe none; ``depth``: (n,)
    DEPTH_DTYPE beside them, None where it wasn't asked for. ``first``: the sequence of the first tick. ``bars``: by
    interval, rows TABLE_DTYPE that were closed or revised, those of auctions among them. All arrays are the receiver's.
    """

    now_ns: int
    ticks: NDArray[np.void]
    depth: NDArray[np.void] | None
    first: int
    bars: Mapping[str, NDArray[np.void]]
    gaps: tuple[Gap, ...]


def iterate(
    recording: Recording,
    *,
    symbols: Iterable[str | int] = (),
    from_: time | datetime | None = None,
    to: time | datetime | None = None,
    intervals: Iterable[str] | None = None,
    depth: bool = False,
    most: int = BATCH_TICKS,
) -> Iterator[ReplayBatch]:
    """A recording's ticks, outages and bars, in the feed's order, in batches of ``most`` ticks or a message more.

    ``symbols``: names, looked up in the recording's own master, or tokens; none: everything. ``from_`` and ``to``: in
    India where they don't say, ``to`` not included. ``intervals``: the bars to build, as "1m"; None: those the feed
    built. ``most=1``: a batch for every message.

    What began before ``from_`` isn't known: the first bar of each instrument is partial, as after joining a feed.

    Raises :class:`UnknownInstrument` for a name that isn't in the master, :class:`UsageError` for a span or an interval
    that can't be, and as reading the recording does, having given all before it.
    """
    facts = FeedFacts.of(recording) or FeedFacts()
    facts = facts if intervals is None else replace(facts, intervals=tuple(intervals))
    played = _Played(facts, tokens_of(recording, symbols), most, depth=depth)
    span = span_of(recording.day, from_, to)
    for piece in recording.pieces(span.from_ns, span.to_ns):
        at = 0
        while at < piece.rows.size:
            at = played.player.take(piece, at, most=played.most)
            if (batch := played.batch()) is not None:
                yield batch


class _Played:
    """The private ring and bars, and what was not yet given of them."""

    def __init__(self, facts: FeedFacts, tokens: Collection[int], most: int, *, depth: bool) -> None:
        self.most = max(1, min(most, BATCH_TICKS, facts.bar_capacity // 4))  # or bars were lost before they are read
        size = RingLayout.of(MOST_OF_ONE + self.most).capacity
        memory = RingMemory.private(RingLayout(size, size if depth else MIN_CAPACITY, DEFAULT_BOARD_CAPACITY))
        bars, hours = facts.bars(), facts.hours()
        self._steps = FeedSteps(memory, bars, hours)
        self._gaps: list[Gap] = []
        self.player = Player(self._steps, tokens, self._gaps.append)
        self._bars = {} if bars is None else _followed(bars, hours)
        self._depth = depth
        self._read = 0

    def batch(self) -> ReplayBatch | None:
        """What came since the last one; None where that is nothing."""
        bars = {name: table_of(published.poll()) for name, published in self._bars.items()}
        first, cursor = self._read, self._steps.view.cursor()
        gaps = tuple(self._gaps)
        if not (cursor > first or gaps or any(table.size for table in bars.values())):
            return None
        self._gaps.clear()
        self._read = cursor
        ticks = np.empty(cursor - first, TICK_DTYPE)
        depth = np.empty(cursor - first, DEPTH_DTYPE) if self._depth else None
        self._steps.view.copy(first, cursor - first, ticks, depth)
        return ReplayBatch(self.player.now_ns, ticks, depth, first, MappingProxyType(bars), gaps)


def _followed(bars: BarsMemory, hours: Timelines) -> dict[str, PublishedBars]:
    """Each series from its beginning, by its interval."""
    view = BarsView(bars)
    reader = BarsReader(bars, view, hours.each)
    return {
        str(interval): PublishedBars(reader, series, _everything, auctions=True)
        for series, interval in enumerate(view.intervals)
    }


def _everything(tokens: NDArray[np.uint32]) -> NDArray[np.bool_]:
    return np.ones(tokens.size, np.bool_)
