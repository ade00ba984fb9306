"""Bar callbacks: what they are called with, when, and what is said of an interval that isn't built."""

from __future__ import annotations

import queue
from types import SimpleNamespace

import numpy as np
import pytest

from kitecli.bars.hours import NO_HOURS
from kitecli.bars.intervals import Interval
from kitecli.bars.layout import BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.errors import UsageError
from kitecli.gateway.feed import Feed
from kitecli.hot import FramePass, RingView
from kitecli.market.tick import DEPTH_DTYPE, FLAG_OHLC, MODE_QUOTE, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.reader import RingReader
from kitecli.service.bars import BarCalls
from kitecli.service.callbacks import Callbacks
from kitecli.service.failures import FailureLog
from kitecli.service.run import LOG

INFY, RELIANCE = 408065, 738561
SECOND = Interval.parse("1s")


class Stage:
    """A feed whose ticks come when told, at the second they are told to."""

    def __init__(self):
        ring = RingMemory.private(RingLayout.of(1024, 64))
        layout = BarsLayout(ring.layout.board_capacity, 64, 1)
        bars = BarsMemory.private(layout, (SECOND,), 0)
        self.writer = FramePass(ring, bars)
        handle = SimpleNamespace(
            events=queue.SimpleQueue(),
            memory=ring,
            replayed=False,
            close=self.writer.close,
            bars=bars,
            timelines=NO_HOURS,
        )
        self.feed = Feed(handle, RingReader(RingView(ring)))
        self.callbacks, self.stopping = Callbacks(), False
        failures = FailureLog(LOG, lambda: 0.0)
        self.calls = BarCalls(self.feed, self.callbacks, failures, lambda: self.stopping)

    def tick(self, second, token=INFY, volume=0):
        rows = np.zeros(1, TICK_DTYPE)
        rows["token"], rows["mode"], rows["flags"] = token, MODE_QUOTE, FLAG_OHLC
        rows["last_price"], rows["volume"] = 155_000 + second, volume
        for frame in encode_frames(rows, np.zeros(1, DEPTH_DTYPE), 1):
            self.writer.ingest(frame, (1_800_000_000 + second) * 10**9)


@pytest.fixture
def stage():
    made = Stage()
    yield made
    made.feed.close()


def test_each_bar_is_told_once_as_it_is_closed(stage):
    heard = []
    stage.callbacks.add("bar", heard.append, SECOND)
    stage.calls.tell()
    for second, token in ((0, INFY), (0, RELIANCE), (1, INFY), (2, INFY), (2, RELIANCE)):
        stage.tick(second, token, volume=10 * second)
        stage.calls.tell()
        stage.calls.tell()
    assert [(bar.instrument_token, bar.close, bar.volume) for bar in heard] == [
        (INFY, 1550.0, 0),
        (INFY, 1550.01, 10),
        (RELIANCE, 1550.0, 0),
    ]


def test_what_was_closed_before_somebody_listened_is_not_told(stage):
    stage.tick(0)
    stage.tick(1)
    heard = []
    stage.callbacks.add("bar", heard.append, SECOND)
    stage.calls.tell()
    stage.tick(2)
    stage.calls.tell()
    assert [bar.open for bar in heard] == [1550.01]


def test_each_hears_of_the_interval_he_asked_for(stage):
    seconds, pairs = [], []
    stage.callbacks.add("bar", seconds.append, SECOND)
    stage.callbacks.add("bar", pairs.append, Interval.parse("2s"))
    stage.calls.tell()
    for second in range(5):
        stage.tick(second)
        stage.calls.tell()
    assert [(bar.end - bar.start).total_seconds() for bar in seconds] == [1] * 4
    assert [(bar.end - bar.start).total_seconds() for bar in pairs] == [2] * 2
    assert [bar.ticks for bar in pairs] == [2, 2]


def test_one_that_raises_is_reported_and_the_next_bar_comes(stage):
    def broken(bar):
        raise ValueError(bar)

    stage.callbacks.add("bar", broken, SECOND)
    stage.calls.tell()
    for second in range(4):
        stage.tick(second)
    stage.calls.tell()
    assert list(stage.callbacks.errors().values()) == [3]


def test_nobody_is_called_once_it_stops(stage):
    heard = []

    def stop(bar):
        heard.append(bar)
        stage.stopping = True

    stage.callbacks.add("bar", stop, SECOND)
    stage.calls.tell()
    for second in range(4):
        stage.tick(second)
    stage.calls.tell()
    assert len(heard) == 1


def test_what_was_overwritten_before_it_could_be_told_is_counted(stage):
    stage.callbacks.add("bar", lambda _: None, SECOND)
    stage.calls.tell()
    for second in range(101):
        stage.tick(second)
    stage.calls.tell()
    assert stage.calls.lost == 100 - 64


def test_an_interval_that_isn_t_built_is_said(stage):
    stage.callbacks.add("bar", print, Interval.parse("200ms"))
    with pytest.raises(UsageError, match="it builds 1s"):
        stage.calls.tell()
