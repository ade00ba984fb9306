"""Which instruments records are about. Both implementations."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.hot import FramePass, RingView
from kitecli.market.tick import TICK_DTYPE
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.store import log
from kitecli.store.framing import Framer
from kitecli.store.holding import tokens_in_python
from kitecli.store.layout import FRAME, GAP, SUBSCRIBED
from kitecli.store.payloads import encode_subscribed
from tests.conformance.vectors import INFY_LTP, message
from tests.fuzz.frames import steps
from tests.store.implementations import SEED, START, beginning

BOTH = [pytest.param(tokens_in_python, id="reference")]
if log.COMPILED:
    BOTH.append(pytest.param(log.tokens_of, id="compiled"))

each = pytest.mark.parametrize("tokens_of", BOTH)


def scanned(records):
    framer = Framer(SEED, START)
    data = b"".join(framer.record(kind, 0, 1, payload) for kind, payload in records)
    return data, log.scan(data, beginning(), SEED).rows


@each
def test_packets_and_subscriptions_name_instruments_and_nothing_else_does(tokens_of):
    token = int.from_bytes(INFY_LTP[:4], "big")
    asked = encode_subscribed({7: "full", 9: None})
    data, rows = scanned(
        [(FRAME, b"h"), (SUBSCRIBED, asked), (GAP, message(INFY_LTP)), (FRAME, message(INFY_LTP, INFY_LTP))]
    )
    tokens, owners = tokens_of(data, rows)
    assert tokens.tolist() == [7, 9, token, token]
    assert owners.tolist() == [1, 1, 3, 3]


@each
def test_what_doesnt_fit_its_message_names_nobody(tokens_of):
    whole = message(INFY_LTP, INFY_LTP)
    payloads = [b"", b"\0", b"\0\1", whole[:-1], whole[:11], b"\0\1\0\3abc", b"\0\2\xff\xff" + bytes(100)]
    data, rows = scanned([(FRAME, payload) for payload in payloads] + [(SUBSCRIBED, bytes(7))])
    assert tokens_of(data, rows)[1].tolist() == [3]


@each
@pytest.mark.parametrize("seed", range(8))
def test_every_tick_the_decoder_finds_is_named(tokens_of, seed):
    messages = [one for one in steps(seed, 300) if isinstance(one, bytes)]
    layout = RingLayout.of(1 << 16)
    memory = RingMemory.private(RingLayout(layout.capacity, layout.capacity, layout.board_capacity))
    ring, view = FramePass(memory), RingView(memory)
    data, rows = scanned([(FRAME, one) for one in messages])
    tokens, owners = tokens_of(data, rows)
    reference = tokens_in_python(data, rows)
    assert (tokens.tolist(), owners.tolist()) == (reference[0].tolist(), reference[1].tolist())
    read = 0
    for number, one in enumerate(messages):
        count = ring.ingest(one, 1, 0)
        ticks = np.empty(count, TICK_DTYPE)
        view.copy(read, count, ticks, None)
        read += count
        owner = np.flatnonzero(rows["kind"] == FRAME)[number]
        assert set(ticks["token"].tolist()) <= set(tokens[owners == owner].tolist())
