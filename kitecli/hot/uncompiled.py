"""The pass where no compiler was: reference decoder and reference writer behind the compiled pass's interface.

Python has no memory barriers, so what this writes can be read in its own process only.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.memory import BarsMemory
from kitecli.bars.timeline import Timeline
from kitecli.bars.writer import BarsWriter
from kitecli.metrics.layout import LINE_COUNTERS, LINES, TIMED_EACH
from kitecli.metrics.tally import Tally
from kitecli.protocol.decoder import decode_frame
from kitecli.ring.memory import RingMemory
from kitecli.ring.writer import RingWriter, checked_token


class FramePass:
    """The one writer of a ring: a frame in, ticks in the ring and on the board; and in bars, where memory for them is.

    ``timelines``: when instruments trade, as :class:`~kitecli.bars.timeline.Timelines` lists them; at any hour without.
    Raises ValueError where the bars haven't a row for each of the board's.
    """

    def __init__(self, memory: RingMemory, bars: BarsMemory | None = None, timelines: Sequence[Timeline] = ()) -> None:
        if bars is not None and bars.layout.rows != memory.layout.board_capacity:
            raise ValueError(f"bars of {bars.layout.rows} rows beside a board of {memory.layout.board_capacity}")
        self._bars = None if bars is None else BarsWriter(bars, timelines)
        self._writer = RingWriter(memory, self._bars.admit if self._bars else None)
        self._timelines = max(1, len(timelines))
        self._published: Tally | None = None
        self._timeable = 0
        self._lines = np.zeros((0, len(LINE_COUNTERS)), np.int64)

    def ingest(self, payload: bytes | memoryview, ts_recv_ns: int, connection: int = 0) -> int:
        """Take one binary message in; returns the number of ticks it brought. Never raises on bad bytes."""
        written = self._take(payload, ts_recv_ns, connection)
        if connection < len(self._lines):
            self._lines[connection, :3] += (1, len(payload), written)
        if self._published is not None and written:
            if self._timeable % TIMED_EACH == 0:
                self._published.add(time.time_ns() - ts_recv_ns)
            self._timeable += 1
        return written

    def _take(self, payload: bytes | memoryview, ts_recv_ns: int, connection: int) -> int:
        frame = decode_frame(payload, ts_recv_ns=ts_recv_ns, connection=connection)
        self._writer.beat(ts_recv_ns)
        for row, tick in self._writer.write(frame.ticks, frame.depth):
            if row is not None and self._bars is not None:
                self._bars.take(row, tick)
        self._writer.count(
            frames=1,
            bytes=len(payload),
            ticks=frame.ticks.size,
            heartbeats=int(frame.heartbeat),
            **frame.damage.as_dict(),
        )
        return frame.ticks.size

    def measure(self, buffer: mmap.mmap, published: int, lines: int) -> None:
        """Count what :meth:`ingest` takes in from now on: of one in ``TIMED_EACH`` messages with ticks how long after
        its receipt they were published, into the histogram ``published`` bytes into ``buffer``; and ``lines`` bytes
        into it, of each connection, the first three of :data:`~kitecli.metrics.layout.LINE_COUNTERS`.
        """
        cells = np.frombuffer(buffer, np.int64, LINES * len(LINE_COUNTERS), lines)
        self._published, self._lines = Tally(buffer, published), cells.reshape(LINES, -1)

    def ingest_all(
        self,
        data: bytes | memoryview,
        at: NDArray[np.int64],
        lengths: NDArray[np.uint32],
        stamps: NDArray[np.int64],
        connections: NDArray[np.uint8],
        most: int,
    ) -> int:
        """Take messages that lie in ``data``, one after the other, until ``most`` ticks have come of them.

        ``at``, ``lengths``, ``stamps`` (epoch nanoseconds) and ``connections``: (n,), one of each message. Returns how
        many messages were taken. Raises ValueError, and takes none, where one doesn't lie in ``data``.
        """
        view, ticks = memoryview(data), 0
        if at.size and (int(at.min()) < 0 or int((at + lengths).max()) > len(view)):
            raise ValueError(f"a message doesn't fit in {len(view)} bytes")
        each = zip(at.tolist(), lengths.tolist(), stamps.tolist(), connections.tolist(), strict=True)
        for taken, (place, length, stamp, connection) in enumerate(each):
            if ticks >= most:
                return taken
            ticks += self._take(view[place : place + length], stamp, connection)
        return int(at.size)

    def expect_snapshots(self, modes: Mapping[int, str]) -> None:
        """The next packet of each token is the broker's cached one; see :class:`~kitecli.ring.writer.RingWriter`."""
        self._writer.expect_snapshots(modes)

    def place(self, timelines_of: Mapping[int, int]) -> None:
        """Say which instruments keep other hours than their segment: the place of their timeline, by token.

        New instruments take their rows on the board, in the order given; one that no row is left for is passed over.
        Raises ValueError for a timeline that isn't there and OverflowError for what is no token, and then changes
        nothing.
        """
        wanted = {checked_token(token): timeline for token, timeline in timelines_of.items()}
        for timeline in wanted.values():
            if not 0 <= timeline < self._timelines:
                raise ValueError(f"there is no timeline {timeline}")
        for token, timeline in wanted.items():
            row = self._writer.take_row(token)
            if row is not None and self._bars is not None:
                self._bars.place(row, timeline)

    def mark_gap(self, tokens: Iterable[int]) -> None:
        """Ticks of these were missed: bars that are forming, or begin with their next tick, say so."""
        if self._bars is not None:
            rows = (self._writer.row_of(token) for token in tokens)
            self._bars.mark_gap(row for row in rows if row is not None)

    def close_bars(self, now_ns: int, limit: int) -> bool:
        """Close bars whose time is over, looking at ``limit`` instruments at most; True while more are left."""
        return self._bars is not None and self._bars.close_due(now_ns, limit)

    def bars_due(self, now_ns: int) -> bool:  # noqa: ARG002 - to look would cost as much as to close
        """Whether a round of ``close_bars`` that begins now may have anything to close."""
        return self._bars is not None

    def close(self) -> None:
        """Tell readers that nothing will come any more."""
        self._writer.close()
