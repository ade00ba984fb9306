"""Our client of a load: the product's own way, from joining the feed to a batch in a reader's hands."""

from __future__ import annotations

import time
from dataclasses import asdict

from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.spec import GatewaySpec
from kitecli.loadtest.client import Job
from kitecli.loadtest.tally import ClientTally, stamps_ns


class Reader:
    """Joins the feed of the job, or starts it where it is the first; see :class:`~kitecli.loadtest.client.Client`.

    Raises what keeps a feed from starting.
    """

    def __init__(self, job: Job) -> None:
        self._modes = dict.fromkeys(job.tokens, job.mode)
        self.tally = ClientTally(job.tokens)
        handle = open_gateway(GatewaySpec.from_line(job.spec), client=job.name)
        try:
            reader = attach(handle.memory, batch=job.batch, depth=job.mode == "full", from_oldest=True)
        except BaseException:
            handle.close()
            raise
        self._feed = Feed(handle, reader)
        self._batches = self._feed.batches()
        self.feed_pid = handle.pid

    def go(self) -> None:
        self._feed.subscribe(self._modes)

    def quiet(self) -> None:
        self._feed.unsubscribe(self._modes)

    def read(self, timeout_s: float) -> None:  # noqa: ARG002 - the feed has its own, as short
        batch = next(self._batches)
        now_ns = time.time_ns()  # the first line of a handler
        if batch is None:
            return
        ticks = batch.ticks
        self.tally.time(now_ns - stamps_ns(ticks), len(ticks), time.monotonic())
        self.tally.count(ticks["token"])

    def figures(self) -> dict[str, object]:
        feed = self._feed
        return {"feed": asdict(feed.figures()), "recording": feed.status().get("recording"), "gaps": feed.gaps_total}

    def close(self) -> None:
        self._feed.close()
