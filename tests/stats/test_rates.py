"""Two looks side by side."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kitecli.market.tick import TICK_DTYPE
from kitecli.metrics.stages import PUBLISH
from kitecli.stats.looking import FeedLooker
from kitecli.stats.rates import Span, as_plain, buffer, clock
from tests.conformance.vectors import INFY_FULL, INFY_QUOTE, message
from tests.stats.standing import STARTED_NS, S

INFY = 408065


@pytest.fixture
def span(standing):
    """Half a second, in which two messages with three ticks came, and were read."""
    standing.frames.ingest(message(INFY_QUOTE), STARTED_NS, 0)
    reader = standing.read(1)
    standing.figures.slot.stage(PUBLISH).record(np.array([9_000_000], np.int64))
    with FeedLooker(standing.card) as looker:
        before = looker.look(STARTED_NS)
        standing.frames.ingest(message(INFY_QUOTE, INFY_FULL), STARTED_NS + S // 4, 0)
        standing.frames.ingest(message(INFY_QUOTE), STARTED_NS + S // 4, 1)
        standing.figures.slot.stage(PUBLISH).record(np.array([7, 8], np.int64))
        ticks = np.zeros(2, TICK_DTYPE)
        reader.took(ticks, 250_000)
        standing.seats[0].report(3, 0, 0)
        yield Span(before, looker.look(STARTED_NS + S // 2))


def test_rates_are_of_the_time_between(span):
    assert (span.seconds, span.per_s("ticks"), span.per_s("frames")) == (0.5, 6.0, 4.0)
    first, second = span.connections()
    known = ("state", "ticks_per_s", "frames_per_s", "rtt_ns", "last_tick_ns")
    assert [first[name] for name in known] == ["live", 4.0, 2.0, 12_000_000, STARTED_NS]
    assert [second[name] for name in known] == ["down", 2.0, 2.0, None, None]


def test_readers_with_their_stages(span):
    (reader,) = span.readers()
    assert (reader["delivered"], reader["delivered_per_s"], reader["lag"], reader["policy"]) == (3, 4.0, 1, "every")
    assert reader["stages_ns"]["read"]["count"] == 2
    assert reader["stages_ns"]["read"]["max"] == 250_000


def test_stages_are_of_the_time_between_too(span):
    assert span.stages()["publish"].count == 2
    assert span.now.feed.stages["publish"].max_ns >= 9_000_000


def test_instruments_by_how_busy_and_how_late(span):
    (busy,) = span.active(5)
    assert (busy["token"], busy["ticks_per_s"], busy["age_s"]) == (INFY, 6.0, 0.25)
    assert span.slowest(5) == [busy]
    assert span.active(0) == []


def test_a_count_of_ticks_that_has_run_over_is_still_one(standing):
    standing.frames.ingest(message(INFY_QUOTE), 1, 0)
    with FeedLooker(standing.card) as looker:
        before = looker.look(0)
        before.board.ticks[0] = (1 << 31) - 2
        assert Span(before, looker.look(S)).active(1)[0]["ticks_per_s"] == 3.0


def test_all_of_it_is_json(span):
    plain = json.loads(json.dumps(as_plain(span)))
    assert plain["feed"]["name"] == "0123abcd"
    assert plain["per_s"]["ticks"] == 6.0
    assert plain["counters"]["ticks"] == 4
    assert (plain["connections_up"], plain["reconnects"], plain["clients"]) == (1, 1, 2)
    assert plain["gaps"] == {"total": 4, "open": 1}
    assert plain["recording"]["state"] == "off"
    assert plain["buffer"] == {"capacity": 1024, "produced": 4, "lag": 1, "usage": 1 / 1024}
    assert plain["stages_ns"]["publish"]["count"] < plain["stages_since_start_ns"]["publish"]["count"]


def test_a_clock_nobody_keeps_is_unknown(standing):
    with FeedLooker(standing.card) as looker:
        for uncertainty_ns, said in ((-1, None), (5_000, {"offset_ns": -70, "uncertainty_ns": 5_000})):
            standing.figures.slot.set("clock_offset_ns", -70)
            standing.figures.slot.set("clock_uncertainty_ns", uncertainty_ns)
            assert clock(looker.look(0)) == said
        assert buffer(looker.look(0))["usage"] == 0
