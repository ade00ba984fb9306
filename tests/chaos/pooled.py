"""A feed pool against a simulated exchange whose connections go through the fault proxy."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from kitecli.feed.address import FixedAddress, TickerAddress
from kitecli.feed.events import FeedEvent
from kitecli.feed.liveness import FeedLimits, State
from kitecli.feed.pool import FeedPool
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import PicowsTransport
from kitecli.market.gap import Gap
from kitecli.protocol.decoder import decode_frame
from kitecli.secret import Secret
from kitecli.sim.launcher import SimProcess

DEADLINE_S = 30.0
STALE_S = 1.5  # the simulator's heartbeats come every second


class Stream:
    """What came: ``ticks`` by token, ``damage`` by kind, events."""

    def __init__(
        self, sim: SimProcess, modes: Mapping[int, str], connections: int, address: TickerAddress | None = None
    ) -> None:
        self.sim = sim
        self.modes = dict(modes)
        self.ticks: Counter[int] = Counter()
        self.damage: Counter[str] = Counter()
        self.events: list[FeedEvent] = []
        wanted = Subscriptions(3, 3000, connections)
        wanted.want(modes)
        self.pool = FeedPool(
            address=address or FixedAddress(Secret(f"{sim.ws_url}?{query_of(sim)}")),
            transport=PicowsTransport(),
            subscriptions=wanted,
            ingest=self._ingest,
            draw=lambda: random.random() / 10,
            notify=self.events.append,
            limits=FeedLimits(stale_s=STALE_S),
        )

    @property
    def gaps(self) -> list[Gap]:
        """The outages that are over, as the feed tells them."""
        return [event.gap for event in self.events if event.gap is not None and event.gap.to_ns is not None]

    def states(self) -> set[State]:
        return {status.state for status in self.pool.status()}

    def _ingest(self, frame: memoryview | bytes, _ts_recv_ns: int, _connection: int) -> int:
        decoded = decode_frame(bytes(frame))
        self.damage.update(decoded.damage.as_dict())
        self.ticks.update(decoded.ticks["token"].tolist())
        return len(decoded.ticks)

    async def restored(self) -> None:
        """Wait until the exchange has every instrument once, in the mode that is wanted."""

        async def is_so() -> bool:
            served = await asyncio.to_thread(self.sim.subscriptions)
            told = Counter(token for modes in served.values() for token in modes)
            together = {token: mode for modes in served.values() for token, mode in modes.items()}
            return together == self.modes and set(told.values()) == {1}

        await until(is_so)

    async def fault(self, do: str, **keys: object) -> list[dict]:
        return await asyncio.to_thread(lambda: self.sim.fault(do, **keys))

    async def outages(self) -> list[dict]:
        return (await asyncio.to_thread(self.sim.faults))["outages"]


def query_of(sim: SimProcess) -> str:
    return f"api_key={sim.api_key}&access_token={sim.access_token}"


@asynccontextmanager
async def streaming(
    sim: SimProcess, modes: Mapping[int, str], connections: int = 3, address: TickerAddress | None = None
) -> AsyncIterator[Stream]:
    """A pool that has everything it wants. Its failure is the test's."""
    stream = Stream(sim, modes, connections, address)
    running = asyncio.ensure_future(stream.pool.run())
    try:
        await stream.restored()
        yield stream
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until(condition, timeout_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not await condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)
