"""Which tick comes next, by policy, with a callback that takes its time: virtual time, a real ring, no socket."""

import queue
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from kitecli.bars.hours import NO_HOURS
from kitecli.errors import UsageError
from kitecli.gateway.feed import Feed
from kitecli.hot import FramePass, RingView
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.policy import Policy
from kitecli.ring.reader import RingReader
from kitecli.service.supply import RENEW_S, Supply, policy_named


class Market:
    """A ring that ``tick(token, …)`` writes to, prices counting up, and the time."""

    def __init__(self, policy, *, wanted=None, max_lag=100, batch=1000, each=True):
        memory = RingMemory.private(RingLayout.of(4096, 64))
        self.writer, self.now_s, self.price = FramePass(memory), 0.0, 0
        handle = SimpleNamespace(
            events=queue.SimpleQueue(), memory=memory, replayed=False, close=self.writer.close, subscribe=None
        )
        handle.bars, handle.timelines = None, NO_HOURS
        reader = RingReader(RingView(memory), depth=True, batch=batch, policy=policy, max_lag=max_lag)
        self.feed = Feed(handle, reader, wanted=wanted)
        self.batches = []
        self.supply = Supply(
            self.feed, max_lag, lambda batch: self.batches.append(len(batch)) or each, lambda: self.now_s
        )

    def tick(self, *tokens):
        rows = np.zeros(len(tokens), TICK_DTYPE)
        self.price += 1
        rows["token"], rows["mode"], rows["last_price"] = tokens, 1, self.price * 100
        for frame in encode_frames(rows, np.zeros(len(tokens), DEPTH_DTYPE), 1000):
            self.writer.ingest(frame, 1)

    def adds_up(self):
        """What has become of all that was produced, but for what waits."""
        reader, supply = self.feed.reader, self.supply
        gone = reader.conflated + supply.conflated + reader.lost + supply.lost + self.feed.passed_over
        return supply.handed + gone == reader.position - reader.start


@pytest.fixture
def market():
    made = []

    def build(*arguments, **more):
        made.append(Market(*arguments, **more))
        return made[-1]

    yield build
    for one in made:
        one.feed.close()


def handed(market, meanwhile=lambda market, tick: None):
    """All that is handed out until nothing comes: (token, price); ``meanwhile`` is what happens during each call."""
    seen = []
    for tick in market.supply:
        if tick is None:
            return seen
        seen.append((tick.instrument_token, tick.last_price))
        meanwhile(market, tick)
    return seen


def test_every_tick_in_its_order(market):
    shop = market(Policy.EVERY)
    for _ in range(3):
        shop.tick(257, 513)

    def one_more(shop, tick):
        shop.now_s += 1
        if shop.price < 10:
            shop.tick(769)

    seen = handed(shop, one_more)
    assert seen == [
        (257, 1),
        (513, 1),
        (257, 2),
        (513, 2),
        (257, 3),
        (513, 3),
        *((769, price) for price in range(4, 11)),
    ]
    assert shop.adds_up()


def test_the_newest_of_each_even_of_what_came_during_the_call(market):
    shop = market(Policy.LATEST)
    shop.tick(257, 513, 769)

    def everything_moves(shop, tick):
        shop.now_s += 2 * RENEW_S
        if shop.price < 4:
            shop.tick(257, 513, 769)

    seen = handed(shop, everything_moves)
    assert seen[:4] == [(257, 1), (513, 2), (769, 3), (257, 4)], "none waits twice, each is the newest there was"
    assert dict(seen) == {257: 4, 513: 4, 769: 4}
    assert shop.supply.conflated > 0
    assert shop.adds_up()


def test_a_quick_callback_is_not_made_slow_by_looking_again(market):
    shop = market(Policy.LATEST)
    shop.tick(*range(257, 257 + 256 * 60, 256))
    handed(shop, lambda shop, tick: setattr(shop, "now_s", shop.now_s + RENEW_S / 100))
    assert len(shop.batches) == 1


def test_every_instrument_gets_its_turn(market):
    shop, calls = market(Policy.LATEST), Counter()
    tokens = list(range(257, 257 + 256 * 20, 256))
    shop.tick(*tokens)

    def busy(shop, tick):
        calls[tick.instrument_token] += 1
        shop.now_s += 1
        if calls.total() < 200:
            shop.tick(*tokens)

    handed(shop, busy)
    assert set(calls) == set(tokens)
    assert max(calls.values()) - min(calls.values()) <= 1


def test_the_oldest_are_dropped_while_the_callback_lags(market):
    shop = market(Policy.DROP_OLDEST, max_lag=10)
    for _ in range(8):
        shop.tick(257)
    seen = []

    def slow(shop, tick):
        seen.append((tick.sequence, shop.feed.reader.view.cursor()))
        shop.now_s += 1
        if shop.price < 60:
            for _ in range(6):
                shop.tick(257)

    handed(shop, slow)
    assert all(cursor - sequence <= 10 + 6 for sequence, cursor in seen)
    assert [sequence for sequence, _ in seen] == sorted({sequence for sequence, _ in seen})
    assert shop.supply.lost + shop.feed.reader.lost > 20
    assert shop.adds_up()


def test_others_instruments_count_as_passed_over(market):
    shop = market(Policy.EVERY, wanted={257: "ltp"})
    shop.tick(257, 513, 769)
    assert handed(shop) == [(257, 1)]
    assert shop.feed.passed_over == 2
    assert shop.adds_up()


def test_where_nobody_wants_them_one_by_one_batches_count(market):
    shop = market(Policy.EVERY, each=False)
    shop.tick(257, 513)
    assert next(iter(shop.supply)) is None
    assert shop.batches == [2]
    assert shop.supply.handed == 2


def test_policies_have_names():
    assert policy_named("latest") is Policy.LATEST
    assert policy_named(Policy.EVERY) is Policy.EVERY
    with pytest.raises(UsageError, match="newest") as refusal:
        policy_named("newest")
    assert "drop-oldest" in refusal.value.why
