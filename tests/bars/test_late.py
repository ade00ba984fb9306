"""Ticks of closed bars, example by example; in any order, see tests/property/test_bars_in_any_order.py."""

from __future__ import annotations

from typing import Any

from kitecli.bars.record import FLAG_ESTIMATED, FLAG_OI, FLAG_REVISED, FLAG_VOLUME
from tests.bars.stage import BOTH, FUTURE, INDEX, STOCK, Sent, Stage, ms, ohlc, wall

DAY = "2026-08-04"
NO_VOLUME: tuple[tuple[str, int, None], ...] = (("10:00:10", 100, None), ("10:01:10", 105, None))


def send(stage: Stage, *ticks: tuple[str, int, int | None], token: int = STOCK, at: str = "10:06:00") -> None:
    """Ticks stamped so, all received at once."""
    for clock, price, volume in ticks:
        stage.tick(f"{DAY} {at}", price, volume, token=token, stamp=f"{DAY} {clock}")


def two_minutes(frame_pass: Any, intervals: str = "1m") -> Stage:
    """10:00 is closed with volume up to 140, 10:01 is open with 60 traded."""
    stage = Stage(frame_pass, intervals, hours=True)
    send(stage, ("10:00:10", 100, 100), ("10:00:50", 101, 140), ("10:01:10", 105, 200))
    return stage


@BOTH
def test_a_closed_bar_stays_and_a_revision_of_it_is_published(frame_pass: Any):
    stage = two_minutes(frame_pass)
    before = stage.records("1m").copy()
    send(stage, ("10:00:55", 97, 150))
    assert (stage.records("1m")[:1] == before).all()
    former, latter = stage.records("1m")
    assert (former["revision"], latter["revision"]) == (0, 1)
    assert (bool(former["flags"] & FLAG_REVISED), bool(latter["flags"] & FLAG_REVISED)) == (False, True)
    assert ohlc(latter) == (100, 101, 97, 97)
    assert (latter["ticks"], latter["closed_after_ms"]) == (3, 5 * 60_000)
    assert stage.counted() == {"bars": 1, "revisions": 1, "late_ticks": 1}


@BOTH
def test_volume_moves_from_the_bar_that_is_open(frame_pass: Any):
    stage = two_minutes(frame_pass)
    send(stage, ("10:00:55", 97, 150))
    stage.sweep(f"{DAY} 10:16:00")
    assert stage.bars("1m")["volume"].tolist() == [50, 50]
    assert stage.bars("1m")["turnover"].tolist() == [40 * 101 + 10 * 97, 60 * 105 - 10 * 105]
    assert stage.bars("1m")["ticks"].tolist() == [3, 1]
    assert stage.records("1m")["revision"].tolist() == [0, 1, 0]


@BOTH
def test_volume_moves_from_the_next_bar_where_that_is_closed_too(frame_pass: Any):
    stage = two_minutes(frame_pass)
    send(stage, ("10:02:00", 106, 230), ("10:00:55", 97, 150))
    assert stage.records("1m")["revision"].tolist() == [0, 0, 1, 1]
    assert stage.bars("1m")["volume"].tolist() == [50, 50]
    assert stage.bars("1m")["turnover"].tolist() == [40 * 101 + 10 * 97, 60 * 105 - 10 * 105]
    assert stage.bars("1m")["ticks"].tolist() == [3, 1]
    assert ohlc(stage.bars("1m")[1]) == (105, 105, 105, 105)
    assert stage.counted()["revisions"] == 2


@BOTH
def test_a_tick_that_isn_t_the_last_of_its_bar_moves_nothing(frame_pass: Any):
    stage = two_minutes(frame_pass)
    send(stage, ("10:00:20", 110, 120), ("10:00:05", 90, 90))
    bar = stage.bars("1m")[0]
    assert ohlc(bar) == (90, 110, 90, 101)
    assert (bar["volume"], bar["first_key"], bar["last_key"], bar["revision"]) == (40, 90, 140, 2)


@BOTH
def test_a_minute_whose_only_tick_was_late_is_a_bar_too(frame_pass: Any):
    stage = two_minutes(frame_pass)
    send(stage, ("10:05:00", 109, 300), ("10:03:30", 107, 260))
    stage.sweep(f"{DAY} 10:16:00")
    bars = stage.bars("1m")
    assert [wall(start) for start in bars["start_ms"]] == ["10:00:00", "10:01:00", "10:03:00", "10:05:00"]
    assert bars["volume"].tolist() == [40, 60, 60, 40]
    assert ohlc(bars[2]) == (107,) * 4
    assert bars[2]["flags"] & (FLAG_REVISED | FLAG_VOLUME) == FLAG_REVISED | FLAG_VOLUME
    assert (bars[2]["revision"], bars[2]["length_ms"]) == (1, 60_000)


@BOTH
def test_a_bar_is_found_behind_revisions_of_older_ones(frame_pass: Any):
    stage = two_minutes(frame_pass)
    send(stage, ("10:02:00", 106, 230), ("10:03:00", 106, 260))
    send(stage, ("10:00:20", 110, 120), ("10:02:30", 99, 240), ("10:01:50", 98, 210))
    stage.sweep(f"{DAY} 10:16:00")
    assert [wall(start) for start in stage.bars("1m")["start_ms"]] == ["10:00:00", "10:01:00", "10:02:00", "10:03:00"]
    assert stage.bars("1m")["volume"].tolist() == [40, 70, 30, 20]
    assert stage.bars("1m")["low"].tolist() == [100, 98, 99, 106]
    assert stage.bars("1m")["ticks"].tolist() == [3, 2, 2, 1]


@BOTH
def test_the_next_bar_is_found_behind_a_revision_of_its_own_predecessor(frame_pass: Any):
    stage = two_minutes(frame_pass)
    send(stage, ("10:02:00", 106, 230), ("10:00:20", 110, 120), ("10:00:55", 97, 150))
    assert stage.bars("1m")["volume"].tolist() == [50, 50]


@BOTH
def test_volume_moves_from_the_very_next_bar(frame_pass: Any):
    stage = two_minutes(frame_pass)
    send(stage, ("10:02:00", 106, 230), ("10:04:00", 106, 260), ("10:00:55", 97, 150))
    assert stage.bars("1m")["volume"].tolist() == [50, 50, 30]


@BOTH
def test_no_volume_moves_from_a_bar_in_which_it_began_anew(frame_pass: Any):
    """Its last cumulative volume is of another count, and less than what it has."""
    stage = two_minutes(frame_pass)
    send(stage, ("10:01:50", 105, 20), ("10:02:10", 106, 30), ("10:00:55", 97, 25))
    assert stage.bars("1m")["volume"].tolist() == [40, 60]


@BOTH
def test_each_series_is_late_by_its_own_bars(frame_pass: Any):
    stage = two_minutes(frame_pass, "1m 5m 100ms 2t")
    send(stage, ("10:00:55", 97, 150))
    stage.sweep(f"{DAY} 10:16:00")
    assert stage.counted()["late_ticks"] == 1
    assert stage.bars("5m")["volume"].tolist() == [100]
    assert ohlc(stage.bars("5m")[0]) == (100, 105, 97, 105)
    assert stage.records("2t")["ticks"].tolist() == [2, 2], "counted in the order they come"
    assert not stage.records("100ms")["revision"].any()


@BOTH
def test_after_a_sweep_the_newest_tick_may_be_late(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    send(stage, ("10:00:10", 100, 100), at="10:00:11")
    stage.sweep(f"{DAY} 10:01:02")
    send(stage, ("10:00:58", 103, 130), at="10:01:03")
    send(stage, ("10:01:05", 104, 135), at="10:01:06")
    stage.sweep(f"{DAY} 10:16:00")
    assert stage.bars("1m")["volume"].tolist() == [30, 5]
    assert stage.bars("1m")["ticks"].tolist() == [2, 1]
    assert ohlc(stage.bars("1m")[0]) == (100, 103, 100, 103)


@BOTH
def test_without_volume_stamps_alone_order_ticks(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    send(stage, *NO_VOLUME, token=INDEX)
    send(stage, ("10:00:05", 90, None), ("10:00:50", 120, None), ("10:00:50", 119, None), token=INDEX)
    bar = stage.bars("1m", INDEX)[0]
    assert ohlc(bar) == (90, 120, 90, 119)
    assert (bar["first_key"], bar["last_key"], bar["volume"], bar["flags"] & FLAG_VOLUME) == (5000, 50_000, 0, 0)


@BOTH
def test_open_interest_is_the_late_tick_s_where_it_is_the_last(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    for clock, volume, oi in (("10:00:10", 10, 700), ("10:01:10", 30, 800), ("10:00:50", 20, 750), ("10:00:20", 12, 1)):
        stage.tick(f"{DAY} 10:06:00", 100, volume, token=FUTURE, oi=oi, stamp=f"{DAY} {clock}")
    bar = stage.bars("1m", FUTURE)[0]
    assert (bar["oi"], bool(bar["flags"] & FLAG_OI)) == (750, True)


@BOTH
def test_a_late_tick_without_a_stamp_estimates_its_bar_alone(frame_pass: Any):
    """Our clock was set back, so what comes now is placed where a bar was never opened."""
    stage = Stage(frame_pass, "1m", hours=True)
    send(stage, ("10:05:00", 100, 10), ("10:06:00", 100, 20))
    stage.tick(f"{DAY} 10:03:00", 101, 15)
    bars = stage.bars("1m")
    assert [bool(bar["flags"] & FLAG_ESTIMATED) for bar in bars] == [True, False]


@BOTH
def test_a_late_tick_in_another_mode_changes_neither_open_nor_close(frame_pass: Any):
    """Nothing tells its place among the others: one has the volume, the other the time alone."""
    stage = two_minutes(frame_pass)
    stage.tick(f"{DAY} 10:00:30", 80, None)
    assert ohlc(stage.bars("1m")[0]) == (100, 101, 80, 101)


@BOTH
def test_no_volume_moves_over_a_night(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    send(stage, ("15:29:10", 100, 500), at="15:29:11")
    stage.sweep(f"{DAY} 16:00:00")
    stage.tick("2026-08-05 09:15:00", 100, 20, stamp="2026-08-05 09:15:00")
    stage.tick("2026-08-05 09:15:01", 99, 510, stamp=f"{DAY} 15:29:30")
    stage.sweep("2026-08-05 09:20:00")
    assert stage.bars("1m")["volume"].tolist() == [0, 20]
    assert ohlc(stage.bars("1m")[0]) == (100, 100, 99, 99)


@BOTH
def test_what_the_ring_has_no_bar_of_any_more_is_counted(frame_pass: Any):
    stage, other = Stage(frame_pass, "1m", capacity=64), 256 * 99 + 1
    send(stage, ("10:00:10", 100, 100), ("10:01:10", 105, 200))
    for minute in range(64):
        stage.send(Sent(other, ms(f"{DAY} 10:06:00") + minute * 60_000, 100, 5))
    send(stage, ("10:00:55", 97, 150))
    assert stage.counted() == {"bars": 64, "late_ticks": 1, "revisions": 1}, "the ring just holds it"
    stage.send(Sent(other, ms(f"{DAY} 11:10:00"), 100, 5))
    send(stage, ("10:00:55", 97, 150))
    assert stage.counted() == {"bars": 65, "late_ticks": 2, "revisions": 1, "late_lost": 1}
    stage.sweep(f"{DAY} 18:00:00")
    bar = next(bar for bar in stage.parts.bars[0] if bar["token"] == STOCK and wall(bar["start_ms"]) == "10:01:00")
    assert bar["ticks"] == 1, "it isn't the next bar's either"


@BOTH
def test_a_revision_s_number_ends_at_255(frame_pass: Any):
    stage = two_minutes(frame_pass)
    send(stage, *[("10:00:20", 100, 120)] * 257)
    assert stage.records("1m")["revision"].tolist() == [*range(256), 255, 255]
    assert stage.records("1m")["ticks"].tolist() == list(range(2, 260))
