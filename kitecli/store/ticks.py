"""Recorded messages into ticks, through the decoder that serves live: a ring of its own, read out in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import EnvironmentProblem
from kitecli.hot import FramePass, RingView
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.ring.layout import DEFAULT_BOARD_CAPACITY, RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.store.layout import FRAME, SUBSCRIBED
from kitecli.store.log import tokens_of
from kitecli.store.payloads import decode_subscribed

if TYPE_CHECKING:
    import pyarrow as pa

MOST_OF_ONE: Final = 1 << 16
"""A message counts its packets in 16 bits."""
BATCH_TICKS: Final = 1 << 13


@dataclass(frozen=True, slots=True)
class TickBatch:
    """``ticks``: (n,) TICK_DTYPE in the order received. ``depth``: (n,) DEPTH_DTYPE beside them, where it was asked
    for; a row means something where its tick carries ``FLAG_DEPTH``."""

    ticks: NDArray[np.void]
    depth: NDArray[np.void] | None

    def to_arrow(self) -> pa.Table:
        """The ticks as a pyarrow.Table, a column for each field of TICK_DTYPE; prices stay the wire's integers.

        :raises EnvironmentProblem: pyarrow isn't installed.
        """
        arrow = _pyarrow()
        names = self.ticks.dtype.names or ()
        return arrow.table({name: np.ascontiguousarray(self.ticks[name]) for name in names})


def about(data: bytes | memoryview, rows: NDArray[np.void], tokens: Collection[int] = ()) -> NDArray[np.void]:
    """Of ``rows`` the messages and subscriptions that are about any of ``tokens``; all of them where there are none."""
    rows = rows[(rows["kind"] == FRAME) | (rows["kind"] == SUBSCRIBED)]
    if not tokens:
        return rows
    found, owners = tokens_of(data, rows)
    chosen: NDArray[np.void] = rows[np.unique(owners[np.isin(found, np.array(sorted(tokens), np.uint32))])]
    return chosen


def joined(batches: Sequence[TickBatch], *, depth: bool) -> TickBatch:
    """Batches in one piece; ``depth``: whether they carry it."""
    count = sum(batch.ticks.size for batch in batches)
    ticks, beside = np.empty(count, TICK_DTYPE), np.empty(count if depth else 0, DEPTH_DTYPE)
    at = 0
    for batch in batches:  # concatenate() would put depth into the machine's byte order
        end = at + batch.ticks.size
        ticks[at:end] = batch.ticks
        if batch.depth is not None:
            beside[at:end] = batch.depth
        at = end
    return TickBatch(ticks, beside if depth else None)


class TickReader:
    """Messages in, batches out: of ``tokens``, or of all instruments where there are none."""

    def __init__(self, tokens: Collection[int] = (), *, depth: bool = False) -> None:
        self._tokens = np.array(sorted(tokens), np.uint32)
        self._depth = depth
        capacity = MOST_OF_ONE + BATCH_TICKS
        layout = RingLayout.of(capacity, DEFAULT_BOARD_CAPACITY)
        memory = RingMemory.private(RingLayout(layout.capacity, layout.capacity, layout.board_capacity))
        self._pass, self._view = FramePass(memory), RingView(memory)
        self._read = self._pending = 0

    def take(self, data: bytes | memoryview, rows: NDArray[np.void]) -> Iterator[TickBatch]:
        """Decode messages and what was subscribed before them: ``rows`` of ROW_DTYPE with ``at`` in ``data``."""
        view, ingest = memoryview(data), self._pass.ingest
        places, lengths, kinds = rows["at"].tolist(), rows["length"].tolist(), rows["kind"].tolist()
        stamps, connections = rows["ts_recv_ns"].tolist(), rows["connection"].tolist()
        for at, length, kind, stamp, connection in zip(places, lengths, kinds, stamps, connections, strict=True):
            if kind != FRAME:
                self._pass.expect_snapshots(_streamed(view[at : at + length]))
                continue
            self._pending += ingest(view[at : at + length], stamp, connection)
            if self._pending >= BATCH_TICKS:
                yield from self.rest()

    def rest(self) -> Iterator[TickBatch]:
        """What was decoded and hasn't been given yet."""
        count, self._pending = self._pending, 0
        ticks = np.empty(count, TICK_DTYPE)
        depth = np.empty(count, DEPTH_DTYPE) if self._depth else None
        self._view.copy(self._read, count, ticks, depth)
        self._read += count
        if self._tokens.size:
            chosen = np.isin(ticks["token"], self._tokens)
            ticks, depth = ticks[chosen], depth[chosen] if depth is not None else None
        if ticks.size:
            yield TickBatch(ticks, depth)


def _pyarrow() -> ModuleType:
    try:
        import pyarrow as pa
    except ImportError:
        raise EnvironmentProblem(
            "Arrow tables can't be made here",
            why="they need the package pyarrow, which isn't installed",
            hint="Run: pip install 'kitecli[arrow]', or take the NumPy arrays",
        ) from None
    module: ModuleType = pa
    return module


def _streamed(payload: memoryview) -> dict[int, str]:
    return {token: mode for token, mode in decode_subscribed(payload).items() if mode is not None}
