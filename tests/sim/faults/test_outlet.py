"""A thin and a long line, in virtual time."""

from __future__ import annotations

import pytest

from kitecli.sim.faults.outlet import Outlet


def drained(outlet: Outlet) -> list[tuple[float, bytes]]:
    """When what goes, looking just as it says."""
    found = []
    while (due_s := outlet.next_s()) is not None:
        found += [(round(due_s, 6), part) for part in outlet.take(due_s)]
    return found


def test_it_is_open_until_it_holds_something_or_is_told_to():
    outlet = Outlet()
    assert outlet.is_open
    outlet.put(b"x", 10.0, 0.5)
    assert not outlet.is_open
    assert outlet.take(10.4) == []
    assert outlet.take(10.5) == [b"x"]
    assert outlet.is_open
    outlet.delay_s = 1.0
    assert not outlet.is_open


def test_a_long_line_keeps_order_and_rate():
    outlet = Outlet()
    outlet.delay_s = 2.0
    for at in range(3):
        outlet.put(bytes([at]), 100.0 + at / 10)
    assert drained(outlet) == [(102.0, b"\0"), (102.1, b"\1"), (102.2, b"\2")]


def test_what_waits_is_not_overtaken_when_the_line_gets_short():
    outlet = Outlet()
    outlet.delay_s = 2.0
    outlet.put(b"first", 100.0)
    outlet.delay_s = 0.0
    outlet.put(b"second", 100.1)
    assert drained(outlet) == [(102.0, b"first"), (102.0, b"second")]


def test_a_thin_line_takes_its_time_bit_by_bit():
    outlet = Outlet()
    outlet.bytes_per_s = 1000
    outlet.put(bytes(100), 5.0)
    outlet.put(bytes(10), 5.0)
    assert outlet.waiting_bytes == 110
    assert drained(outlet) == [
        *[(pytest.approx(5 + 0.02 * (at + 1)), bytes(20)) for at in range(5)],
        (pytest.approx(5.11), bytes(10)),
    ]
    assert outlet.waiting_bytes == 0
    outlet.put(bytes(20), 60.0)
    assert outlet.next_s() == pytest.approx(60.02), "an idle line saves nothing up"


def test_pauses_lie_between_the_pieces():
    outlet = Outlet()
    for at in range(3):
        outlet.put(bytes([at]), 7.0, 0.25)
    assert [when for when, _ in drained(outlet)] == [7.25, 7.5, 7.75]
