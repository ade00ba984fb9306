"""What one client sends: cut into lines, and slowed down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.clock import ManualClock
from kitecli.errors import FeedError
from kitecli.gateway.intake import LineBuffer, Pace


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line)), st.lists(st.integers(1, 30)))
def test_lines_come_out_as_they_went_in_however_they_were_split(lines, cuts):
    stream, found, buffer = b"".join(line + b"\n" for line in lines), [], LineBuffer(40)
    at = 0
    for size in [*cuts, len(stream)]:
        buffer.feed(stream[at : at + size])
        at += size
        while (line := buffer.take()) is not None:
            found.append(line)
    assert found == lines


def test_a_line_of_the_limit_is_taken_and_one_longer_is_not():
    buffer = LineBuffer(10)
    buffer.feed(b"x" * 10 + b"\n" + b"y" * 11 + b"\n")
    assert buffer.take() == b"x" * 10
    with pytest.raises(FeedError, match="too long"):
        buffer.take()


def test_a_line_that_never_ends_is_found_out_before_it_does():
    buffer = LineBuffer(10)
    buffer.feed(b"x" * 10)
    assert buffer.take() is None
    buffer.feed(b"x")
    with pytest.raises(FeedError):
        buffer.take()


def paced(per_s, burst):
    clock = ManualClock()
    return Pace(per_s, burst, lambda: clock.now_ns() / 1e9), clock


def test_a_burst_is_taken_at_once_and_then_so_many_a_second():
    pace, clock = paced(100, 10)
    taken = 0
    for _ in range(1000):  # ten seconds
        while pace.wait_s() == 0:
            pace.charge(0)
            taken += 1
        clock.advance(0.01)
    assert taken == pytest.approx(10 + 1000, abs=2)


def test_who_waits_as_long_as_it_is_told_is_let_in():
    pace, clock = paced(2000, 16)
    for _ in range(500):
        if (wait_s := pace.wait_s()) > 0:
            clock.advance(wait_s)
            assert pace.wait_s() == 0
        pace.charge(0)


def test_a_rest_doesn_t_save_up_for_more_than_a_burst():
    pace, clock = paced(100, 10)
    clock.advance(3600)
    taken = 0
    while pace.wait_s() == 0:
        pace.charge(0)
        taken += 1
    assert taken == 10


def test_a_long_request_counts_as_many():
    pace, clock = paced(2000, 16)
    pace.charge(1 << 20)
    wait_s = pace.wait_s()
    assert 0.4 < wait_s < 0.6
    clock.advance(wait_s)
    assert pace.wait_s() == 0
