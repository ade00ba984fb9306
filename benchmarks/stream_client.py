"""One contender's end of a stream, in a process of its own: ``stream_client.py KIND PORT drain|latency RING_TICKS``.

=========  ======================================================================================================
pass       our FeedConnection and picows into the compiled pass and a ring file
callback   the same, and an ``on_tick`` called from the socket's callback: nothing between but the ring
ring       the product's path: a gateway process, its ring, and an ``on_tick`` here, woken through a seat
ring-spin  the same, looking at the ring without sleep
official   kiteconnect's KiteTicker with an ``on_ticks`` that does nothing (drain) or notes the time (latency)
=========  ======================================================================================================

Prints a line of JSON for each round, as ``wire read`` does. A round is told by texts that reach the client beside the
ticks (wire.c); the ring's readers, whom they don't reach, are told on standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from time import time_ns
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # each kind of client imports what it needs, and pays for nothing else
    from kitecli.market.view import Tick
    from kitecli.ring.reader import Batch, RingReader

ROUND_TIMEOUT_S: Final = 30.0


class Tally:
    """Counts a round and prints it."""

    def __init__(self) -> None:
        self.latencies_ns: list[int] = []
        self._cpu_ns = self._wall_ns = self._frames = self._ticks = 0

    def begin(self, frames: int, ticks: int) -> None:
        """``frames`` and ``ticks`` are the counts so far."""
        self._frames, self._ticks = frames, ticks
        self.latencies_ns.clear()
        self._wall_ns, self._cpu_ns = time.perf_counter_ns(), time.process_time_ns()

    def end(self, frames: int, ticks: int, **extra: object) -> None:
        seen = {
            "cpu_ns": time.process_time_ns() - self._cpu_ns,
            "wall_ns": time.perf_counter_ns() - self._wall_ns,
            "frames": frames - self._frames,
            "ticks": ticks - self._ticks,
            "latencies_ns": self.latencies_ns,
            **extra,
        }
        print(json.dumps(seen), flush=True)


class Strategy:
    """A reader that takes the time on the first line of ``on_tick`` and does nothing else with a tick."""

    def __init__(self) -> None:
        self._called_ns: list[int] = []

    def on_tick(self, _tick: Tick) -> None:
        self._called_ns.append(time_ns())

    def take(self, batch: Batch) -> NDArray[np.int64]:
        """Call ``on_tick`` for every tick of ``batch``; returns how long ago each was sent when its call began."""
        from kitecli.market.view import ticks_of

        self._called_ns.clear()
        for tick in ticks_of(batch.ticks, batch.depth, batch.first_sequence):
            self.on_tick(tick)
        return np.array(self._called_ns, np.int64) - stamps_ns(batch.ticks)


def stamps_ns(ticks: NDArray[np.void]) -> NDArray[np.int64]:
    """When they were sent (wire.c)."""
    stamps: NDArray[np.int64] = ticks["volume"].astype(np.int64) << 32 | ticks["buy_quantity"].astype(np.int64)
    return stamps


async def run_feed(port: str, ring_ticks: int, *, callback: bool) -> None:
    """Kinds ``pass`` and ``callback``."""
    from kitecli.feed.address import FixedAddress
    from kitecli.feed.connection import FeedConnection
    from kitecli.feed.events import FeedEvent
    from kitecli.feed.policy import Account, ReconnectPolicy
    from kitecli.feed.subscriptions import Subscriptions
    from kitecli.feed.transport import PicowsTransport
    from kitecli.hot import FramePass, RingView
    from kitecli.ring.layout import COUNTERS
    from kitecli.ring.reader import RingReader
    from kitecli.secret import Secret
    from rings import ring

    with ring(ring_ticks) as memory:
        ingest, view = FramePass(memory).ingest, RingView(memory)
        reader, tally = RingReader(view, depth=True), Tally()
        strategy, over = Strategy(), asyncio.Event()

        def taken(payload: memoryview | bytes, ts_recv_ns: int, connection: int) -> int:
            count = ingest(payload, ts_recv_ns, connection)
            batch = reader.poll()
            if batch is not None:
                tally.latencies_ns += strategy.take(batch).tolist()
            return count

        def notify(event: FeedEvent) -> None:
            if event.cause is not None:
                over.set()
            elif event.message is not None:
                counted = dict(zip(COUNTERS, view.counters().tolist(), strict=True))
                begins = event.message.data["frames"]
                (tally.begin if begins else tally.end)(counted["frames"], counted["ticks"])

        connection = FeedConnection(
            0,
            address=FixedAddress(Secret(f"ws://127.0.0.1:{port}/")),
            transport=PicowsTransport(),
            subscriptions=Subscriptions(1, 3000),
            ingest=taken if callback else ingest,
            policy=ReconnectPolicy(Account(lambda: 1.0)),
            notify=notify,
        )
        feed = asyncio.create_task(connection.run())
        await over.wait()
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


def run_ring(port: str, ring_ticks: int, *, spin: bool) -> None:
    """Kinds ``ring`` and ``ring-spin``: as ``kite feed`` starts its gateway and attaches to it."""
    from kitecli.gateway.handle import attach, open_gateway
    from kitecli.gateway.spec import GatewaySpec
    from kitecli.ring.location import runtime_dir
    from kitecli.secret import Secret

    spec = GatewaySpec(
        ws_root=f"ws://127.0.0.1:{port}/",
        api_key="benchmark",
        access_token=Secret("benchmark"),
        modes={},
        ring_size=ring_ticks,
        folder=str(runtime_dir()),
    )
    gateway = open_gateway(spec)
    assert gateway.pid is not None  # it has a folder
    reader = attach(gateway.memory, batch=10_000, depth=True, spin=spin)
    try:
        for line in sys.stdin:
            _, frames, ticks = line.split()
            _ring_round(int(frames), int(ticks), reader, process_clock(gateway.pid))
    finally:
        gateway.close()
        reader.close()


def _ring_round(frames: int, ticks: int, reader: RingReader, gateway_cpu_ns: Callable[[], int]) -> None:
    """Read until ``ticks`` have come. ``feed_ns``: from the stamp to the feed's; ``hop_ns``: from there to a batch."""
    tally, strategy = Tally(), Strategy()
    feed_ns: list[int] = []
    hop_ns: list[int] = []
    print("ready", flush=True)
    tally.begin(0, 0)
    before_ns, deadline_s, start = gateway_cpu_ns(), time.monotonic() + ROUND_TIMEOUT_S, reader.delivered
    while reader.delivered - start < ticks and time.monotonic() < deadline_s:
        batch = reader.read(0.05)
        if batch is None:
            continue
        held_ns = time_ns()
        tally.latencies_ns += strategy.take(batch).tolist()
        received_ns = batch.ticks["ts_recv_ns"]
        feed_ns += (received_ns - stamps_ns(batch.ticks)).tolist()
        hop_ns += (held_ns - received_ns).tolist()
    cpu_ns, seen = gateway_cpu_ns() - before_ns, reader.delivered - start
    tally.end(frames * seen // ticks, seen, feed_ns=feed_ns, hop_ns=hop_ns, gateway_cpu_ns=cpu_ns)


def process_clock(pid: int | None) -> Callable[[], int]:
    """Another process's CPU time. Linux makes its clock of the id: inverted, three bits up, 2 (CPUCLOCK_SCHED)."""
    assert pid is not None
    clock = ~pid << 3 | 2
    return lambda: time.clock_gettime_ns(clock)


def run_official(port: str, *, latency: bool) -> None:
    """Kind ``official``."""
    from kiteconnect import KiteTicker

    tally, seen = Tally(), [0, 0]
    ticker = KiteTicker("key", "token", root=f"ws://127.0.0.1:{port}", reconnect=False)

    def noting(_ws: KiteTicker, ticks: list[dict[str, int]]) -> None:
        now_ns = time_ns()
        seen[0] += 1
        seen[1] += len(ticks)
        last = ticks[-1]
        if latency:
            tally.latencies_ns.append(now_ns - (last["volume_traded"] << 32 | last["total_buy_quantity"]))

    def mark(_ws: KiteTicker, data: dict[str, int]) -> None:
        (tally.begin if data["frames"] else tally.end)(*seen)

    ticker.on_ticks, ticker.on_order_update = noting, mark
    ticker.on_close = lambda ws, _code, _reason: ws.stop()
    ticker.connect()


def main(kind: str, port: str, measure: str, ring_ticks: str) -> None:
    if kind == "official":
        run_official(port, latency=measure == "latency")
    elif kind in ("ring", "ring-spin"):
        run_ring(port, int(ring_ticks), spin=kind == "ring-spin")
    else:
        asyncio.run(run_feed(port, int(ring_ticks), callback=kind == "callback"))


if __name__ == "__main__":
    main(*sys.argv[1:])
