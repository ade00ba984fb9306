"""A running feed as its reader sees it: batches of ticks, the latest of every instrument, and the figures.

::

    with Feed(handle, reader) as feed:
        for batch in feed.batches(until=...):
            ...
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import FeedError, KiteError
from kitecli.gateway.handle import GatewayHandle
from kitecli.gateway.spec import GatewayEvent
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.metrics import LatencyHistogram
from kitecli.ring.layout import COUNTERS
from kitecli.ring.reader import Batch, RingReader

TURN_S: Final = 0.05
"""How long a reader sleeps at most when nothing comes: how late it notices events and the end of its time."""
LAST_WORD_S: Final = 2.0
SILENCE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class FeedFigures:
    """What a feed has done since it started. ``counters`` are the writer's, by name; the rest is this reader's."""

    elapsed_s: float
    ticks: int
    lost: int
    latency_ns_p50: int | None
    latency_ns_p99: int | None
    latency_ns_max: int
    counters: dict[str, int]
    connections: dict[int, str] = field(default_factory=dict)

    @property
    def damaged(self) -> dict[str, int]:
        """Kinds of damage met, with how often."""
        kinds = ("empty", "truncated", "missing", "unknown_length", "trailing")
        return {kind: self.counters[kind] for kind in kinds if self.counters[kind]}

    def as_dict(self) -> dict[str, object]:
        return {
            "elapsed_s": round(self.elapsed_s, 3),
            "ticks": self.ticks,
            "lost": self.lost,
            "latency_ns": {"p50": self.latency_ns_p50, "p99": self.latency_ns_p99, "max": self.latency_ns_max},
            "feed": self.counters,
            "connections": {str(index): state for index, state in self.connections.items()},
        }


class Feed:
    """A reader of a gateway that this process started. Closing it stops the gateway."""

    def __init__(
        self,
        handle: GatewayHandle,
        reader: RingReader,
        on_event: Callable[[GatewayEvent], None],
        source_ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self.reader = reader
        self.connections: dict[int, str] = {}
        self._handle = handle
        self._on_event = on_event
        self._source_ended = source_ended
        self._latency = LatencyHistogram()
        self._started_ns = time.monotonic_ns()
        self._finished = False
        self._end: KiteError | None = None

    @property
    def gateway_pid(self) -> int | None:
        """The feed process, or None where the feed runs in this one."""
        return self._handle.pid

    def batches(self, duration_s: float | None = None) -> Iterator[Batch | None]:
        """Batches as they come, None every ``TURN_S`` without one, until ``duration_s`` has passed or the feed ends.

        Where the source can end, as a recorded day does, it is asked after each second of silence.

        Raises what ended the feed, if it wasn't asked to. A batch is valid until the next one is asked for.
        """
        deadline_ns = None if duration_s is None else time.monotonic_ns() + round(duration_s * 1e9)
        ask_s = time.monotonic() + SILENCE_S
        while not self._finished and (deadline_ns is None or time.monotonic_ns() < deadline_ns):
            batch = self.reader.read(TURN_S)
            self._take_events()
            if batch is not None:
                self._latency.record(time.time_ns() - batch.ticks["ts_recv_ns"])
                ask_s = time.monotonic() + SILENCE_S
            elif self._over():
                raise self._end or FeedError("The feed ended without a word", hint="run kite doctor")
            elif time.monotonic() > ask_s:
                if self._source_ended():
                    return
                ask_s = time.monotonic() + SILENCE_S
            yield batch

    def finish(self) -> None:
        """End :meth:`batches`, from whatever thread; the feed itself goes on until closed."""
        self._finished = True

    def latest(self) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """The latest tick of every instrument seen, one row each, and its depth."""
        rows = self.reader.view.board_rows()
        ticks, depth = np.zeros(rows, TICK_DTYPE), np.zeros(rows, DEPTH_DTYPE)
        sequences = np.zeros(rows, np.int64)
        found = self.reader.view.snapshot(ticks, depth, sequences)
        whole = sequences[:found] >= 0
        return ticks[:found][whole], depth[:found][whole]

    def figures(self) -> FeedFigures:
        counters = (int(count) for count in self.reader.view.counters())
        return FeedFigures(
            elapsed_s=(time.monotonic_ns() - self._started_ns) / 1e9,
            ticks=self.reader.delivered,
            lost=self.reader.lost,
            latency_ns_p50=self._latency.percentile_ns(50),
            latency_ns_p99=self._latency.percentile_ns(99),
            latency_ns_max=self._latency.max_ns,
            counters=dict(zip(COUNTERS, counters, strict=True)),
            connections=dict(self.connections),
        )

    def close(self) -> None:
        self._handle.close()
        self.reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _take_events(self) -> None:
        while True:
            try:
                event = self._handle.events.get_nowait()
            except queue.Empty:
                return
            self._take(event)

    def _over(self) -> bool:
        """Whether the gateway is gone and all it published has been read. Why may come a moment later: wait for it."""
        if self.reader.lag() > 0 or not (self._end or self.reader.view.closed()):
            return False
        with suppress(queue.Empty):
            while self._end is None:
                self._take(self._handle.events.get(timeout=LAST_WORD_S))
        return True

    def _take(self, event: GatewayEvent) -> None:
        if event.kind == "connection" and event.connection is not None:
            self.connections[event.connection] = event.state
        if event.kind == "failed":
            self._end = event.failure()
        elif event.kind == "stopped":
            self._end = FeedError("The feed process was stopped", why="somebody ended it", hint="start it again")
        self._on_event(event)
