"""The feed on an event loop: pool → pass → ring, the readers' wake-up, who wants what. Owns no process or socket."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import kitecli
from kitecli.errors import EnvironmentProblem, FeedError, GatewayGone, UsageError
from kitecli.feed.connection import FeedEvent
from kitecli.feed.pool import FeedPool
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import PicowsTransport, Transport
from kitecli.gateway.address import TokenAddress
from kitecli.gateway.claims import Change, Claims
from kitecli.gateway.gaps import GapLog
from kitecli.gateway.lock import FeedPlace
from kitecli.gateway.messages import AccessToken, Bye, Gaps, Hello, Request, Stats, Status, Stop, Subscribe, Unsubscribe
from kitecli.gateway.spec import GatewayEvent, GatewaySpec, failed, told
from kitecli.hot import COMPILED, WHY_NOT, FramePass, RingView
from kitecli.ring.layout import COUNTERS, RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.seats import SeatKeeper

SEATS_LOOK_S: Final = 0.05
"""How soon a new reader is noticed; until then it looks at the ring every millisecond."""
APPLY_S: Final = 0.02
"""Changes that come faster than this reach the broker together: telling it costs 3 ms with 9,000 instruments."""
GAPS_SHOWN: Final = 100
ITSELF: Final = 0
"""The client number of the gateway, as holder of what shall stream whoever leaves."""

Say = Callable[[GatewayEvent], None]


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

    def __init__(self, spec: GatewaySpec, say: Say, transport: Transport | None = None) -> None:
        self._spec = spec
        self._tell = say
        self._started_ns = time.time_ns()
        self.memory = _memory(spec)
        self._view = RingView(self.memory)
        self._pass = FramePass(self.memory)
        self._keeper = SeatKeeper(seats_path(self.memory.path)) if self.memory.path else None
        self._address = _address(spec)
        self._pool = self._new_pool(transport or PicowsTransport())
        self._claims = Claims(spec.limit)
        self._members: dict[int, Member] = {}
        self._gaps = GapLog()
        self._states: dict[int, GatewayEvent] = {}
        self._changed: set[int] = set()
        self._applying: asyncio.TimerHandle | None = None
        self._daemon = spec.daemon
        self._expected = True  # its first client, who is starting it
        self._begun = asyncio.Event()
        self._stop = asyncio.Event()
        self._over = False

    @property
    def ending(self) -> bool:
        return self._over

    async def run(self) -> None:
        """Stream until stopped; raises what trying again can't mend, having told it."""
        works = (self._stream(), self._watch_seats(), self._stop.wait())
        tasks = [asyncio.create_task(work) for work in works]
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
        """Tell readers it is over, and remove the files."""
        if self._applying is not None:
            self._applying.cancel()
        self._pass.close()
        if self._keeper is not None:
            self._pass.wake(self._keeper.page, [])  # the pipes close, and their numbers may be given to other files
            self._keeper.close()
        self.memory.remove()

    def join(self, client: int, hello: Hello) -> dict[str, object]:
        """Take ``client`` in; returns what it needs to know of this gateway."""
        if self._over:
            raise GatewayGone("The feed process is just ending", why="it was asked to", hint="try again")
        self._members[client] = Member(hello.client, hello.pid, hello.observer, time.time_ns())
        self._daemon = self._daemon or hello.daemon
        if not hello.observer:
            self._expected = False
            self.begin()
        return self._card()

    def greetings(self) -> list[GatewayEvent]:
        """How things stand, for a client that has just come: as the events that brought them there."""
        ready = GatewayEvent("ready", data=str(self.memory.path) if self.memory.path else None)
        states = [self._states[index] for index in sorted(self._states)]
        lasting = [GatewayEvent("gap", gap["connection"], data=gap) for gap in self._gaps.open()]
        return [ready, *states, *lasting]

    def leave(self, client: int) -> None:
        """``client`` is gone: what it held is let go of, and the last one takes the gateway with it."""
        if self._members.pop(client, None) is None:
            return
        self._apply(self._claims.release(client))
        self._end_if_unwanted()

    def answer(self, client: int, request: Request) -> object:
        """Do what a client asks; returns the result. Raises :class:`KiteError`, and nothing has changed."""
        match request:
            case Subscribe(modes, keep):
                holder = ITSELF if keep else client
                self._apply(self._claims.hold(holder, modes))
                return {"instruments": self._claims.count(holder)}
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
            "uptime_s": round((time.time_ns() - self._started_ns) / 1e9, 3),
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
            "limits": {"connections": spec.connections, "instruments_per_connection": spec.instruments_per_connection},
            "at_least": spec.at_least,
            "waits_for_token": any(event.state == "auth" for event in self._states.values()),
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
            {"index": index, "state": event.state, "since_ns": event.since_ns, "cause": event.error or None}
            for index, event in sorted(self._states.items())
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
        """Have the pool told of a change, together with others that come in the next moments."""
        self._changed.update(change.want, change.drop)
        if self._changed and self._applying is None:
            self._applying = asyncio.get_running_loop().call_later(0, self._tell_pool)

    def _tell_pool(self) -> None:
        self._applying = None
        if not self._changed:
            return
        wanted = self._claims.wanted(self._changed)
        self._pool.unsubscribe(self._changed - wanted.keys())  # first: only then is there room for all that is wanted
        self._pool.subscribe(wanted)
        self._changed.clear()
        self._applying = asyncio.get_running_loop().call_later(APPLY_S, self._tell_pool)

    def _new_pool(self, transport: Transport) -> FeedPool:
        spec = self._spec
        return FeedPool(
            url=self._address.url(),
            transport=transport,
            subscriptions=Subscriptions(spec.connections, spec.instruments_per_connection, spec.at_least),
            ingest=self._pass.ingest,
            draw=random.random,
            notify=self._on_feed_event,
        )

    async def _stream(self) -> None:
        await self._begun.wait()
        await self._pool.run()

    async def _watch_seats(self) -> None:
        while self._keeper is not None:
            sleepers = self._keeper.refresh()
            if sleepers is not None:
                self._pass.wake(self._keeper.page, sleepers)
            await asyncio.sleep(SEATS_LOOK_S)
        await asyncio.Event().wait()

    def _on_feed_event(self, event: FeedEvent) -> None:
        if event.message is not None:
            self._say(GatewayEvent("message", event.connection, event.message.kind, data=event.message.data))
            return
        error = event.cause.as_dict() if event.cause else {}
        since_ns = time.time_ns()
        state = GatewayEvent("connection", event.connection, event.state.value, since_ns, event.retry_in_s, error=error)
        self._states[event.connection] = state
        self._say(state)

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


def seats_path(ring: Path) -> Path:
    """The seats file of a ring."""
    return ring.with_suffix(".seats")


def _address(spec: GatewaySpec) -> TokenAddress:
    return TokenAddress(
        spec.ws_root,
        spec.api_key,
        access_token=spec.access_token,
        user_id=spec.user_id,
        token_file=Path(spec.token_file) if spec.token_file else None,
    )


def _memory(spec: GatewaySpec) -> RingMemory:
    layout = RingLayout.of(spec.ring_size)
    if spec.folder is None:
        return RingMemory.private(layout)
    if not COMPILED:
        raise EnvironmentProblem(
            "A ring that other processes read needs the compiled pass",
            why=f"its memory barriers; {WHY_NOT}",
            hint="run embedded, with a ring in private memory",
        )
    return RingMemory.create(FeedPlace(Path(spec.folder), spec.name).ring, layout)
