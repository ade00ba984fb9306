"""A ring with a few ticks in it, read as a feed would read it: no process, no socket."""

from __future__ import annotations

import queue
from types import SimpleNamespace

import numpy as np
import pytest

from kitecli.bars.hours import NO_HOURS
from kitecli.gateway.feed import Feed
from kitecli.hot import FramePass, RingView
from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, MODE_LTP, MODE_QUOTE, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.reader import RingReader

INFY, RELIANCE, NIFTY, USDINR = 408065, 738561, 256265, 1000 * 256 + 3
LABELS = {INFY: "NSE:INFY", RELIANCE: "NSE:RELIANCE", NIFTY: "NSE:NIFTY 50", USDINR: "CDS:USDINR"}
RECEIVED_NS = 1_795_344_596_000_000_000


def tick(token, mode, last_price, **fields):
    row = np.zeros(1, TICK_DTYPE)
    row["token"], row["mode"], row["last_price"] = token, mode, last_price
    for name, value in fields.items():
        row[name] = value
    return row


@pytest.fixture
def frames():
    """One message: full, quote, index and ltp packets."""
    ticks = np.concatenate(
        [
            tick(INFY, MODE_FULL, 157370, close=156780, volume=1_192_471, ts_event_s=1_795_344_595, open=156915),
            tick(RELIANCE, MODE_QUOTE, 154210, close=155000, volume=12_345_678, buy_quantity=500, sell_quantity=9),
            tick(NIFTY, MODE_QUOTE, 2628695, close=2606800, open=2610000, high=2630000, low=2600000),
            tick(USDINR, MODE_LTP, 831275000),
        ]
    )
    depth = np.zeros(4, DEPTH_DTYPE)
    depth["buy"]["price"][0], depth["buy"]["quantity"][0] = 157365, 5
    depth["sell"]["price"][0], depth["sell"]["quantity"][0] = 157370, 172
    return encode_frames(ticks, depth, 10)


@pytest.fixture
def feed(frames):
    """A feed over private memory that has taken ``frames`` in; ``feed.take(frame)`` takes more."""
    memory = RingMemory.private(RingLayout.of(1024, 64))
    writer = FramePass(memory)
    handle = SimpleNamespace(
        events=queue.SimpleQueue(), replayed=False, memory=memory, pid=None, ask=None, close=writer.close
    )
    handle.bars, handle.timelines = None, NO_HOURS
    made = Feed(handle, RingReader(RingView(memory), depth=True, from_oldest=True), lambda _: None)
    made.take = lambda frame: writer.ingest(frame, RECEIVED_NS)
    made.expect = writer.expect_snapshots
    for frame in frames:
        made.take(frame)
    yield made
    made.close()
