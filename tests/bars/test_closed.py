from __future__ import annotations

import numpy as np
import pytest

from kitecli.bars import closed
from kitecli.bars.closed import ClosedBars
from kitecli.bars.intervals import Interval
from kitecli.bars.layout import COUNTERS, BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.parts import BarsParts
from kitecli.bars.record import BAR_DTYPE

CAPACITY = 8


class Rings:
    """Two series of 8 bars; a bar is told by its start."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        memory = BarsMemory.private(BarsLayout(64, capacity, 2), (Interval.parse("1m"),) * 2, 0)
        self.parts = BarsParts.of(memory)
        self.closed = ClosedBars(self.parts)

    def append(self, row: int, *starts: int, revision: int = 0, series: int = 0) -> None:
        for start in starts:
            record = np.zeros(1, BAR_DTYPE)[0]
            record["start_ms"], record["revision"] = start, revision
            self.closed.append(series, row, record)

    def since(self, row: int, start_ms: int, series: int = 0) -> list[int] | None:
        found = self.closed.since(series, row, start_ms)
        return None if found is None else [int(record["start_ms"]) for record in found]


def test_each_series_is_a_ring_of_its_own_and_publishes_what_it_has():
    rings = Rings()
    rings.append(0, *range(11))
    rings.append(0, 77, series=1)
    assert rings.parts.bars[0]["start_ms"].tolist() == [8, 9, 10, 3, 4, 5, 6, 7]
    assert rings.parts.cursor.tolist()[:2] == rings.parts.intent.tolist()[:2] == [11, 1]


def test_links_lead_to_the_instrument_s_previous_bar():
    rings = Rings()
    for row in (5, 6, 5, 7, 6, 5):
        rings.append(row, 1)
    assert rings.parts.links[0, :6].tolist() == [0, 0, 2, 0, 3, 3]
    assert rings.parts.cold["next_sequence"][5:8, 0].tolist() == [6, 5, 4]


def test_records_are_found_back_to_the_first_that_is_no_revision_and_not_later():
    rings = Rings()
    rings.append(0, 10, 20, 30)
    rings.append(1, 25)
    rings.append(0, 10, revision=1)
    assert rings.since(0, 20) == [10, 30, 20]
    assert rings.since(0, 25) == [10, 30, 20]
    assert rings.since(0, 10) == [10, 30, 20, 10]
    assert rings.since(0, 5) == [10, 30, 20, 10], "the first there ever was"
    assert rings.since(2, 5) == []


def test_nothing_is_found_where_the_ring_may_have_lost_something():
    rings = Rings()
    rings.append(0, 10, 20)
    rings.append(1, *range(6))
    assert rings.since(0, 10) == [20, 10]
    rings.append(1, 6)
    assert rings.since(0, 20) == [20]
    assert rings.since(0, 10) is None
    rings.append(1, 7)
    assert rings.since(0, 20) is None


def test_a_found_record_is_a_copy():
    rings = Rings()
    rings.append(0, 10)
    found = rings.closed.since(0, 0, 10)
    rings.append(1, *range(8))
    assert found is not None
    assert found[0]["start_ms"] == 10


def test_it_looks_at_so_many_records_and_no_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(closed, "MOST_LOOKED_AT", 3)
    rings = Rings()
    rings.append(0, 10)
    rings.append(0, 10, 10, revision=1)
    assert rings.since(0, 10) == [10, 10, 10]
    rings.append(0, 10, revision=1)
    assert rings.since(0, 10) is None


def test_counts_add_up_by_name():
    rings = Rings()
    rings.closed.count(bars=1, late_lost=2)
    rings.closed.count(bars=3)
    assert dict(zip(COUNTERS, rings.parts.counters.tolist(), strict=True)) == {
        **dict.fromkeys(COUNTERS, 0),
        "bars": 4,
        "late_lost": 2,
    }
