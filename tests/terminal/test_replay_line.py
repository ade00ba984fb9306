"""The line of a replay."""

from kitecli.terminal.replay_line import KEYS, WAITS, replay_line, speed_text
from tests.replay.made import at_ns

PROGRESS = {"day": "2026-11-20", "state": "playing", "speed": 10.0, "at_ns": at_ns(75)}


def test_it_says_where_and_how_fast():
    line = replay_line(PROGRESS, 1234567, 20_000, 0, 200)
    assert line.startswith("2026-11-20 10:01:15 IST · 10× playing · 12,34,567 ticks, 20,000/s")
    assert line.endswith(KEYS)
    assert "lost" not in line
    assert "readers lost 7" in replay_line(PROGRESS, 1, 1, 7, 200)


def test_it_is_never_wider_than_the_terminal():
    for width in (10, 40, 79, 80, 120, 200):
        for state in ("playing", "paused", "waiting", "ended"):
            assert len(replay_line({**PROGRESS, "state": state}, 10**9, 10**6, 3, width)) <= width


def test_a_pause_has_no_rate_and_waiting_says_for_whom():
    assert "/s" not in replay_line({**PROGRESS, "state": "paused"}, 5, 0, 0, 70)
    assert WAITS in replay_line({**PROGRESS, "state": "waiting", "at_ns": 0}, 0, 0, 0, 200)
    assert speed_text(0) == "full speed"
    assert speed_text(0.25) == "0.25×"
