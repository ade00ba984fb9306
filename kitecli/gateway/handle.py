"""One client's hold on a gateway: joined where one of that name runs, started where none does.

::

    with open_gateway(spec) as handle:
        reader = attach(handle.memory, batch=10_000, depth=True)
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias

from kitecli.bars.hours import NO_HOURS, from_text
from kitecli.bars.intervals import Interval
from kitecli.bars.memory import BarsMemory
from kitecli.bars.resample import serving
from kitecli.bars.timeline import Timelines
from kitecli.errors import DataError, FeedError, GatewayGone
from kitecli.feed.subscriptions import too_many
from kitecli.gateway.client import ControlClient
from kitecli.gateway.embedded import EmbeddedGateway
from kitecli.gateway.gaps import gap_of
from kitecli.gateway.launch import Launched, launch
from kitecli.gateway.lock import FeedCard, FeedPlace
from kitecli.gateway.mapped import seats_path
from kitecli.gateway.messages import (
    AccessToken,
    Gaps,
    Record,
    Request,
    Stats,
    Status,
    Stop,
    Subscribe,
    Unrecord,
    Unsubscribe,
    numbers,
)
from kitecli.gateway.spec import GatewayEvent, GatewaySpec, RecordPlan
from kitecli.hot import COMPILED, RingView
from kitecli.market.gap import Gap
from kitecli.metrics.block import SlotView
from kitecli.metrics.layout import slot_path
from kitecli.ring.layout import RingLayout
from kitecli.ring.location import runtime_dir
from kitecli.ring.memory import RingMemory
from kitecli.ring.policy import Policy
from kitecli.ring.reader import DEFAULT_MAX_LAG, RingReader
from kitecli.ring.seats import Seat
from kitecli.secret import Secret

JOIN_S: Final = 40.0
LOOK_S: Final = 0.02
LEAVE_S: Final = 5.0

Groups: TypeAlias = Callable[[Iterable[int]], dict[str, list[int]]]
"""Which of some instruments keep other hours than their segment, by the calendar's word for the group."""


class Link(Protocol):
    """How a gateway is asked: over its socket, or on its thread."""

    events: queue.SimpleQueue[GatewayEvent]

    def ask(self, request: Request) -> dict[str, object]: ...
    def leave(self, timeout_s: float) -> bool: ...


class GatewayHandle:
    """One client's hold on a gateway. Every method may be called from any thread.

    ``events``: what the gateway says, "stopped" or "failed" last. ``memory``: its ring, to be read; ``slot``: its
    figures. ``bars``: its bars, None where it builds none; ``timelines``: the hours they keep. ``pid``: of the feed
    process; None where the feed runs in this one. ``joined``: somebody else had started it. ``warnings``: where the
    running gateway differs from what was asked for. ``replayed``: what streams is a recording, and its time is not
    ours.

    Every request raises :class:`GatewayGone` at once where the gateway has ended.
    """

    def __init__(
        self,
        link: Link,
        memory: RingMemory,
        slot: SlotView,
        *,
        bars: BarsMemory | None = None,
        timelines: Timelines = NO_HOURS,
        pid: int | None = None,
        launched: Launched | None = None,
        joined: bool = False,
        warnings: tuple[str, ...] = (),
        replayed: bool = False,
    ) -> None:
        self.events = link.events
        self.memory = memory
        self.slot = slot
        self.bars = bars
        self.timelines = timelines
        self.pid = pid
        self.joined = joined
        self.warnings = warnings
        self.replayed = replayed
        self._link = link
        self._launched = launched

    def subscribe(
        self, modes: Mapping[int, str], *, keep: bool = False, groups: Mapping[str, list[int]] | None = None
    ) -> list[int]:
        """Hold these instruments in these modes; all of them or, with the error raised, none.

        ``keep``: the gateway holds them itself, and they stream on when this client has left. ``groups``: those that
        keep other hours than their segment, by the calendar's word. Returns those that streamed so already: their
        latest tick is on the board, and the broker sends no cached one for them.
        """
        streamed = self._link.ask(Subscribe(dict(modes), keep, dict(groups or {}))).get("streamed", [])
        assert isinstance(streamed, list)  # the answer's schema
        return streamed

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        """Let go of instruments; they go on streaming while another client holds them."""
        self._link.ask(Unsubscribe(numbers(tokens)))

    def status(self) -> dict[str, object]:
        """Everything about the feed, as docs/control-socket.md has it."""
        return self._link.ask(Status())

    def stats(self) -> dict[str, object]:
        """The figures of status that move with every tick: ring, counters, readers."""
        return self._link.ask(Stats())

    def gaps(self) -> list[Gap]:
        """The outages known, oldest first, the last 1,000 at most."""
        found: list[Gap] = []
        after: object = 0
        while isinstance(after, int):
            page = self._link.ask(Gaps(after))
            records = page["gaps"]
            assert isinstance(records, list)  # the answer's schema
            found += map(gap_of, records)
            after = page["next"]
        return found

    def give_access_token(self, token: Secret) -> None:
        """A new token for a feed that waits for one, or for its next connection."""
        self._link.ask(AccessToken(token))

    def record(self, plan: RecordPlan) -> dict[str, object] | None:
        """Have everything received recorded, for as long as this client stays.

        Returns how that stands, as in :meth:`status`; until its ``state`` is "on", events "recording" tell.
        """
        return recording_of(self._link.ask(Record(plan)))

    def unrecord(self) -> dict[str, object] | None:
        """Need it no longer. Returns how it stands where others want it to go on; else the event "off" will tell."""
        return recording_of(self._link.ask(Unrecord()))

    def stop(self) -> None:
        """End the gateway, for all its clients."""
        self._link.ask(Stop())

    def close(self) -> None:
        """Leave. The gateway ends with its last client, unless it is a daemon. A second time does nothing."""
        if self._link.leave(LEAVE_S) and self._launched is not None:
            self._launched.ended(LEAVE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def recording_of(answer: Mapping[str, object]) -> dict[str, object] | None:
    """What an answer of a gateway says of its recording."""
    found = answer.get("recording")
    return found if isinstance(found, dict) else None


def join_gateway(spec: GatewaySpec, client: str) -> GatewayHandle | None:
    """Join the gateway of ``spec.name`` as it is; None where none runs."""
    return _join(spec, FeedPlace(Path(spec.folder or runtime_dir()), spec.name), client, None)


def open_gateway(
    spec: GatewaySpec, *, client: str = "", timelines: Callable[[], str] = lambda: "", groups: Groups = lambda _: {}
) -> GatewayHandle:
    """Join the running gateway of ``spec.name``, or start it and join; on a thread where ``spec.folder`` is None.

    ``client``: what ``kite status`` calls this process. ``timelines``: asked for a started one's, in the place of the
    spec's, because reading the calendar takes a tenth of a second. ``groups``: says which of ``spec.modes`` keep other
    hours than their segment. Raises :class:`TooManyInstruments` before anything is started,
    what kept the gateway from starting, and what it refuses.
    """
    if len(spec.modes) > spec.limit:
        each = f"{spec.instruments_per_connection:,} instruments each"
        raise too_many(len(spec.modes), spec.limit, f"the broker allows {spec.connections} connections of {each}")
    if spec.folder is None or not COMPILED:
        handle = _embedded(_timed(spec, timelines), client)
    else:
        handle = _shared(spec, FeedPlace(Path(spec.folder), spec.name), client, timelines)
    try:
        if spec.modes:
            handle.subscribe(spec.modes, keep=spec.daemon, groups=groups(spec.modes))
    except BaseException:
        handle.close()
        raise
    return handle


def attach(
    memory: RingMemory,
    *,
    batch: int,
    depth: bool,
    spin: bool = False,
    from_oldest: bool = True,
    policy: Policy = Policy.EVERY,
    max_lag: int = DEFAULT_MAX_LAG,
) -> RingReader:
    """A reader of a gateway's ring, woken through a seat where the ring is a file."""
    return RingReader(
        RingView(memory),
        seat=Seat.take(seats_path(memory.path)) if memory.path else None,
        batch=batch,
        depth=depth,
        spin=spin,
        from_oldest=from_oldest,
        policy=policy,
        max_lag=max_lag,
    )


def _embedded(spec: GatewaySpec, client: str) -> GatewayHandle:
    link = EmbeddedGateway(replace(spec, folder=None), client)
    return GatewayHandle(link, link.memory, link.slot, bars=link.bars, timelines=link.timelines)


def _timed(spec: GatewaySpec, timelines: Callable[[], str]) -> GatewaySpec:
    return replace(spec, timelines=spec.timelines or timelines()) if spec.intervals else spec


def _shared(spec: GatewaySpec, place: FeedPlace, client: str, timelines: Callable[[], str]) -> GatewayHandle:
    """Join, or start and join, until one of the two works: a gateway may be just coming, or just going."""
    deadline = time.monotonic() + JOIN_S
    while time.monotonic() < deadline:
        handle = _join(spec, place, client, None)
        if handle is not None:
            return handle
        if place.held():
            time.sleep(LOOK_S)
        elif (launched := launch(_timed(spec, timelines))) is not None:
            try:
                handle = _join(spec, place, client, launched)
            finally:
                launched.let_go()
            if handle is not None:
                return handle
    raise FeedError(
        "The feed can be neither joined nor started",
        why=f"for {JOIN_S:g} s its lock was held and nobody answered",
        hint="kite status shows which process has it; end that one",
    )


def _join(spec: GatewaySpec, place: FeedPlace, client: str, launched: Launched | None) -> GatewayHandle | None:
    """A hold on the gateway that listens there; None where none does (any more).

    One that we have ``launched`` and that has ended already is no such case, and raises :class:`GatewayGone`.
    """
    card = FeedCard.read(place.card)
    if card is None:
        return None
    try:
        link = ControlClient.reach(card, client=client, daemon=spec.daemon)
        return _handle(spec, link, launched)
    except GatewayGone:
        if launched is not None:
            raise
        return None


def _handle(spec: GatewaySpec, link: ControlClient, launched: Launched | None) -> GatewayHandle:
    welcome = link.welcome
    try:
        memory = RingMemory.attach(Path(str(welcome["ring_path"])))
        slot = SlotView.attach(slot_path(Path(str(welcome["ring_path"]))))
        bars = BarsMemory.attach(Path(str(path))) if (path := welcome.get("bars_path")) else None
        if welcome["waits_for_token"] and spec.access_token:
            link.ask(AccessToken(spec.access_token))
    except DataError:
        try:
            link.ask(Stats())  # raises GatewayGone where it has ended meanwhile, and its ring with it
        finally:
            link.close()
        raise
    except BaseException:
        link.close()
        raise
    pid, replayed = welcome["pid"], bool(welcome.get("replay"))
    return GatewayHandle(
        link,
        memory,
        slot,
        bars=bars,
        timelines=from_text(str(welcome.get("timelines", ""))),
        pid=pid if isinstance(pid, int) else None,
        launched=launched,
        joined=launched is None,
        warnings=() if launched or replayed else _differences(spec, welcome),
        replayed=replayed,
    )


def _differences(spec: GatewaySpec, welcome: Mapping[str, object]) -> tuple[str, ...]:
    """What a running gateway does otherwise than the joiner wished."""
    limits = {"connections": spec.connections, "instruments_per_connection": spec.instruments_per_connection}
    wishes = {
        "ring_size": ("a ring of {:,} ticks", RingLayout.of(spec.ring_size).capacity),
        "at_least": ("at least {} connections", spec.at_least),
        "limits": ("limits of {}", limits),
        "bar_grace_ms": ("bars that wait {} ms for late ticks", spec.bar_grace_ms),
    }
    otherwise = tuple(
        f"the running feed has {said.format(welcome[name])}; {said.format(wish)} was asked for"
        for name, (said, wish) in wishes.items()
        if welcome.get(name, wish) != wish
    )
    return otherwise + _other_bars(spec.intervals, welcome.get("intervals", spec.intervals))


def _other_bars(wished: Iterable[str], built: object) -> tuple[str, ...]:
    """Bars that a running gateway doesn't build, and that aren't as good when put together from those it does."""
    has = [Interval.parse(one) for one in built] if isinstance(built, list) else []
    missing = [(one, serving(has, one)) for one in map(Interval.parse, wished)] if has else []
    return tuple(
        f"the running feed builds bars of {', '.join(map(str, has))}; those of {one} "
        + (f"are put together from {part}, whose ticks are placed by when they came" if part else "can't be had")
        for one, part in missing
        if part is None or part.by_receive != one.by_receive
    )
