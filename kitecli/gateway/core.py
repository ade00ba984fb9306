"""The feed on an event loop: pool → pass → ring, the readers' wake-up, who wants what. Owns no process or socket."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

import kitecli
from kitecli.bars.hours import from_text
from kitecli.bars.layout import COUNTERS as BAR_COUNTERS
from kitecli.bars.timeline import SEGMENTS, timeline_of
from kitecli.errors import FeedError, GatewayGone, UsageError
from kitecli.feed.ages import WINDOW_S, InstrumentAges
from kitecli.feed.events import ConnectionStatus, FeedEvent
from kitecli.feed.liveness import State
from kitecli.feed.policy import GIVE_UP
from kitecli.feed.pool import FeedPool
from kitecli.feed.subscriptions import Subscriptions, Update
from kitecli.feed.transport import PicowsTransport, Transport
from kitecli.gateway.address import TokenAddress
from kitecli.gateway.claims import Change, Claims
from kitecli.gateway.figures import GatewayFigures, Look
from kitecli.gateway.gaps import GapLog, gap_of, record_of
from kitecli.gateway.mapped import bars_of, ring_of, seats_path
from kitecli.gateway.messages import (
    AccessToken,
    Bye,
    Gaps,
    Hello,
    Record,
    Request,
    Stats,
    Status,
    Stop,
    Subscribe,
    Unrecord,
    Unsubscribe,
)
from kitecli.gateway.recording import FeedRecording, Standing
from kitecli.gateway.spec import GatewayEvent, GatewaySpec, failed, told
from kitecli.gateway.steps import FeedSteps
from kitecli.gateway.sweep import Sweep
from kitecli.hot import COMPILED, BarsView
from kitecli.market.gap import Gap
from kitecli.market.tick import TICK_DTYPE
from kitecli.ring.layout import COUNTERS
from kitecli.ring.seats import SeatKeeper

SEATS_LOOK_S: Final = 0.05
"""How soon a new reader is noticed; until then it looks at the ring every millisecond."""
SWEEP_S: Final = 0.025 if COMPILED else 0.25
"""How often bars are closed that no tick closes."""
GAPS_SHOWN: Final = 100
ITSELF: Final = 0
"""The client number of the gateway, as holder of what shall stream whoever leaves."""

_OF_BARS: Final = ("ring_size", "intervals", "bar_capacity", "bar_grace_ms", "timelines")

Say = Callable[[GatewayEvent], None]


class Supply(Protocol):
    """Where the messages come from, until :meth:`run` is cancelled. Its methods are called on the loop."""

    def subscribe(self, modes: Mapping[int, str]) -> None: ...
    def unsubscribe(self, tokens: Iterable[int]) -> None: ...
    def status(self) -> list[ConnectionStatus]: ...
    def told(self) -> list[dict[int, str]]: ...
    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Member:
    """A client that has said hello."""

    name: str
    pid: int
    observer: bool
    since_ns: int


class Gateway:
    """One feed. ``say`` gets its events; the other methods are called on the loop's thread.

    It streams from the first client's arrival (or :meth:`begin`) until :meth:`stop`, or until the last client has
    left, unless it is a daemon.
    """

    def __init__(
        self,
        spec: GatewaySpec,
        say: Say,
        transport: Transport | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._spec = spec
        self._tell = say
        self._now_ns = now_ns
        self._started_s = time.monotonic()  # a clock that is set makes no feed older
        self.memory = ring_of(spec)
        self.timelines = from_text(spec.timelines)
        self.bars = bars_of(spec, self.memory)
        self._bars_view = BarsView(self.bars) if self.bars else None
        self._steps = FeedSteps(self.memory, self.bars, self.timelines)
        self._pass, self._view = self._steps.frames, self._steps.view
        self._ingest = self._steps.message
        self.figures = GatewayFigures(self.memory.path, self._pass)
        self._keeper = SeatKeeper(seats_path(self.memory.path)) if self.memory.path else None
        self._address = _address(spec)
        self._recording = FeedRecording(self._say, self._standing, _about(spec), now_ns)
        if spec.record is not None:
            self._recording.want(ITSELF, spec.record, lasting=True)
        self._pool = self._new_pool(transport or PicowsTransport())
        self._claims = Claims(spec.limit)
        self._members: dict[int, Member] = {}
        self._gaps = GapLog()
        self._states: dict[int, GatewayEvent] = {}
        self._daemon = spec.daemon
        self._expected = True  # its first client, who is starting it
        self._begun = asyncio.Event()
        self._stop = asyncio.Event()
        self._over = False

    @property
    def label(self) -> str:
        """What people call it."""
        return self._spec.label

    @property
    def ending(self) -> bool:
        return self._over

    async def run(self) -> None:
        """Stream until stopped; raises what trying again can't mend, having told it."""
        tasks = [asyncio.create_task(work) for work in (*self._works(), self._stop.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Exception as cause:
            self._last_word(failed(cause))
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _works(self) -> tuple[Coroutine[None, None, None], ...]:
        """What it does beside answering, each until the end."""
        watching = (self._watch_seats(), self._watch_ages(), self.figures.run(self._look, self._now_ns))
        return (self._stream(), *watching, self._close_bars(), self._recording.run())

    def begin(self) -> None:
        """Connect now, whether or not anybody is there."""
        self._begun.set()

    def stop(self, by: str) -> None:
        """End it; ``by`` says who wants that."""
        self._last_word(GatewayEvent("stopped", data=by))
        self._stop.set()

    def starter_gone(self) -> None:
        """Who started this process has joined by now, or never will."""
        self._expected = False
        self._end_if_unwanted()
        self.begin()

    def on_stray(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # Any: as asyncio has it
        """An exception that nobody caught and the feed survived: tell it, for the loop's own log goes nowhere."""
        cause = context.get("exception")
        defect = told(cause) if isinstance(cause, BaseException) else FeedError("The feed met a defect of its own")
        self._say(GatewayEvent("message", state="defect", error=defect.as_dict()))

    def close(self) -> None:
        """Tell readers it is over, and remove the files; what was recorded is on disk when this returns."""
        self._recording.close()
        self._pass.close()
        if self._keeper is not None:
            self._pass.wake(self._keeper.page, [])  # the pipes close, and their numbers may be given to other files
            self._keeper.close()
        self.memory.remove()
        self.figures.remove()
        if self.bars is not None:
            self.bars.remove()

    def join(self, client: int, hello: Hello) -> dict[str, object]:
        """Take ``client`` in; returns what it needs to know of this gateway."""
        if self._over:
            raise GatewayGone("The feed process is just ending", why="it was asked to", hint="try again")
        self._members[client] = Member(hello.client, hello.pid, hello.observer, time.time_ns())
        self._daemon = self._daemon or hello.daemon
        if not hello.observer:
            self._expected = False
            self.begin()
        return {**self._card(), "timelines": self._spec.timelines}

    def greetings(self) -> list[GatewayEvent]:
        """How things stand, for a client that has just come: as the events that brought them there."""
        ready = GatewayEvent("ready", data=str(self.memory.path) if self.memory.path else None)
        states = [self._states[index] for index in sorted(self._states)]
        lasting = [GatewayEvent("gap", gap["connection"], data=gap) for gap in self._gaps.open()]
        recorded = self._recording.greeting()
        return [ready, *states, *lasting, *([recorded] if recorded else [])]

    def leave(self, client: int) -> None:
        """``client`` is gone: what it held is let go of, and the last one takes the gateway with it."""
        if self._members.pop(client, None) is None:
            return
        self._apply(self._claims.release(client))
        self._recording.let_go(client)
        self._end_if_unwanted()

    def answer(self, client: int, request: Request) -> object:
        """Do what a client asks; returns the result. Raises :class:`KiteError`, and nothing has changed."""
        match request:
            case Subscribe(modes, keep, groups):
                holder = ITSELF if keep else client
                change = self._claims.hold(holder, modes)
                self._place(self._places(modes, groups))
                self._apply(change)
                streamed = [token for token in modes if token not in change.want]
                return {"instruments": self._claims.count(holder), "streamed": streamed}
            case Unsubscribe(tokens):
                self._apply(self._claims.let_go(client, tokens))
                return {"instruments": self._claims.count(client)}
            case Status():
                return self.status()
            case Stats():
                return self.stats()
            case Gaps(after):
                return self._gaps.page(after)
            case AccessToken(token):
                self._address.replace(token)
            case Record(plan):
                self._recording.want(client, plan)
                return {"recording": self._recording.status()}
            case Unrecord():
                self._recording.let_go(client)
                return {"recording": self._recording.status()}
            case Stop():
                self.stop(self._called(client))
            case Bye():
                self.leave(client)
                return {"ends": self._over}
            case Hello():
                raise UsageError("A client says hello once", why="this one has said it before")
        return {}

    def status(self) -> dict[str, object]:
        """Everything about the feed; docs/control-socket.md explains it field by field."""
        return {
            **self._card(),
            "uptime_s": round(time.monotonic() - self._started_s, 3),
            "connections": self._connections(),
            "instruments": len(self._claims),
            "kept": self._claims.count(ITSELF),
            "clients": [self._client(number, member) for number, member in self._members.items()],
            **self.stats(),
            "gaps": {
                "total": self._gaps.total,
                "open": len(self._gaps.open()),
                "newest": self._gaps.newest(GAPS_SHOWN),
            },
        }

    def stats(self) -> dict[str, object]:
        counters = (int(count) for count in self._view.counters())
        cursor = self._view.cursor()
        return {
            "ring": {"capacity": self.memory.layout.capacity, "cursor": cursor, "produced": cursor},
            "counters": dict(zip(COUNTERS, counters, strict=True)),
            "readers": self._readers(cursor),
            "bars": self._bar_stats(),
            "recording": self._recording.status(),
        }

    def _look(self) -> Look:
        return Look(
            connections=self._pool.status(),
            instruments=len(self._claims),
            clients=len(self._members),
            gaps=self._gaps.total,
            gaps_open=len(self._gaps.open()),
            buffer_lag=self._keeper.lag(self._view.cursor()) if self._keeper is not None else 0,
            recording=self._recording.status(),
        )

    def _bar_stats(self) -> dict[str, object] | None:
        view = self._bars_view
        if view is None:
            return None
        counters = (int(count) for count in view.counters())
        return {
            "published": {str(interval): view.cursor(series) for series, interval in enumerate(view.intervals)},
            "counters": dict(zip(BAR_COUNTERS, counters, strict=True)),
        }

    def _card(self) -> dict[str, object]:
        spec = self._spec
        return {
            "name": spec.name,
            "label": spec.label,
            "pid": os.getpid(),
            "version": kitecli.__version__,
            "daemon": self._daemon,
            "ring_path": str(self.memory.path) if self.memory.path else None,
            "ring_size": self.memory.layout.capacity,
            "bars_path": str(self.bars.path) if self.bars and self.bars.path else None,
            "intervals": list(spec.intervals),
            "bar_grace_ms": spec.bar_grace_ms,
            "limits": {"connections": spec.connections, "instruments_per_connection": spec.instruments_per_connection},
            "at_least": spec.at_least,
            "waits_for_token": any(event.state == State.AUTH for event in self._states.values()),
        }

    def _client(self, number: int, member: Member) -> dict[str, object]:
        return {
            "number": number,
            "name": member.name,
            "pid": member.pid,
            "observer": member.observer,
            "since_ns": member.since_ns,
            "instruments": self._claims.count(number),
        }

    def _connections(self) -> list[dict[str, object]]:
        return [
            {**asdict(replace(one, cause=None)), "cause": one.cause.as_dict() if one.cause else None}
            for one in self._pool.status()
        ]

    def _readers(self, cursor: int) -> list[dict[str, object]]:
        seated = self._keeper.readers() if self._keeper is not None else []
        return [
            {
                "pid": reader.pid,
                "policy": reader.policy.value,
                "delivered": reader.delivered,
                "conflated": reader.conflated,
                "lost": reader.lost,
                "produced": reader.position - reader.start,
                "lag": max(0, cursor - reader.position),
            }
            for reader in seated
        ]

    def _called(self, client: int) -> str:
        member = self._members.get(client)
        return f"{member.name} (process {member.pid})" if member else "a client"

    def _apply(self, change: Change) -> None:
        """Have the pool stream what is wanted now; it tells the broker of changes that come together in one message."""
        if change.drop:
            self._pool.unsubscribe(change.drop)
        if change.want:
            self._pool.subscribe(change.want)

    def _place(self, timelines_of: Mapping[int, int]) -> None:
        if timelines_of:
            self._recording.placed(timelines_of)
            self._steps.placed(timelines_of)

    def _places(self, modes: Mapping[int, str], groups: Mapping[str, Iterable[int]]) -> dict[int, int]:
        """The timelines of instruments that keep other hours than their segment."""
        timelines = self.timelines
        wanted = ((token, group) for group, tokens in groups.items() for token in tokens if token in modes)
        found = (
            (token, timelines.groups.get((SEGMENTS[timeline_of(token, len(SEGMENTS))], group)))
            for token, group in wanted
        )
        return {token: place for token, place in found if place is not None}

    def _new_pool(self, transport: Transport) -> Supply:
        spec = self._spec
        return FeedPool(
            address=self._address,
            transport=transport,
            subscriptions=Subscriptions(spec.connections, spec.instruments_per_connection, spec.at_least),
            ingest=self._take,
            expect=self._on_asking,
            draw=random.random,
            notify=self._on_feed_event,
            now_ns=self._now_ns,
            give_up=None if spec.daemon else GIVE_UP,
        )

    def _take(self, payload: memoryview | bytes, ts_recv_ns: int, connection: int) -> int:
        """Every binary message, recorded before anybody looks inside."""
        self._recording.append(payload, ts_recv_ns, connection)
        return self._ingest(payload, ts_recv_ns, connection)

    def _on_asking(self, connection: int, update: Update) -> None:
        self._recording.subscribed(connection, update)
        self._steps.subscribed(update.fresh)

    def _standing(self) -> Standing:
        places = self._steps.places
        return Standing(places, tuple(self._pool.told()), tuple(map(gap_of, self._gaps.open())))

    async def _stream(self) -> None:
        await self._begun.wait()
        await self._recording.settled()
        await self._pool.run()

    async def _watch_seats(self) -> None:
        while self._keeper is not None:
            sleepers = self._keeper.refresh()
            if sleepers is not None:
                self._pass.wake(self._keeper.page, sleepers)
            await asyncio.sleep(SEATS_LOOK_S)
        await asyncio.Event().wait()

    async def _close_bars(self) -> None:
        sweep = Sweep(self._pass, lambda: self._recording.on, self._recording.timer)
        while self.bars is not None:
            more = sweep.step(self._now_ns())
            await asyncio.sleep(0 if more else SWEEP_S)
        await asyncio.Event().wait()

    async def _watch_ages(self) -> None:
        """Name the liquid instruments that have stopped ticking while their connection streams on."""
        ages = InstrumentAges()
        ticks, sequences = np.zeros(0, TICK_DTYPE), np.zeros(0, np.int64)
        while True:
            await asyncio.sleep(WINDOW_S)
            if (rows := self._view.board_rows()) > ticks.size:
                ticks, sequences = np.zeros(rows, TICK_DTYPE), np.zeros(rows, np.int64)
            found = self._view.snapshot(ticks, None, sequences)
            seen = ticks[:found][sequences[:found] >= 0]
            now_s = asyncio.get_running_loop().time()
            look = ages.look(seen["token"], seen["ts_recv_ns"], seen["connection"], now_s, self._claims)
            for state, tokens in (("silent", look.silent), ("back", look.back)):
                if tokens:
                    self._say(GatewayEvent("silent", state=state, data=list(tokens)))

    def _on_feed_event(self, event: FeedEvent) -> None:
        if event.message is not None:
            self._say(GatewayEvent("message", event.connection, event.message.kind, data=event.message.data))
        elif event.gap is not None:
            self._on_gap(event.gap)
        else:
            error = event.cause.as_dict() if event.cause else {}
            state = event.state.value
            said = GatewayEvent("connection", event.connection, state, event.since_ns, event.retry_in_s, error=error)
            self._states[event.connection] = said
            self._say(said)

    def _on_gap(self, gap: Gap) -> None:
        """Told before the message that ends it is taken in: the cursor is where the outage lies among the ticks."""
        placed = self._steps.outage(gap)
        self._recording.gap(placed)
        self._tell_gap(placed)

    def _tell_gap(self, placed: Gap) -> None:
        self._say(GatewayEvent("gap", placed.connection, data=record_of(self._gaps.add(placed), placed)))

    def _end_if_unwanted(self) -> None:
        wanted = self._daemon or self._expected or any(not member.observer for member in self._members.values())
        if not wanted:
            self.stop("its last client left")

    def _say(self, event: GatewayEvent) -> None:
        if not self._over:
            self._tell(event)

    def _last_word(self, event: GatewayEvent) -> None:
        self._say(event)
        self._over = True


def _address(spec: GatewaySpec) -> TokenAddress:
    return TokenAddress(
        spec.ws_root,
        spec.api_key,
        access_token=spec.access_token,
        user_id=spec.user_id,
        token_file=Path(spec.token_file) if spec.token_file else None,
    )


def _about(spec: GatewaySpec) -> dict[str, object]:
    """What a recording's files say of the feed; people read it, and who plays it back builds the same bars."""
    feed = {name: getattr(spec, name) for name in ("label", *_OF_BARS)}
    connections = [{"connection": number, "endpoint": spec.ws_root} for number in range(spec.connections)]
    return {"feed": feed, "connections": connections}
