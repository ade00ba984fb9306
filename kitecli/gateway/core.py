"""The feed on an event loop: pool → pass → ring, and the readers' wake-up. Owns no process and reads no input."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path

from kitecli.errors import EnvironmentProblem, KiteError
from kitecli.feed.address import FixedAddress
from kitecli.feed.events import FeedEvent
from kitecli.feed.pool import FeedPool
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import PicowsTransport, Transport
from kitecli.gateway.spec import GatewayEvent, GatewaySpec
from kitecli.hot import COMPILED, WHY_NOT, FramePass
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.seats import SeatKeeper

SEATS_LOOK_S = 0.05
"""How soon a new reader is noticed; until then it looks at the ring every millisecond."""

Say = Callable[[GatewayEvent], None]


class Gateway:
    """One feed. ``say`` gets its events; :meth:`request` takes what others ask of it, on the loop's thread."""

    def __init__(self, spec: GatewaySpec, say: Say, transport: Transport | None = None) -> None:
        self._say = say
        subscriptions = Subscriptions(spec.connections, spec.instruments_per_connection, spec.at_least)
        subscriptions.want(spec.modes)  # first: what is refused must leave nothing behind
        self.memory = _memory(spec)
        self._pass = FramePass(self.memory)
        self._keeper = SeatKeeper(seats_path(self.memory.path)) if self.memory.path else None
        self._pool = FeedPool(
            address=FixedAddress(spec.ws_url),
            transport=transport or PicowsTransport(),
            subscriptions=subscriptions,
            ingest=self._pass.ingest,
            expect=self._pass.expect_snapshots,
            draw=random.random,
            notify=self._on_feed_event,
        )
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Stream until asked to stop; raises what trying again can't mend."""
        self._say(GatewayEvent("ready", data=str(self.memory.path) if self.memory.path else None))
        works = (self._pool.run(), self._watch_seats(), self._wait_for_stop())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def request(self, line: str) -> None:
        """Do what one line of JSON asks; a bad request is answered by an event and changes nothing."""
        try:
            self._do(json.loads(line))
        except (KiteError, ValueError) as cause:
            refusal = cause if isinstance(cause, KiteError) else KiteError("Not a request", why=str(cause))
            self._say(GatewayEvent("message", state="refused", error=refusal.as_dict()))

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        """Tell readers it is over, and remove the files."""
        self._pass.close()
        if self._keeper is not None:
            self._pass.wake(self._keeper.page, [])  # the pipes close, and their numbers may be given to other files
            self._keeper.close()
        self.memory.remove()

    def _do(self, request: dict[str, object]) -> None:
        match request:
            case {"do": "stop"}:
                self.stop()
            case {"do": "subscribe", "modes": dict(modes)}:
                self._pool.subscribe({int(token): mode for token, mode in modes.items()})
            case {"do": "unsubscribe", "tokens": list(tokens)}:
                self._pool.unsubscribe(tokens)
            case _:
                raise KiteError("The gateway doesn't know this request", why=json.dumps(request)[:200])

    async def _wait_for_stop(self) -> None:
        await self._stop.wait()

    async def _watch_seats(self) -> None:
        while self._keeper is not None:
            sleepers = self._keeper.refresh()
            if sleepers is not None:
                self._pass.wake(self._keeper.page, sleepers)
            await asyncio.sleep(SEATS_LOOK_S)
        await asyncio.Event().wait()

    def _on_feed_event(self, event: FeedEvent) -> None:
        if event.message is not None:
            kind = GatewayEvent("message", event.connection, event.message.kind, data=event.message.data)
            self._say(kind)
            return
        if event.gap is not None:
            return
        error = event.cause.as_dict() if event.cause else {}
        self._say(GatewayEvent("connection", event.connection, event.state.value, event.retry_in_s, error=error))


def seats_path(ring: Path) -> Path:
    """The seats file of a ring."""
    return ring.with_suffix(".seats")


def remove_ring(ring: Path) -> None:
    """Remove a ring with its seats and their pipes: for a gateway that couldn't do it itself."""
    for path in ring.parent.glob(f"{ring.stem}.*"):
        path.unlink(missing_ok=True)


def _memory(spec: GatewaySpec) -> RingMemory:
    layout = RingLayout.of(spec.ring_size)
    if spec.ring_path is None:
        return RingMemory.private(layout)
    if not COMPILED:
        raise EnvironmentProblem(
            "A ring that other processes read needs the compiled pass",
            why=f"its memory barriers; {WHY_NOT}",
            hint="run embedded, with a ring in private memory",
        )
    return RingMemory.create(Path(spec.ring_path), layout)
