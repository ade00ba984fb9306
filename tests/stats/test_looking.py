"""Looks at a feed's memory from outside."""

from __future__ import annotations

import pytest

from kitecli.errors import DataError, GatewayGone
from kitecli.metrics.layout import reader_path
from kitecli.stats.looking import FeedLooker
from tests.conformance.vectors import INFY_FULL, INFY_QUOTE, message
from tests.stats.counting import counted_alike

INFY = 408065


def test_a_look_has_everything(standing):
    standing.frames.ingest(message(INFY_QUOTE, INFY_QUOTE, INFY_FULL), 70, 0)
    reader = standing.read(2, lost=1)
    with FeedLooker(standing.card) as looker:
        look = looker.look(99)
    assert (look.at_ns, look.capacity, look.produced, look.counters["ticks"]) == (99, 1024, 3, 3)
    assert (look.board.tokens.tolist(), look.board.ticks.tolist(), look.board.last_ns.tolist()) == ([INFY], [3], [70])
    assert look.feed.counters["connection.0.ticks"] == 3
    (seated,) = look.readers
    assert (seated.seat, seated.lag, seated.seated.delivered, seated.seated.lost) == (0, 1, 1, 1)
    assert seated.figures.created_ns == reader.slot.figures().created_ns


def test_a_look_disturbs_nothing(standing):
    standing.read(0)
    before = {path.name: path.read_bytes() for path in standing.place.folder.iterdir() if path.is_file()}
    with FeedLooker(standing.card) as looker:
        looker.look(99)
    assert {path.name: path.read_bytes() for path in standing.place.folder.iterdir() if path.is_file()} == before


def test_what_a_dead_reader_left_isn_t_taken_for_its_successor_s(standing):
    standing.read(0)
    path = reader_path(standing.memory.path, 0)
    with FeedLooker(standing.card) as looker:
        standing.seats[0]._row["pid"] = 1  # another process, which keeps no figures
        assert looker.look(99).readers[0].figures is None
        path.unlink()
        assert looker.look(99).readers[0].figures is None


def test_the_feed_s_end_is_told(standing):
    with FeedLooker(standing.card) as looker:
        assert looker.alive
        standing.end()
        with pytest.raises(GatewayGone, match="0123abcd has ended"):
            looker.look(99)
    with pytest.raises(GatewayGone):
        FeedLooker(standing.card)


def test_a_feed_of_another_make_is_told(standing):
    standing.figures.slot.path.unlink()
    with pytest.raises(DataError, match="No figures"):
        FeedLooker(standing.card)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_feed_counts_what_the_exchange_sent(seed, tmp_path, monkeypatch):
    """A hundred such runs are in tests/soak/test_stats_counts.py."""
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    sent, seen, ticks = counted_alike(seed)
    assert seen == sent
    assert ticks > 0
