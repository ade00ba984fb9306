"""The tables of a feed's figures."""

from __future__ import annotations

import pytest

from kitecli.stats.looking import FeedLooker
from kitecli.stats.rates import Span, as_plain
from kitecli.terminal.stats_rows import memory_sections, sections
from tests.conformance.vectors import INFY_FULL, INFY_QUOTE, message
from tests.stats.standing import STARTED_NS, S, StandingFeed

INFY = 408065


@pytest.fixture
def figures(tmp_path):
    """``figures()``: of a feed that took in 2,50,000 ticks of a second."""
    feed = StandingFeed(tmp_path)

    def make(**changes):
        reader = feed.read(0)
        with FeedLooker(feed.card) as looker:
            before = looker.look(STARTED_NS)
            for _ in range(2_500):
                feed.frames.ingest(message(*[INFY_QUOTE] * 100), STARTED_NS, 0)
            feed.frames.ingest(message(INFY_FULL)[:-3], STARTED_NS, 0)
            reader.callback.add(50_000_000)
            feed.seats[0].report(249_990, 0, 10)
            feed.note(**changes)
            return as_plain(Span(before, looker.look(STARTED_NS + S)))

    yield make
    feed.end()


def rows(found, title):
    return next((section.rows for section in found if section.title == title), [])


def test_a_feed_in_a_few_tables(figures):
    found = sections(figures(), {INFY: "NSE:INFY"}.get)
    feed = dict(rows(found, "feed"))
    assert feed["feed"].startswith("0123abcd simulated, process ")
    assert feed["ticks"] == "2,50,000 a second in 2,501 messages"
    assert feed["connections"] == "1 up of 2, 1 reconnects"
    assert feed["outages"] == "4, 1 of them open"
    assert feed["damaged"] == "1 truncated"
    assert "unknown" in feed["clock"]
    assert "recording" not in feed
    live, down = rows(found, "connection")
    assert live[1:2] + live[3:5] + live[6:] == ("live", "3", "2,50,000", "12.0 ms")
    assert (down[1], down[-1]) == ("down", "–")
    assert rows(found, "reader")[0][2:] == ("every", "2,49,980", "0", "10", "10")
    assert rows(found, "active") == [("NSE:INFY", "2,50,000.0", "1.0s")]
    assert rows(found, "slowest") == rows(found, "active")


def test_stages_say_whose_they_are(figures):
    stages = {row[0]: row for row in rows(sections(figures()), "stage")}
    assert set(stages) == {"publish", "callback 00"}
    assert stages["callback 00"][1:] == ("1", *["50.0 ms"] * 5)


def test_a_recording_and_its_disk(figures):
    said = {"state": "alarm", "bytes": 5_000_000, "waiting_bytes": 700, "unrecorded": 3}
    feed = dict(rows(sections(figures(recording=said)), "feed"))
    assert feed["recording"] == "alarm, 5.0 MB, 700 B waiting for the disk"
    assert feed["not recorded"] == "3 messages"


@pytest.mark.parametrize(
    ("offset_ns", "said"), [(2_000_000, "2.0 ms ahead of UTC"), (-70_000, "70 us behind UTC")], ids=["ahead", "behind"]
)
def test_a_clock_that_is_kept(figures, offset_ns, said):
    stats = {**figures(), "clock": {"offset_ns": offset_ns, "uncertainty_ns": 1_000_000}}
    assert dict(rows(sections(stats), "feed"))["clock"] == f"{said}, give or take 1.0 ms"


def test_memory_with_its_sums():
    memory = {
        "shared": {"ring and board": 90_000_000},
        "processes": [{"what": "feed", "pid": 7, "heap_bytes": 20_000_000, "code_bytes": 3_000_000}],
        "unmeasured": [9],
        "total": {"shared_bytes": 90_000_000, "private_bytes": 23_000_000, "bytes": 113_000_000},
    }
    assert rows(memory_sections(memory), "memory") == [
        ("ring and board", "shared", "90.0 MB"),
        ("feed 7: heap", "private", "20.0 MB"),
        ("feed 7: code", "private", "3.0 MB"),
        ("process 9", "private", "not told by this system"),
        ("total", "shared", "90.0 MB"),
        ("total", "private", "23.0 MB"),
    ]
