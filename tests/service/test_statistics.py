"""Rates in virtual time; the figures of a running feed are tested where one runs (test_data_feed.py)."""

from kitecli.service.statistics import NOTHING, WINDOW_S, Rate


def test_a_rate_is_of_the_last_seconds():
    rate = Rate(100.0)
    for step in range(1, 101):
        rate.note(100.0 + step / 10, step * 10)  # a hundred a second for ten seconds
    assert 99 < rate.per_s(110.0, 1000) < 101
    for step in range(1, 101):
        rate.note(110.0 + step / 10, 1000)  # then nothing
    assert rate.per_s(120.0, 1000) == 0.0


def test_it_follows_within_its_window():
    rate = Rate(0.0)
    for second in range(1, 20):
        rate.note(float(second), 0)
    for second in range(20, 20 + int(WINDOW_S) + 1):
        rate.note(float(second), (second - 19) * 50)
    assert rate.per_s(25.0, 300) == 50.0


def test_at_the_very_start_it_is_zero():
    assert Rate(5.0).per_s(5.0, 0) == 0.0
    assert Rate(5.0).per_s(7.0, 100) == 50.0
    assert NOTHING["ticks_per_second"] == 0.0
