"""What happens to a feed, in its order, into its ring and bars: as it comes, or as it was recorded. Sans I/O.

Both go through here, so a recording of these steps, taken again, leaves the same bytes in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kitecli.bars.memory import BarsMemory
from kitecli.bars.timeline import Timelines
from kitecli.hot import FramePass, RingView
from kitecli.market.gap import Gap
from kitecli.ring.memory import RingMemory


class FeedSteps:
    """The one writer of a ring and of bars. ``message(payload, ts_recv_ns, connection)`` takes a binary message in and
    returns how many ticks it brought; it never raises on bad bytes. ``places``: as :meth:`placed` was told."""

    def __init__(self, memory: RingMemory, bars: BarsMemory | None, timelines: Timelines) -> None:
        self.frames = FramePass(memory, bars, timelines.each)
        self.view = RingView(memory)
        self.message = self.frames.ingest
        self.places: dict[int, int] = {}

    def placed(self, places: Mapping[int, int]) -> None:
        """These instruments keep other hours than their segment: token → timeline."""
        self.frames.place(places)
        self.places.update(places)

    def subscribed(self, modes: Mapping[int, str | None]) -> None:
        """What is about to be asked of the broker, token → mode; None: unsubscribed."""
        wanted = {token: mode for token, mode in modes.items() if mode is not None}
        if wanted:
            self.frames.expect_snapshots(wanted)

    def outage(self, gap: Gap) -> Gap:
        """An outage begins, or ends before the message that ends it is taken in; returns it with its place among the
        ticks."""
        self.frames.mark_gap(gap.tokens)
        return replace(gap, sequence=self.view.cursor())

    def missed_by_all(self) -> None:
        """Whatever instrument ticked until now may have missed something."""
        self.frames.mark_gap(self.view.tokens(0, self.view.board_rows()).tolist())

    def timer(self, now_ns: int, rows: int) -> bool:
        """The clock closes what no tick has closed, of the next ``rows`` instruments; True while more are left."""
        return self.frames.close_bars(now_ns, rows)
