"""Up to three connections of one account, as many as the instruments need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from kitecli.feed.connection import FeedConnection, FeedEvent, Ingest
from kitecli.feed.policy import Reached, ReconnectPolicy
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import Transport
from kitecli.secret import Secret


class FeedPool:
    """Opens connections when instruments need them and keeps each one's subscriptions as wanted.

    Belongs to one event loop; every method is called there.
    """

    def __init__(
        self,
        *,
        url: Secret,
        transport: Transport,
        subscriptions: Subscriptions,
        ingest: Ingest,
        draw: Callable[[], float],
        notify: Callable[[FeedEvent], None],
    ) -> None:
        self._url = url
        self._transport = transport
        self._subscriptions = subscriptions
        self._ingest = ingest
        self._draw = draw
        self._reached = Reached()
        self._notify = notify
        self._tasks: dict[asyncio.Task[None], FeedConnection] = {}
        self._failed: asyncio.Future[None] | None = None

    @property
    def connections(self) -> list[FeedConnection]:
        return list(self._tasks.values())

    def subscribe(self, modes: Mapping[int, str]) -> None:
        """Want these instruments in these modes, or in another mode than before; raises as Subscriptions.want."""
        self._subscriptions.want(modes)
        self._apply()

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        self._subscriptions.drop(tokens)
        self._apply()

    async def run(self) -> None:
        """Stream until cancelled; raises the first failure that trying again can't mend."""
        self._failed = asyncio.get_running_loop().create_future()
        self._apply()
        try:
            await self._failed
        finally:
            await self._close()

    def _apply(self) -> None:
        if self._failed is None:
            return
        for index in range(len(self._tasks), self._subscriptions.in_use()):
            self._open(index)
        for connection in self._tasks.values():
            connection.flush()

    def _open(self, index: int) -> None:
        connection = FeedConnection(
            index,
            url=self._url,
            transport=self._transport,
            subscriptions=self._subscriptions,
            ingest=self._ingest,
            policy=ReconnectPolicy(self._draw, self._reached),
            notify=self._notify,
        )
        task = asyncio.create_task(connection.run(), name=f"feed connection {index}")
        self._tasks[task] = connection
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed is None or self._failed.done():
            return
        failure = task.exception()
        if failure is not None:
            self._failed.set_exception(failure)

    async def _close(self) -> None:
        self._failed = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
