"""What a reader gets of a ring that others share."""

import numpy as np
import pytest

from kitecli.gateway.sieve import Sieve
from kitecli.hot import FramePass, RingView
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.policy import Policy
from kitecli.ring.reader import RingReader


class Ring:
    def __init__(self, board=64, policy=Policy.EVERY):
        memory = RingMemory.private(RingLayout.of(256, board))
        self.writer, self.view = FramePass(memory), RingView(memory)
        self.reader = RingReader(self.view, depth=True, policy=policy)

    def take(self, *tokens):
        rows = np.zeros(len(tokens), TICK_DTYPE)
        rows["token"], rows["mode"], rows["last_price"] = tokens, 1, range(len(tokens))
        for frame in encode_frames(rows, np.zeros(len(tokens), DEPTH_DTYPE), 100):
            self.writer.ingest(frame, 1)


@pytest.fixture
def ring():
    return Ring()


def tokens(batch):
    return batch.ticks["token"].tolist()


def test_what_is_all_wanted_passes_untouched(ring):
    sieve = Sieve(ring.view, {257: "ltp", 513: "ltp"})
    ring.take(257, 513, 257)
    batch = ring.reader.poll()
    assert sieve.keep(batch) is batch
    assert Sieve(ring.view, None).keep(batch) is batch


def test_others_instruments_are_passed_over_and_counted(ring):
    sieve = Sieve(ring.view, {513: "ltp"})
    ring.take(257, 513, 257, 513)
    kept = sieve.keep(ring.reader.poll())
    assert tokens(kept) == [513, 513]
    assert kept.ticks["last_price"].tolist() == [1, 3]
    assert kept.sequences.tolist() == [1, 3]
    assert len(kept.depth) == 2
    assert sieve.passed_over == 2


def test_wants_change(ring):
    sieve = Sieve(ring.view, {})
    ring.take(257)
    assert tokens(sieve.keep(ring.reader.poll())) == []
    assert sieve.want({257: "ltp", 513: "ltp"}) == [257, 513]
    assert sieve.want({257: "full"}) == []
    ring.take(257, 513, 769)
    assert tokens(sieve.keep(ring.reader.poll())) == [257, 513]
    sieve.drop([257, 4])
    ring.take(257, 513)
    assert tokens(sieve.keep(ring.reader.poll())) == [513]
    assert sieve.mask(np.array([257, 513], np.uint32)).tolist() == [False, True]


def test_instruments_that_found_no_row_on_the_board_are_looked_at_too():
    ring = Ring(board=64)
    mine = list(range(257, 257 + 64 * 256, 256))
    sieve = Sieve(ring.view, dict.fromkeys(mine, "ltp"))
    ring.take(*mine)
    ring.take(5, mine[0])
    assert tokens(sieve.keep(ring.reader.poll())) == [*mine, mine[0]]


def test_conflated_batches_keep_their_sequences():
    ring = Ring(policy=Policy.LATEST)
    sieve = Sieve(ring.view, {513: "ltp"})
    ring.take(513, 257, 513, 257)
    kept = sieve.keep(ring.reader.poll())
    assert (tokens(kept), kept.sequences.tolist(), kept.conflated) == ([513], [2], 2)
