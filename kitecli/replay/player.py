"""A recording's records through the pass that served live, in their order. Sans I/O: records are given.

What the clock closed was noted by how many instruments of the feed's board were looked at. Where ours fills up
otherwise, because only some instruments are played or the feed had begun before its recording, the clock closes
whatever is due, of all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from kitecli.gateway.steps import FeedSteps
from kitecli.market.gap import Gap
from kitecli.replay.sifting import Sifted
from kitecli.store.layout import FRAME, GAP, LOST, PLACED, STREAMING, SUBSCRIBED, TIMER, UNRECORDED
from kitecli.store.payloads import Lost, Unrecorded, decode_gap, decode_placed, decode_subscribed, decode_timer
from kitecli.store.recording import Piece

T = TypeVar("T")

EVERY_ROW: Final = 1 << 31
TIMERS_AT_ONCE: Final = 64
"""So many may close 32,000 bars of a series: half of what is kept."""
NO_LIMIT: Final = 1 << 62


class Player:
    """Takes records into ``steps``; ``tell`` hears every outage, with its place among the ticks.

    ``tokens``: the instruments to be played; none: all. ``whole``: what is given begins with the recording.
    ``now_ns``: the stamp of what was taken last.
    """

    def __init__(
        self,
        steps: FeedSteps,
        tokens: Collection[int] = (),
        tell: Callable[[Gap], None] = lambda _: None,
        *,
        whole: bool = True,
    ) -> None:
        self.now_ns = 0
        self._same_rows = whole and not tokens
        self._steps = steps
        self._tell = tell
        self._sift = Sifted(tokens) if tokens else None
        self._lasting: set[tuple[int, int]] = set()

    def take(self, piece: Piece, start: int = 0, stop: int | None = None, most: int = NO_LIMIT) -> int:
        """Take rows ``start`` to ``stop`` of a piece, until ``most`` ticks came of them; returns where to go on.

        Stops before an outage too, if anything was taken: what an outage lies behind is told apart so.
        """
        rows = piece.rows[start:stop]
        events = np.flatnonzero(rows["kind"] != FRAME).tolist()
        cursor, at, timers = self._steps.view.cursor, 0, 0
        until = cursor() + most
        for event in [*events, rows.size]:
            if event > at:
                at += self._messages(piece.data, rows[at:event], until - cursor())
            if at < event or event == rows.size or cursor() >= until or timers == TIMERS_AT_ONCE:
                break
            kind = int(rows["kind"][event])
            if at and kind in (GAP, LOST, UNRECORDED):
                break
            timers += kind == TIMER
            self._event(piece, rows[event], kind)
            at = event + 1
        if at:
            self.now_ns = int(rows["ts_recv_ns"][at - 1])
        return start + at

    def _messages(self, data: bytes | memoryview, rows: NDArray[np.void], most: int) -> int:
        at, lengths, stamps = rows["at"].copy(), rows["length"].copy(), rows["ts_recv_ns"].copy()
        if self._sift is not None:
            data, at, lengths = self._sift.messages(data, at, lengths)
        return self._steps.frames.ingest_all(data, at, lengths, stamps, rows["connection"].copy(), most)

    def _event(self, piece: Piece, row: np.void, kind: int) -> None:
        at, stamp = int(row["at"]), int(row["ts_recv_ns"])
        payload = memoryview(piece.data)[at : at + int(row["length"])]
        if kind == TIMER:
            self._steps.timer(stamp, decode_timer(payload) if self._same_rows else EVERY_ROW)
        elif kind == STREAMING:
            self._same_rows = self._same_rows and self._steps.view.board_rows() > 0
        elif kind == SUBSCRIBED:
            self._steps.subscribed(self._wanted(decode_subscribed(payload)))
        elif kind == PLACED:
            self._steps.placed(self._wanted(decode_placed(payload)))
        elif kind == GAP:
            self._outage(decode_gap(payload, int(row["connection"])))
        elif kind == UNRECORDED:
            self._silence(Unrecorded.decoded(payload).as_gap())
        elif kind == LOST:
            self._silence(Lost.decoded(payload).as_gap(piece.first + int(row["number"])))

    def _outage(self, gap: Gap) -> None:
        """Told when it begins and when it ends. One without a beginning is the recorder's own: nobody recorded."""
        key = (gap.connection, gap.from_ns)
        if gap.to_ns is not None and key not in self._lasting and not gap.tokens:
            self._silence(gap)
            return
        (self._lasting.add if gap.to_ns is None else self._lasting.discard)(key)
        if self._sift is not None and gap.tokens:
            gap = replace(gap, tokens=tuple(token for token in gap.tokens if token in self._sift))
            if not gap.tokens:
                return
        self._tell(self._steps.outage(gap))

    def _silence(self, gap: Gap) -> None:
        """What was sent may be missing of any instrument."""
        self._same_rows = False  # another feed may have come after it
        self._steps.missed_by_all()
        self._tell(replace(gap, sequence=self._steps.view.cursor()))

    def _wanted(self, of: dict[int, T]) -> dict[int, T]:
        sift = self._sift
        return of if sift is None else {token: value for token, value in of.items() if token in sift}
