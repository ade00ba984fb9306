"""A recording taken again leaves what the feed had in memory, byte for byte."""

import pytest

from kitecli.gateway.steps import FeedSteps
from kitecli.replay.facts import FeedFacts
from kitecli.replay.player import Player
from tests.replay.live import ROWS, fuzzed, memory_of


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


@pytest.mark.parametrize("seed", range(12))
def test_ring_board_and_bars_are_the_feeds_to_the_byte(tmp_path, seed):
    live = fuzzed(tmp_path, seed)
    with live.end() as recording:
        ring, bars, gaps = played(recording, most=1 + seed * seed)
    assert memory_of(ring) == memory_of(live.ring)
    assert memory_of(bars) == memory_of(live.bars)
    assert gaps == live.gaps
