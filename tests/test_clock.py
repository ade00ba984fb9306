"""Clocks as values, and Indian time whatever the host's zone."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from kitecli.clock import IST, NS_PER_S, Clock, ManualClock, SystemClock, clock_text, ist, received_text


def test_the_system_clock_is_the_machines():
    clock: Clock = SystemClock()
    before = time.time_ns()
    assert before <= clock.now_ns() <= time.time_ns()


def test_a_manual_clock_moves_when_told():
    clock: Clock = (manual := ManualClock(5))
    manual.advance(1.5)
    assert clock.now_ns() == 5 + 3 * NS_PER_S // 2
    manual.set(7)
    assert clock.now_ns() == 7


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_indian_time_does_not_depend_on_the_hosts_zone(monkeypatch: pytest.MonkeyPatch, zone: str):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        moment = ist(1_719_460_800)  # 27 June 2024, 04:00 UTC
        assert moment.isoformat() == "2024-06-27T09:30:00+05:30"
        assert moment.utcoffset() == timedelta(hours=5, minutes=30)
        assert moment.tzname() == IST.tzname(None) == "IST"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_instant_is_a_time_of_day():
    quarter_past_ns = 1_795_146_300_123_456_789
    assert clock_text(quarter_past_ns) == "09:15:00.123"
    assert clock_text(None) == ""
    assert received_text(quarter_past_ns, quarter_past_ns + 10**9) == (
        "received between 09:15:00.123 and 09:15:01.123 IST"
    )
    assert received_text(0, quarter_past_ns) == "received until 09:15:00.123 IST"
