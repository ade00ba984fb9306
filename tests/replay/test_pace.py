"""Recorded time by our clock."""

from kitecli.clock import NS_PER_S
from kitecli.replay.pace import FOREVER_NS, SPEEDS, Pace

DAY = 1_000 * NS_PER_S


def begun(speed):
    pace = Pace(speed)
    assert pace.due_ns(5) < 0
    pace.begin(DAY, 50 * NS_PER_S)
    return pace


def test_time_runs_as_fast_as_wished():
    pace = begun(10)
    assert pace.due_ns(50 * NS_PER_S) == DAY
    assert pace.due_ns(52 * NS_PER_S) == DAY + 20 * NS_PER_S
    assert pace.wait_s(DAY + 30 * NS_PER_S, 52 * NS_PER_S) == 1.0
    assert pace.wait_s(DAY, 52 * NS_PER_S) == 0


def test_without_pauses_all_is_due():
    pace = begun(0)
    assert pace.due_ns(0) == FOREVER_NS
    assert pace.wait_s(FOREVER_NS, 0) == 0


def test_a_pause_takes_no_recorded_time():
    pace = begun(1)
    pace.pause(0, 52 * NS_PER_S)
    assert pace.due_ns(90 * NS_PER_S) == DAY + 2 * NS_PER_S
    assert pace.wait_s(DAY + 3 * NS_PER_S, 90 * NS_PER_S) == float("inf")
    pace.pause(0, 92 * NS_PER_S)
    assert pace.due_ns(93 * NS_PER_S) == DAY + 3 * NS_PER_S


def test_another_speed_goes_on_from_where_it_stands():
    pace = begun(1)
    pace.set_speed(10, 0, 52 * NS_PER_S)
    assert pace.due_ns(53 * NS_PER_S) == DAY + 12 * NS_PER_S
    pace.set_speed(0, 0, 53 * NS_PER_S)
    pace.set_speed(1, DAY + 500, 60 * NS_PER_S)  # at full speed, what was played last is where it stands
    assert pace.due_ns(61 * NS_PER_S) == DAY + 500 + NS_PER_S


def test_keys_go_through_the_known_speeds():
    pace, found = begun(3), []
    for by in (1, 1, -1, *[-1] * 9, *[1] * 10):
        pace.faster(by, 0, 60 * NS_PER_S)
        found.append(pace.speed)
    assert found[:3] == [5.0, 10.0, 5.0]
    assert min(found) == 0.0
    assert found[11] == SPEEDS[0]
    assert found[-1] == 0.0
