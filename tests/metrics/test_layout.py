"""Where slots stand, and what is counted in them."""

from pathlib import Path

from kitecli.metrics.layout import (
    GATEWAY_COUNTERS,
    LINE_COUNTERS,
    READER_COUNTERS,
    line_counter,
    reader_path,
    slot_path,
)


def test_slots_stand_beside_the_ring():
    ring = Path("/run/kite/feed-0123abcd.ring")
    assert slot_path(ring) == Path("/run/kite/feed-0123abcd.metrics")
    assert reader_path(ring, 7) == Path("/run/kite/feed-0123abcd.metrics.07")


def test_names_can_stand_in_a_file():
    for names in (GATEWAY_COUNTERS, READER_COUNTERS):
        assert len(set(names)) == len(names)
        assert not any(letter.isspace() for name in names for letter in name)


def test_the_pass_finds_its_counters_of_a_connection_first():
    assert LINE_COUNTERS[:3] == ("frames", "bytes", "ticks")
    assert GATEWAY_COUNTERS[: len(LINE_COUNTERS)] == tuple(line_counter(0, name) for name in LINE_COUNTERS)
