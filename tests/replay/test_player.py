"""A recording taken again leaves what the feed had in memory, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.gateway.steps import FeedSteps
from kitecli.hot import COMPILED, RingView
from kitecli.market.gap import Gap
from kitecli.market.tick import TICK_DTYPE
from kitecli.replay.facts import FeedFacts
from kitecli.replay.player import Player
from kitecli.store.layout import GAP, STREAMING, UNRECORDED
from kitecli.store.payloads import Unrecorded, encode_gap, encode_subscribed
from tests.replay.live import ROWS, fuzzed, memory_of
from tests.replay.made import TOKENS, at_ns, made_day, message

SEEDS = range(16) if COMPILED else range(3)


def played(recording, most=1 << 40, tokens=()):
    facts = FeedFacts.of(recording)
    ring, bars = facts.ring(ROWS), facts.bars(ROWS)
    gaps = []
    player = Player(FeedSteps(ring, bars, facts.hours()), tokens, gaps.append)
    for piece in recording.pieces():
        at = 0
        while at < piece.rows.size:
            at = player.take(piece, at, most=most)
    return ring, bars, gaps


def ticks_of(ring):
    view = RingView(ring)
    ticks = np.zeros(view.cursor(), TICK_DTYPE)
    view.copy(0, ticks.size, ticks, None)
    return ticks


@pytest.mark.parametrize("seed", SEEDS)
def test_ring_board_and_bars_are_the_feeds_to_the_byte(tmp_path, seed):
    live = fuzzed(tmp_path, seed)
    with live.end() as recording:
        ring, bars, gaps = played(recording, most=1 + seed * seed)
    assert memory_of(ring) == memory_of(live.ring)
    assert memory_of(bars) == memory_of(live.bars)
    assert gaps == live.gaps


def test_of_some_instruments_come_their_ticks_and_bars_and_their_part_of_an_outage(tmp_path):
    live = made_day(tmp_path)
    wanted = TOKENS["RELIANCE"]
    with live.end() as recording:
        ring, _, gaps = played(recording, tokens={wanted})
    everything, some = ticks_of(live.ring), ticks_of(ring)
    assert (some == everything[everything["token"] == wanted]).all()
    assert some.size == 85
    assert [gap.tokens for gap in gaps] == [(wanted,), (wanted,)]
    assert [gap.sequence for gap in gaps] == [20, 20]


def test_where_nothing_was_recorded_bars_say_so_of_every_instrument(tmp_path):
    live = made_day(tmp_path, 10)
    live._put(encode_gap(Gap(0, (), at_ns(9), at_ns(9.5), "nothing was recording")), GAP)
    live._put(Unrecorded(at_ns(9.5), at_ns(9.6), 3, 100).encoded(), UNRECORDED)
    live.message(message(10), at_ns(10))
    live.message(message(70), at_ns(70))
    with live.end() as recording:
        ring, bars, gaps = played(recording)
    assert [(gap.tokens, gap.sequence) for gap in gaps] == [((), 30), ((), 30)]
    assert "3 messages" in gaps[1].cause
    assert memory_of(bars) != memory_of(live.bars)  # the feed itself missed nothing
    assert memory_of(ring) == memory_of(live.ring)


def test_what_streamed_before_the_recording_brings_no_snapshot(tmp_path):
    live = made_day(tmp_path, 0)
    live._put(encode_subscribed({99 << 8 | 1: "full"}), STREAMING)
    with live.end() as recording:
        ring, _, _ = played(recording)
    assert RingView(ring).board_rows() == 3


def test_it_stops_where_it_is_told_and_before_an_outage(tmp_path):
    live = made_day(tmp_path, 30)
    with live.end() as recording:
        facts = FeedFacts.of(recording)
        player = Player(FeedSteps(facts.ring(ROWS), None, facts.hours()))
        (piece,) = list(recording.pieces())[:1]
        kinds = piece.rows["kind"].tolist()
        assert player.take(piece, 0, most=1) == kinds.index(1) + 1
        assert player.now_ns == at_ns(0)
        assert player.take(piece, 2) == kinds.index(GAP)
        assert player.take(piece, kinds.index(GAP), kinds.index(GAP) + 2) == kinds.index(GAP) + 2
