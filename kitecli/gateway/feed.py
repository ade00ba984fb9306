"""A running feed as its reader sees it: batches of ticks, the latest of every instrument, outages and figures.

::

    with Feed(handle, reader) as feed:
        for batch in feed: ...            # or, on an event loop:
        async for batch in feed: ...

One reader at a time: a batch's arrays are overwritten by the next read. Everything else may be called by any thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.intervals import Interval
from kitecli.bars.reader import Ask
from kitecli.errors import FeedError, KiteError
from kitecli.feed.liveness import UP
from kitecli.gateway.bars import ClosedBars, FeedBars
from kitecli.gateway.client import stopped
from kitecli.gateway.figures import ReaderFigures
from kitecli.gateway.gaps import GapLog, GapRecord, gap_of
from kitecli.gateway.handle import GatewayHandle, Groups, recording_of
from kitecli.gateway.missed import missed_volume, newest
from kitecli.gateway.nap import nap
from kitecli.gateway.sieve import Sieve
from kitecli.gateway.spec import GatewayEvent
from kitecli.logs import logger
from kitecli.market.gap import Gap
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.metrics.histogram import LatencyHistogram
from kitecli.metrics.stages import READ, STAGES
from kitecli.ring.layout import COUNTERS, DAMAGE
from kitecli.ring.reader import Batch, RingReader
from kitecli.secret import Secret
from kitecli.store.folder import day_folder

_LOG: Final = logger("kitecli.feed")
TURN_S: Final = 0.05
"""How long a reader sleeps at most when nothing comes: how late it notices the feed's end and that of its time."""
LAST_WORD_S: Final = 2.0
SILENCE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class FeedFigures:
    """What a feed has done since it started. ``counters`` are the writer's, by name; the rest is this reader's.

    ``ticks`` came to this reader, ``passed_over`` of them because other clients of the gateway want them.
    ``reconnects``: how often a connection has come back.
    """

    elapsed_s: float
    ticks: int
    lost: int
    latency_ns_p50: int | None
    latency_ns_p99: int | None
    latency_ns_max: int
    counters: dict[str, int]
    connections: dict[int, str] = field(default_factory=dict)
    passed_over: int = 0
    reconnects: int = 0

    @property
    def damaged(self) -> dict[str, int]:
        """Kinds of damage met, with how often."""
        return {kind: self.counters[kind] for kind in DAMAGE if self.counters[kind]}


def gap_of_event(event: GatewayEvent) -> Gap:
    """The outage that an event of kind ``gap`` tells of."""
    return gap_of(cast("GapRecord", event.data))


def _unheard(event: GatewayEvent) -> None:
    pass


class Feed:
    """A client of a gateway, and a reader of its ring. Closing it leaves the gateway.

    ``on_event`` hears what the gateway says, on a thread of the feed's own, whether or not anybody reads; what it
    raises is logged. ``wanted``: the instruments to pass on, with their modes; None: all in the ring. ``released``:
    called once the feed is closed. ``groups``: which instruments keep other hours than their segment.
    """

    def __init__(
        self,
        handle: GatewayHandle,
        reader: RingReader,
        on_event: Callable[[GatewayEvent], None] = _unheard,
        source_ended: Callable[[], bool] = lambda: False,
        wanted: Mapping[int, str] | None = None,
        released: Callable[[], None] = lambda: None,
        groups: Groups = lambda _: {},
    ) -> None:
        self.reader = reader
        self.connections: dict[int, str] = {}
        self._handle = handle
        self._on_event = on_event
        self._source_ended = source_ended
        self._released = released
        self._groups = groups
        self._sieve = Sieve(reader.view, wanted)
        self._gaps = GapLog()
        self._came_up: Counter[int] = Counter()
        self._rows: dict[int, int] = {}
        self.now_ns: Callable[[], int] = reader.view.heartbeat_ns if handle.replayed else time.time_ns
        """What time it is in the feed: ours, or that of the last message where a recording is played."""
        self._bars = FeedBars(handle.bars, handle.timelines, reader.view, self._board, self._sieve.mask, self.now_ns)
        self.tallies = ReaderFigures(handle.memory.path, reader.seat)
        self._started_ns = time.monotonic_ns()
        self._reading = threading.Lock()
        self._changing = threading.Lock()
        self._closing = threading.RLock()  # what is called in closing may close it too
        self._finished = self._closed = False
        self._end: KiteError | None = None
        self._ended = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True, name="feed events")
        self._listener.start()

    # Reading

    def __iter__(self) -> Iterator[Batch]:
        """Batches as they come, until the feed is closed or what it streams from has ended. Raises as batches()."""
        return (batch for batch in self.batches() if batch is not None)

    async def __aiter__(self) -> AsyncIterator[Batch]:
        """The same on an event loop, which is never blocked; a waiting task costs no thread."""
        silence = _Silence()
        while not self._finished:
            batch = self.poll()
            if batch is not None:
                silence.broken()
                yield batch
                await asyncio.sleep(0)  # batches that are there already mustn't keep other tasks from running
            elif self._gone():
                await asyncio.to_thread(self._ended.wait, LAST_WORD_S)
                raise self._last_word()
            elif silence.asks():
                if await asyncio.to_thread(self._source_ended):
                    return
                silence.broken()
            else:
                await nap(self.reader, TURN_S)

    def batches(self, duration_s: float | None = None) -> Iterator[Batch | None]:
        """Batches as they come, None every ``TURN_S`` without one, until ``duration_s`` has passed or the feed ends.

        The time is counted from when a connection streams: what it takes to get there is not what was asked for.
        Where the source can end, as a recorded day does, it is asked after each second of silence.

        Raises what ended the feed, if it wasn't asked to. A batch is valid until the next one is asked for.
        """
        silence, allowance = _Silence(), _Allowance(duration_s)
        while not self._finished and not allowance.spent(begun=self.up or self.reader.delivered > 0):
            batch = self._take(TURN_S)
            if batch is not None:
                silence.broken()
            elif self._gone():
                self._ended.wait(LAST_WORD_S)  # why it ended may be said a moment after the ring's end
                raise self._last_word()
            elif silence.asks():
                if self._source_ended():
                    return
                silence.broken()
            yield batch

    def poll(self) -> Batch | None:
        """The batch that can be had at once, if any; for the thread that reads."""
        return self._take(0)

    @property
    def up(self) -> bool:
        """Whether a connection streams, or would if there were ticks."""
        return any(state in UP for state in self.connections.values())

    def finish(self) -> None:
        """End the iterations, from whatever thread; the feed itself goes on until closed."""
        self._finished = True

    # What it streams

    def subscribe(self, modes: Mapping[int, str]) -> None:
        """Stream these instruments too, or in another mode. All of them or, with the error raised, none.

        Raises :class:`SubscriptionError` for what is no token or no mode, :class:`TooManyInstruments` past the limit.
        """
        with self._changing:
            fresh = self._sieve.want(modes)  # first: the answers to a subscription may come before its confirmation
            try:
                self._handle.subscribe(modes, groups=self._groups(modes))
            except BaseException:
                self._sieve.drop(fresh)
                raise

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        """Stream these no longer: none of their ticks is passed on after this returns."""
        dropped = list(tokens)
        with self._changing:
            self._sieve.drop(dropped)
            self._handle.unsubscribe(dropped)

    def give_access_token(self, token: Secret) -> None:
        """A new token for connections that wait for one, or for the next connect."""
        self._handle.give_access_token(token)

    # What it knows

    @property
    def gateway_pid(self) -> int | None:
        """The feed process, or None where the feed runs in this one."""
        return self._handle.pid

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where the gateway that was joined differs from what was asked for."""
        return self._handle.warnings

    @property
    def passed_over(self) -> int:
        """Ticks read and not passed on, because only other clients of the gateway want them."""
        return self._sieve.passed_over

    @property
    def gaps(self) -> list[Gap]:
        """The last 1,000 outages told since this feed was opened, in the order they began."""
        return self._gaps.known()

    @property
    def gaps_total(self) -> int:
        """How many outages have been told."""
        return self._gaps.total

    def known_gaps(self) -> list[Gap]:
        """The outages the feed process knows of, oldest first: also those from before this feed was opened."""
        return self._handle.gaps()

    def status(self) -> dict[str, object]:
        """Everything about the feed process and its clients, as docs/control-socket.md has it."""
        return self._handle.status()

    def missed_volume(self, gap: Gap) -> NDArray[np.void]:
        """What was traded in each instrument while nothing came; see :func:`~kitecli.gateway.missed.missed_volume`."""
        return missed_volume(self.reader.view, self._board(), gap)

    def latest(self) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """The latest tick of every instrument seen, one row each, and its depth."""
        rows = self.reader.view.board_rows()
        ticks, depth = np.zeros(rows, TICK_DTYPE), np.zeros(rows, DEPTH_DTYPE)
        sequences = np.zeros(rows, np.int64)
        found = self.reader.view.snapshot(ticks, depth, sequences)
        whole = sequences[:found] >= 0
        whole &= self._sieve.mask(ticks["token"][:found])
        return ticks[:found][whole], depth[:found][whole]

    def history(self, token: int, count: int = 1000) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """The last ``count`` ticks of an instrument that the ring still holds, and their sequences; newest last."""
        row = self._board().get(token)
        if row is None or count <= 0:
            return np.zeros(0, TICK_DTYPE), np.zeros(0, np.int64)
        ticks, sequences = newest(self.reader.view, row, count)
        return ticks[::-1].copy(), sequences[::-1].copy()

    @property
    def has_moved_on(self) -> bool:
        """Whether the ring has overwritten any of its ticks."""
        return self.reader.view.cursor() > self._handle.memory.layout.capacity

    def recorded_day(self) -> Path | None:
        """The folder the day is being recorded in; None where it isn't. Asks the feed's process."""
        said = recording_of(self._handle.stats()) or {}
        return day_folder(Path(str(said["store"])), date.fromisoformat(str(said["day"]))) if "day" in said else None

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The bars the feed builds; of any multiple of them can be asked for."""
        return self._bars.intervals

    def bars(
        self,
        token: int,
        interval: str | Interval,
        count: int = 100,
        *,
        forming: bool = False,
        auctions: bool = False,
        fill: bool = False,
    ) -> NDArray[np.void]:
        """The last ``count`` bars of an instrument: rows of :data:`~kitecli.bars.table.TABLE_DTYPE`, oldest first.

        ``forming``: with the one that isn't over; ``auctions``: with those of auctions and of what came at no hour of
        any session, one for each whole span; ``fill``: with a synthetic one for each bucket without ticks. Fewer where
        the feed holds no more. Raises :class:`UsageError` for an interval that can't be had.
        """
        asked = Ask(_interval(interval), count, forming=forming, auctions=auctions, fill=fill)
        return self._bars.table(token, asked)

    def published_bars(self, token: int, interval: str | Interval) -> NDArray[np.void]:
        """All the bars of an instrument that the feed holds, newest first, as they were closed and each time revised.

        Those of auctions are among them. Raises :class:`UsageError` for an interval that the feed doesn't build.
        """
        return self._bars.published(token, _interval(interval))

    def closed_bars(self, interval: str | Interval, *, auctions: bool = False) -> ClosedBars:
        """What is closed from now on of all instruments this feed passes on: poll it. Raises :class:`UsageError`."""
        return self._bars.closed(_interval(interval), auctions=auctions)

    def stages(self) -> dict[str, LatencyHistogram]:
        """What each stage of a tick's way has taken so far, in its order: of the feed's process and of this reader."""
        kept = {"reader": self.tallies.slot.figures().stages, "feed": self._handle.slot.figures().stages}
        return {stage.name: kept[stage.by][stage.name] for stage in STAGES}

    def figures(self) -> FeedFigures:
        latency = self.tallies.slot.stage(READ)
        counters = (int(count) for count in self.reader.view.counters())
        return FeedFigures(
            elapsed_s=(time.monotonic_ns() - self._started_ns) / 1e9,
            ticks=self.reader.delivered,
            lost=self.reader.lost,
            latency_ns_p50=latency.percentile_ns(50),
            latency_ns_p99=latency.percentile_ns(99),
            latency_ns_max=latency.max_ns,
            counters=dict(zip(COUNTERS, counters, strict=True)),
            connections=dict(self.connections),
            passed_over=self.passed_over,
            reconnects=self._came_up.total() - len(self._came_up),
        )

    # Its end

    def close(self) -> None:
        """Leave the gateway; iterations end. Who comes second waits until it is done."""
        self._finished = True
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._handle.close()
            with self._reading:  # a reader asleep on its bell notices within a turn
                self.reader.close()
            self.tallies.remove()
            self._handle.events.put(_CLOSED)
            if threading.current_thread() is not self._listener:
                self._listener.join(LAST_WORD_S)
            self._released()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> None:
        while (event := self._handle.events.get()) is not _CLOSED:
            self._note(event)
            try:
                self._on_event(event)
            except Exception:  # noqa: BLE001 - logged, and no reason to be deaf from now on
                _LOG.exception("what hears the feed's events failed on %s", event.kind)
            if event.kind in ("stopped", "failed"):
                self._ended.set()

    def _note(self, event: GatewayEvent) -> None:
        if event.kind == "connection" and event.connection is not None:
            came_up = event.state in UP and self.connections.get(event.connection) not in UP
            self._came_up += Counter({event.connection: int(came_up)})
            self.connections[event.connection] = event.state
        elif event.kind == "gap":
            self._gaps.add(gap_of_event(event))
        elif event.kind == "failed":
            self._end = event.failure()
        elif event.kind == "stopped":
            self._end = stopped(event)

    def _take(self, timeout_s: float) -> Batch | None:
        """The next batch of our own instruments; None where nothing came in time or the feed is closed."""
        with self._reading:
            if self._finished:
                return None
            batch = self.reader.read(timeout_s) if timeout_s else self.reader.poll()
        if batch is None:
            return None
        self.tallies.took(batch.ticks, self.now_ns())
        mine = self._sieve.keep(batch)
        if len(mine) < len(batch):
            self.tallies.slot.set("passed_over", self._sieve.passed_over)
        return mine if len(mine) or mine.lost else None

    def _gone(self) -> bool:
        """Whether the gateway has ended, not by us, and all it published has been read."""
        ended = not self._finished and (self._ended.is_set() or self.reader.writer_gone)
        return ended and self.reader.lag() <= 0

    def _last_word(self) -> KiteError:
        return self._end or FeedError("The feed ended without a word", hint="run kite doctor")

    def _board(self) -> dict[int, int]:
        """token → row of the board; a row keeps its token, so only new ones are looked at."""
        known, rows = len(self._rows), self.reader.view.board_rows()
        if known < rows:
            fresh = self.reader.view.tokens(known, rows).tolist()
            self._rows = self._rows | {token: row for row, token in enumerate(fresh, known)}
        return self._rows


def _interval(interval: str | Interval) -> Interval:
    return Interval.parse(interval) if isinstance(interval, str) else interval


_CLOSED: Final = GatewayEvent("stopped", state="closed here")
"""What a closing feed says to its own listener."""


class _Allowance:
    """A time that runs from when something begins; None: without end."""

    def __init__(self, duration_s: float | None) -> None:
        self._left_s = duration_s
        self._ends_s: float | None = None

    def spent(self, *, begun: bool) -> bool:
        if self._left_s is None:
            return False
        if self._ends_s is None and begun:
            self._ends_s = time.monotonic() + self._left_s
        return self._ends_s is not None and time.monotonic() >= self._ends_s


class _Silence:
    """Seconds without a tick, after which the source is asked whether it has ended."""

    def __init__(self) -> None:
        self.broken()

    def broken(self) -> None:
        self._asks_s = time.monotonic() + SILENCE_S

    def asks(self) -> bool:
        return time.monotonic() > self._asks_s
