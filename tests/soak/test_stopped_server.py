"""A server that is frozen: the kernel keeps its sockets open and takes new ones, and nothing answers.

The one fault that no operating system reports. Run it with ``make soak ARGS=-s`` to see the times.
"""

import asyncio
import os
import random
import signal
import sys
import time

import pytest

from kitecli.broker.rest import BrokerSession, fetch_instruments
from kitecli.errors import HandshakeRateLimited
from kitecli.feed.address import FixedAddress
from kitecli.feed.liveness import State
from kitecli.feed.pool import FeedPool
from kitecli.feed.subscriptions import Subscriptions
from kitecli.feed.transport import PicowsTransport
from kitecli.market.instruments import parse_instruments
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform == "win32", reason="a process can't be stopped there"),
]

STOPS_S = (6.0, 15.0, 40.0)
STALE_WITHIN_S = 5.0
BACK_WITHIN_S = 10.0


async def until(condition, within_s):
    began_s = time.monotonic()
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)
    return time.monotonic() - began_s


async def survive(sim, tokens):
    events = []
    url = Secret(f"{sim.ws_url}?api_key={sim.api_key}&access_token={sim.access_token}")
    pool = FeedPool(
        address=FixedAddress(url),
        transport=PicowsTransport(),
        subscriptions=Subscriptions(3, 3000, at_least=3),
        ingest=lambda payload, *_: len(payload) > 1,
        draw=random.random,
        notify=events.append,
    )
    pool.subscribe(dict.fromkeys(tokens, "full"))
    running = asyncio.create_task(pool.run())

    def live():
        return [connection.state for connection in pool.connections] == [State.LIVE] * 3

    def stale():
        return {event.connection for event in events if event.state is State.STALE} == {0, 1, 2}

    def answered():
        """Also a refusal is an answer: handshakes we gave up while it was frozen count as sockets for a moment."""
        return any(event.state is State.LIVE or isinstance(event.cause, HandshakeRateLimited) for event in events)

    await until(live, 30)
    for stop_s in STOPS_S:
        events.clear()
        os.kill(sim.pid, signal.SIGSTOP)
        try:
            noticed_s = await until(stale, 30)
            await asyncio.sleep(stop_s - noticed_s)
        finally:
            os.kill(sim.pid, signal.SIGCONT)
        answered_s = await until(answered, 60)
        back_s = await until(live, 60)
        print(f"\nstopped for {stop_s:.0f} s: all three stale after {noticed_s:.2f} s;", end=" ")
        print(f"it answered {answered_s:.2f} s after it ran again, all live {back_s:.2f} s after that")
        assert noticed_s <= STALE_WITHIN_S
        assert back_s <= BACK_WITHIN_S
        gaps = [event.gap for event in events if event.gap]
        assert sorted((gap.connection, gap.to_ns is None) for gap in gaps) == sorted(
            (index, begun) for index in range(3) for begun in (True, False)
        )
        await asyncio.sleep(2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_a_frozen_server_is_noticed_and_left_and_found_again():
    with launch(SimOptions(instruments=300, rate=10, rate_limits=False)) as sim:
        session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
        tokens = [row.instrument_token for row in parse_instruments(fetch_instruments(session))]
        asyncio.run(survive(sim, tokens))
