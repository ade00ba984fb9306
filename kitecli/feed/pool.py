"""Up to three connections of one account, as many as the instruments need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from time import time_ns
from typing import Final

from kitecli.errors import KiteError
from kitecli.feed.address import TickerAddress
from kitecli.feed.connection import Expect, FeedConnection, Ingest
from kitecli.feed.events import ConnectionStatus, FeedEvent
from kitecli.feed.liveness import LOOK_S, FeedLimits
from kitecli.feed.policy import GIVE_UP, Account, ReconnectPolicy
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import Transport

FLUSH_S: Final = 0.005
"""How long a change of subscriptions waits for others to come along: a burst of requests is one message."""


class FeedPool:
    """Opens connections when instruments need them and keeps each one's subscriptions as wanted.

    ``ingest`` takes in every binary message, ``expect`` hears what is about to be asked for, ``notify`` gets the
    events; all are called on the loop. ``draw`` returns a number from 0 to 1. ``give_up``: failures after which a feed
    that never got through ends; None: never.
    Belongs to one event loop; every method is called there.
    """

    def __init__(
        self,
        *,
        address: TickerAddress,
        transport: Transport,
        subscriptions: Subscriptions,
        ingest: Ingest,
        draw: Callable[[], float],
        notify: Callable[[FeedEvent], None],
        expect: Expect = lambda *_: None,
        limits: FeedLimits | None = None,
        give_up: int | None = GIVE_UP,
        now_ns: Callable[[], int] = time_ns,
    ) -> None:
        self._address = address
        self._transport = transport
        self._subscriptions = subscriptions
        self._ingest = ingest
        self._expect = expect
        self._notify = notify
        self._limits = limits or FeedLimits()
        self._now_ns = now_ns
        self._account = Account(draw, give_up)
        self._tasks: dict[asyncio.Task[None], FeedConnection] = {}
        self._failed: asyncio.Future[None] | None = None
        self._flushing: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> list[FeedConnection]:
        return list(self._tasks.values())

    def status(self) -> list[ConnectionStatus]:
        """Where each connection stands."""
        return [connection.status() for connection in self._tasks.values()]

    def told(self) -> list[dict[int, str]]:
        """What each connection's open socket has been asked for, token → mode."""
        return [{} if one.down else self._subscriptions.told(one.index) for one in self._tasks.values()]

    def subscribe(self, modes: Mapping[int, str]) -> None:
        """Want these instruments in these modes, or in another mode than before; raises as Subscriptions.want."""
        self._subscriptions.want(modes)
        self._apply_soon()

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        self._subscriptions.drop(tokens)
        self._apply_soon()

    async def run(self) -> None:
        """Stream until cancelled; raises the failure that ended the last connection, or the first while none ever
        got through."""
        self._failed = asyncio.get_running_loop().create_future()
        watch = asyncio.create_task(self._watch(), name="feed watch")
        watch.add_done_callback(self._ended)
        self._apply()
        try:
            await self._failed
        finally:
            watch.cancel()
            await self._close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for connection in self._tasks.values():
                connection.look()

    def _apply_soon(self) -> None:
        if self._failed is not None and self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_S, self._apply)

    def _apply(self) -> None:
        self._flushing = None
        for index in range(len(self._tasks), self._subscriptions.in_use()):
            self._open(index)
        for connection in self._tasks.values():
            connection.flush()

    def _open(self, index: int) -> None:
        connection = FeedConnection(
            index,
            address=self._address,
            transport=self._transport,
            subscriptions=self._subscriptions,
            ingest=self._ingest,
            expect=self._expect,
            policy=ReconnectPolicy(self._account),
            notify=self._notify,
            limits=self._limits,
            now_ns=self._now_ns,
        )
        task = asyncio.create_task(connection.run(), name=f"feed connection {index}")
        self._tasks[task] = connection
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """One connection's end is the pool's where nothing else streams or can: the others' ticks are worth having."""
        if task.cancelled() or self._failed is None or self._failed.done():
            return
        failure = task.exception()
        if failure is None:
            return
        alone = not self._account.reached or all(other.done() for other in self._tasks)
        if alone or not isinstance(failure, KiteError):  # what is no KiteError is a defect
            self._failed.set_exception(failure)

    async def _close(self) -> None:
        self._failed = None
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
