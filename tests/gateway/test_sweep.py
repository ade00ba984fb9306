"""The bars' clock: which instants are worth a record, and that a round is recorded whole."""

from __future__ import annotations

from kitecli.gateway.sweep import SWEEP_ROWS, Sweep


class Frames:
    """Bars of ``rows`` instruments, due or not; ``swept`` is what was looked at."""

    def __init__(self, rows):
        self.rows, self.due, self.swept, self._at = rows, True, [], 0

    def bars_due(self, _):
        return self.due

    def close_bars(self, now_ns, limit):
        self.swept.append((now_ns, limit))
        self._at += limit
        if self._at < self.rows:
            return True
        self._at = 0
        return False


def swept(frames, recorded=lambda: True):
    noted = []
    return Sweep(frames, recorded, lambda *told: noted.append(told)), noted


def test_what_is_recorded_is_what_was_done():
    frames = Frames(3 * SWEEP_ROWS)
    sweep, noted = swept(frames)
    assert [sweep.step(now) for now in (7, 8, 9)] == [True, True, False]
    assert noted == frames.swept == [(7, SWEEP_ROWS), (8, SWEEP_ROWS), (9, SWEEP_ROWS)]


def test_where_nothing_is_due_nothing_is_done_or_recorded():
    frames = Frames(10)
    frames.due = False
    sweep, noted = swept(frames)
    assert sweep.step(7) is False
    assert noted == frames.swept == []


def test_a_round_that_began_goes_on_though_nothing_is_due_any_more():
    frames = Frames(2 * SWEEP_ROWS)
    sweep, noted = swept(frames)
    assert sweep.step(7) is True
    frames.due = False
    assert sweep.step(8) is False
    assert noted == [(7, SWEEP_ROWS), (8, SWEEP_ROWS)]


def test_a_recording_that_begins_during_a_round_begins_with_the_next():
    frames, recorded = Frames(2 * SWEEP_ROWS), [False]
    sweep, noted = swept(frames, lambda: recorded[0])
    sweep.step(1)
    recorded[0] = True
    sweep.step(2)
    assert noted == []
    sweep.step(3)
    assert noted == [(3, SWEEP_ROWS)]
    assert [now for now, _ in frames.swept] == [1, 2, 3]
