"""What ``kite record`` says of a recording's figures."""

from __future__ import annotations

import pytest

from kitecli.terminal.record_lines import Sample, closing_lines, live_line

FIGURES = {
    "state": "on",
    "day": "2026-11-20",
    "path": "/store/2026-11-20/0003.kseg",
    "records": 12_345,
    "bytes": 3_400_000,
    "unrecorded": 0,
    "free_bytes": 10_000_000_000,
    "floor_bytes": 256_000_000,
}


def test_the_pace_is_of_the_last_look():
    former = Sample(10.0, 1_000, {**FIGURES, "bytes": 400_000})
    now = Sample(12.0, 37_000, FIGURES)
    assert now.since(former) == {"ticks_per_s": 18_000.0, "bytes_per_s": 1_500_000.0, "left_s": 6_496}
    assert (
        live_line(now, former) == "2026-11-20  18,000 ticks/s  1.5 MB/s  3.4 MB written  10.0 GB free, 1 h 48 min left"
    )


def test_nothing_is_said_of_a_pace_that_isn_t_known():
    first = Sample(1.0, 0, FIGURES)
    assert first.since(first) == first.since(None) == {"ticks_per_s": None, "bytes_per_s": None, "left_s": None}
    another_day = Sample(2.0, 5, {**FIGURES, "day": "2026-11-21", "bytes": 8})
    assert another_day.since(first)["bytes_per_s"] is None
    assert live_line(Sample(1.0, 0, {"state": "starting"}), None) == "starting  0 B written"


def test_an_alarm_is_all_there_is_to_say():
    error = {"what": "Nothing is recorded", "why": "No space left"}
    shown = live_line(Sample(1.0, 0, {**FIGURES, "state": "alarm", "error": error}), None)
    assert shown == "NOT RECORDING: Nothing is recorded: No space left"


@pytest.mark.parametrize(
    ("whole", "said"),
    [(True, "All of it is on disk."), (False, "NOT all of it"), (None, "goes on recording")],
)
def test_the_end_says_whether_it_is_whole(whole, said):
    lines = closing_lines({**FIGURES, "unrecorded": 7}, 1_23_456, 61.0, whole=whole)
    assert lines[0] == "Recorded 1,23,456 ticks in 12,345 records, 3.4 MB in 61 s, to /store/2026-11-20"
    assert said in lines[1]
    assert lines[2] == "Missing: 7 messages unrecorded"
