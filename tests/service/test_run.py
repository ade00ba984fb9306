"""One start-to-stop, with a feed over private memory: what happens in which order and on which thread."""

import queue
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from kitecli.bars.hours import NO_HOURS
from kitecli.errors import FeedError
from kitecli.gateway.feed import Feed
from kitecli.gateway.spec import GatewayEvent
from kitecli.hot import FramePass, RingView
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.metrics.block import Slot
from kitecli.metrics.layout import GATEWAY_COUNTERS
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.reader import RingReader
from kitecli.service.callbacks import Callbacks
from kitecli.service.failures import FailureLog
from kitecli.service.run import LOG, Run
from tests.service.scripted import until


class Stage:
    """A feed that is told what comes, and a run over it; ``log``: what has happened."""

    def __init__(self):
        self.memory = RingMemory.private(RingLayout.of(1024, 64))
        self.writer = FramePass(self.memory)
        closed = self.writer.close
        self.handle = SimpleNamespace(
            events=queue.SimpleQueue(), memory=self.memory, replayed=False, close=closed, pid=None
        )
        self.handle.bars, self.handle.timelines, self.handle.slot = None, NO_HOURS, Slot.private(GATEWAY_COUNTERS)
        self.callbacks, self.log = Callbacks(), []
        self.opening = threading.Event()
        self.opening.set()
        self.refusal = None
        failures = FailureLog(LOG, lambda: 0.0)
        self.run = Run(self.open, self.leave, lambda: self.log.append("ended"), self.callbacks, failures, 1000)

    def open(self, hear):
        self.opening.wait(10)
        if self.refusal:
            raise self.refusal
        self.log.append("opened")
        return Feed(self.handle, RingReader(RingView(self.memory), depth=True, from_oldest=True), hear)

    def leave(self, feed):
        if "left" not in self.log:
            self.log.append("left")
        feed.close()

    def tick(self, *tokens):
        rows = np.zeros(len(tokens), TICK_DTYPE)
        rows["token"], rows["mode"] = tokens, 1
        for frame in encode_frames(rows, np.zeros(len(tokens), DEPTH_DTYPE), 1000):
            self.writer.ingest(frame, 1)


@pytest.fixture
def stage():
    made = Stage()
    yield made
    made.opening.set()
    made.run.stop(5)


def test_it_opens_leaves_and_ends_in_this_order(stage):
    stage.run.start()
    until(lambda: stage.run.feed)
    assert not stage.run.over
    stage.run.stop(5)
    assert stage.run.over
    assert stage.log == ["opened", "left", "ended"]
    assert stage.run.feed is None
    stage.run.stop(5)


def test_callbacks_have_threads_of_their_own(stage):
    threads = {}
    for kind in ("tick", "batch", "order", "gap", "event"):
        stage.callbacks.add(kind, lambda _, kind=kind: threads.setdefault(kind, threading.current_thread().name))
    stage.run.start()
    stage.tick(257)
    stage.handle.events.put(GatewayEvent("message", 0, "order", data={"order_id": "1"}))
    gap = {"connection": 0, "tokens": [257], "from_ns": 5, "to_ns": None, "cause": "cut", "sequence": None}
    stage.handle.events.put(GatewayEvent("gap", 0, data=gap))
    until(lambda: len(threads) == 5)
    assert threads.pop("order") == "kite orders"
    assert set(threads.values()) == {"kite ticks"}


def test_events_need_not_wait_for_the_end_of_a_batch(stage):
    heard = []

    def slow(tick):
        heard.append(tick.instrument_token)
        if len(heard) == 1:
            stage.handle.events.put(GatewayEvent("connection", 0, "reconnecting"))
            until(lambda: stage.run._urgent)

    stage.callbacks.add("tick", slow)
    stage.callbacks.add("event", lambda event: heard.append(event.state))
    stage.tick(257, 513, 769)
    stage.run.start()
    until(lambda: len(heard) == 4)
    assert heard == [257, "reconnecting", 513, 769]


def test_stopping_ends_it_within_a_batch_and_counts_what_was_handed_out(stage):
    heard = []

    def enough(tick):
        heard.append(tick)
        if len(heard) == 2:
            stage.run.stop(5)

    stage.callbacks.add("tick", enough)
    stage.tick(257, 513, 769, 1025)
    stage.run.start()
    assert stage.run.wait(10)
    assert len(heard) == 2
    figures = stage.run.statistics()
    assert (figures["delivered"], figures["waiting"], figures["produced"]) == (2, 2, 4)


def test_what_keeps_it_from_opening_is_raised_logged_and_told(stage, caplog):
    heard = []
    stage.callbacks.add("event", lambda event: heard.append(event.failure()))
    stage.refusal = FeedError("no room", why="w", hint="h")
    stage.run.start()
    with pytest.raises(FeedError, match="no room"):
        stage.run.wait(10)
    assert [str(failure) for failure in heard] == ["no room. w. h"]
    assert "no room" in caplog.text
    assert stage.log == ["ended"]


def test_stopped_while_it_opens_it_leaves_nothing_open(stage, caplog):
    stage.opening.clear()
    stage.run.start()
    stage.run.stop(0.05)
    assert stage.run.over
    assert stage.log == ["ended"]
    assert "the feed is still being opened" in caplog.text
    stage.opening.set()
    until(lambda: "left" in stage.log)


def test_an_exit_in_an_order_callback_ends_it_too(stage):
    def leave(order):
        raise SystemExit(3)

    stage.callbacks.add("order", leave)
    stage.run.start()
    stage.handle.events.put(GatewayEvent("message", 0, "order", data={}))
    with pytest.raises(SystemExit):
        stage.run.wait(10)


def test_the_gateways_own_failure_is_told_once(stage):
    heard = []
    stage.callbacks.add("event", lambda event: heard.append(event.kind))
    stage.run.start()
    stage.handle.events.put(GatewayEvent("failed", error=FeedError("died").as_dict()))
    with pytest.raises(FeedError, match="died"):
        stage.run.wait(10)
    assert heard == ["failed"]
