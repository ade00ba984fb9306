"""What a bar is, example by example. Each goes through the reference and the compiled pass."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kitecli.bars.record import (
    FLAG_CLOSING,
    FLAG_ESTIMATED,
    FLAG_GAP,
    FLAG_OI,
    FLAG_OUTSIDE,
    FLAG_PARTIAL,
    FLAG_PREOPEN,
    FLAG_UNSCHEDULED,
    FLAG_VOLUME,
)
from tests.bars.stage import BOTH, FUTURE, GOLD, INDEX, STOCK, Sent, Stage, ms, ohlc, timelines, wall

MARKS = FLAG_PARTIAL | FLAG_ESTIMATED | FLAG_GAP
SPANS = FLAG_PREOPEN | FLAG_CLOSING | FLAG_OUTSIDE | FLAG_UNSCHEDULED


def marks(bars: Any) -> list[int]:
    return [int(flags) & (FLAG_PARTIAL | FLAG_GAP) for flags in bars["flags"]]


@BOTH
def test_a_minute_has_its_first_highest_lowest_and_last_price(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    for second, price, volume in ((1, 100, 500), (20, 107, 510), (40, 95, 510), (59, 101, 540)):
        stage.tick(f"2026-08-04 10:00:{second:02}.250", price, volume, stamp=f"2026-08-04 10:00:{second:02}")
    assert len(stage.records("1m")) == 0, "it is open yet"
    stage.tick("2026-08-04 10:01:00.100", 102, 550, stamp="2026-08-04 10:01:00")
    (bar,) = stage.records("1m")
    assert ohlc(bar) == (100, 107, 95, 101)
    assert (bar["ticks"], bar["volume"], bar["turnover"]) == (4, 40, 10 * 107 + 30 * 101)
    assert (bar["start_ms"], bar["length_ms"]) == (ms("2026-08-04 10:00:00"), 60_000)
    assert (bar["first_key"], bar["last_key"], bar["closed_after_ms"]) == (500, 540, 100)
    assert (bar["token"], bar["series"], bar["revision"]) == (STOCK, 0, 0)


@BOTH
def test_volume_is_what_was_traded_since_the_bar_before_s_last_tick(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    for minute, volume in ((0, 1000), (1, 1030), (4, 1100), (5, 1100)):
        stage.tick(f"2026-08-04 10:{minute:02}:10", 100, volume)
    stage.sweep("2026-08-04 16:30:00")
    assert stage.bars("1m")["volume"].tolist() == [0, 30, 70, 0], "what was traded before we came isn't in it"
    assert [wall(start) for start in stage.bars("1m")["start_ms"]] == ["10:00:00", "10:01:00", "10:04:00", "10:05:00"]


@BOTH
def test_an_idle_instrument_s_bar_is_closed_when_the_grace_has_passed(frame_pass: Any):
    stage = Stage(frame_pass, "1m 5m", hours=True)
    stage.tick("2026-08-04 10:00:07", 100, 10, stamp="2026-08-04 10:00:07")
    stage.sweep("2026-08-04 10:01:01.499")
    assert len(stage.records("1m")) == 0
    stage.sweep("2026-08-04 10:01:01.500")
    assert stage.records("1m")["closed_after_ms"].tolist() == [1500]
    assert len(stage.records("5m")) == 0
    stage.sweep("2026-08-04 10:30:00")
    assert stage.records("5m")["closed_after_ms"].tolist() == [25 * 60_000]
    assert stage.counted() == {"bars": 2}


@BOTH
def test_a_sweep_looks_at_so_many_instruments_a_call(frame_pass: Any):
    stage = Stage(frame_pass, "1m")
    for token in range(1, 11):
        stage.tick("2026-08-04 10:00:07", 100, 10, token=token * 256 + 1)
    now_ns = ms("2026-08-04 10:02:00") * 1_000_000
    left = []
    while True:
        left.append(stage.frame_pass.close_bars(now_ns, 4))
        if not left[-1]:
            break
    assert len(left) == 3
    assert stage.counted() == {"bars": 10}


@BOTH
def test_a_tick_of_a_later_bar_closes_at_once_and_none_is_made_for_time_without_ticks(frame_pass: Any):
    stage = Stage(frame_pass, "1m 1h", hours=True)
    stage.tick("2026-08-04 10:00:07", 100, 10)
    stage.tick("2026-08-04 10:14:59", 101, 10)
    stage.tick("2026-08-04 10:15:00", 102, 10)
    assert [wall(start) for start in stage.records("1m")["start_ms"]] == ["10:00:00", "10:14:00"]
    assert [wall(start) for start in stage.records("1h")["start_ms"]] == ["09:15:00"]


@BOTH
def test_the_hour_begins_at_a_quarter_past_nine_and_the_last_bar_is_fifteen_minutes(frame_pass: Any):
    stage = Stage(frame_pass, "1h", hours=True)
    for clock in ("09:15:01", "10:14:59", "10:15:02", "15:14:00", "15:15:00", "15:29:59"):
        stage.tick(f"2024-06-27 {clock}", 100, 10, token=FUTURE)
    stage.sweep("2024-06-27 15:30:01.500")
    bars = stage.bars("1h", FUTURE)
    assert [wall(start) for start in bars["start_ms"]] == ["09:15:00", "10:15:00", "14:15:00", "15:15:00"]
    assert bars["length_ms"].tolist() == [3_600_000] * 3 + [900_000]
    assert bars["ticks"].tolist() == [2, 1, 1, 2]


@BOTH
def test_auctions_are_bars_of_their_own_and_their_volume_is_in_no_other(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    stage.tick("2026-08-04 08:59:00", 99, 77_000)  # yesterday's figures
    stage.tick("2026-08-04 09:07:30", 100, 5_000)  # matched in the auction
    stage.tick("2026-08-04 09:15:00.200", 101, 5_040)
    stage.tick("2026-08-04 09:15:59", 102, 5_100)
    stage.sweep("2026-08-04 09:17:00")
    assert [int(flags) & SPANS for flags in stage.bars("1m")["flags"]] == [FLAG_OUTSIDE, FLAG_PREOPEN, 0]
    assert stage.bars("1m")["volume"].tolist() == [0, 5_000, 100]
    assert ohlc(stage.bars("1m")[2]) == (101, 102, 101, 102)
    assert stage.bars("1m")["length_ms"][1] == 15 * 60_000


@BOTH
def test_a_stock_placed_among_those_that_close_by_auction_does_so(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    other = 256 * 99 + 1
    stage.frame_pass.place({STOCK: timelines().groups["NSE", "cas"]})
    for token in (STOCK, other):
        for clock, volume in (("15:14:30", 100), ("15:16:00", 100), ("15:32:00", 900)):
            stage.tick(f"2026-08-04 {clock}", 100, volume, token=token)
    stage.sweep("2026-08-04 15:51:00")
    placed, ordinary = stage.bars("1m"), stage.bars("1m", other)
    assert [wall(start) for start in placed["start_ms"]] == ["15:14:00", "15:15:00"]
    assert placed["flags"][1] & FLAG_CLOSING
    assert placed["volume"].tolist() == [0, 800]
    assert [wall(start) for start in ordinary["start_ms"]] == ["15:14:00", "15:16:00", "15:30:01"]


@BOTH
def test_what_can_t_be_placed_is_refused_and_changes_nothing(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    with pytest.raises(ValueError, match="timeline"):
        stage.frame_pass.place({STOCK: 1, FUTURE: len(timelines().each)})
    with pytest.raises(OverflowError):
        stage.frame_pass.place({STOCK: 1, -1: 1})
    assert not stage.parts.states["timeline"].any()


@BOTH
def test_an_evening_s_bar_of_commodities_goes_on_where_the_morning_ended(frame_pass: Any):
    stage = Stage(frame_pass, "2h", hours=True)
    stage.tick("2026-08-04 16:59:00", 100, 10, token=GOLD)
    stage.tick("2026-08-04 17:01:00", 101, 12, token=GOLD)
    stage.tick("2026-08-04 23:29:59", 102, 13, token=GOLD)
    stage.sweep("2026-08-04 23:31:00")
    bars = stage.bars("2h", GOLD)
    assert [wall(start) for start in bars["start_ms"]] == ["15:00:00", "17:00:00", "23:00:00"]
    assert bars["length_ms"].tolist() == [7_200_000, 7_200_000, 1_800_000]


@BOTH
def test_ticks_just_after_the_close_are_the_last_bar_s_and_later_ones_are_outside(frame_pass: Any):
    stage = Stage(frame_pass, "1m 250ms 2t", hours=True)
    stage.tick("2026-08-04 15:29:59", 100, 10)
    stage.tick("2026-08-04 15:30:01.400", 101, 15)
    stage.tick("2026-08-04 15:30:01.500", 102, 15)
    stage.sweep("2026-08-04 16:30:00")
    for interval in ("1m", "2t"):
        assert stage.bars(interval)["ticks"].tolist() == [2, 1]
        assert stage.bars(interval)["volume"].tolist() == [5, 0]
        assert stage.bars(interval)["flags"][1] & FLAG_OUTSIDE


@BOTH
def test_a_bar_by_receive_time_waits_for_the_grace_where_the_session_ends_only(frame_pass: Any):
    stage = Stage(frame_pass, "250ms", hours=True)
    stage.tick("2026-08-04 15:29:50.100", 100, 10)
    stage.sweep("2026-08-04 15:29:50.250")
    assert stage.records("250ms")["closed_after_ms"].tolist() == [0]
    stage.tick("2026-08-04 15:29:59.900", 100, 10)
    stage.sweep("2026-08-04 15:30:00.500")
    stage.tick("2026-08-04 15:30:01", 101, 12)
    stage.sweep("2026-08-04 15:30:02")
    assert stage.records("250ms")["ticks"].tolist() == [1, 2]


@BOTH
def test_muhurat_begins_its_bars_in_the_evening(frame_pass: Any):
    stage = Stage(frame_pass, "45m", hours=True)
    for clock in ("17:59:00", "18:00:10", "18:44:59", "18:45:00"):
        stage.tick(f"2024-11-01 {clock}", 100, 10)
    stage.sweep("2024-11-01 19:30:00")
    assert [wall(start) for start in stage.bars("45m")["start_ms"]] == ["17:45:00", "18:00:00", "18:45:00"]
    assert stage.bars("45m")["length_ms"][1:].tolist() == [45 * 60_000, 15 * 60_000]


@BOTH
def test_a_day_without_known_hours_is_counted_from_midnight_and_says_so(frame_pass: Any):
    stage = Stage(frame_pass, "1h", hours=True)
    stage.tick("2026-11-08 18:20:00", 100, 10)
    stage.sweep("2026-11-08 19:20:00")
    (bar,) = stage.bars("1h")
    assert (wall(bar["start_ms"]), int(bar["flags"]) & SPANS) == ("18:00:00", FLAG_UNSCHEDULED)


@BOTH
def test_bars_of_ticks_and_of_volume_close_when_they_are_full(frame_pass: Any):
    stage = Stage(frame_pass, "3t 100v", hours=True)
    for second, volume in enumerate((0, 40, 90, 110, 130, 500, 520)):
        stage.tick(f"2026-08-04 10:00:{second:02}", 100 + second, volume)
    assert stage.records("3t")["ticks"].tolist() == [3, 3]
    assert stage.records("3t")["length_ms"].tolist() == [2000, 2000]
    assert [ohlc(bar)[0] for bar in stage.records("3t")] == [100, 103]
    assert stage.records("100v")["volume"].tolist() == [110, 390], "a bar isn't cut within a tick"
    stage.sweep("2026-08-04 15:31:00")
    assert stage.records("3t")["ticks"].tolist() == [3, 3, 1]
    assert stage.records("100v")["volume"].tolist() == [110, 390, 20]


@BOTH
def test_an_auction_is_one_bar_even_of_ticks(frame_pass: Any):
    stage = Stage(frame_pass, "2t", hours=True)
    for second in range(5):
        stage.tick(f"2026-08-04 09:10:0{second}", 100, second)
    stage.tick("2026-08-04 09:15:00", 100, 5)
    assert stage.records("2t")["ticks"].tolist() == [5]


@BOTH
def test_an_index_has_no_volume_rather_than_none_traded(frame_pass: Any):
    stage = Stage(frame_pass, "1m 1v", hours=True)
    for second, price in ((1, 100), (2, 103), (3, 99)):
        stage.tick(f"2026-08-04 10:00:0{second}", price, token=INDEX, stamp=f"2026-08-04 10:00:0{second}")
    stage.sweep("2026-08-04 10:02:00")
    (bar,) = stage.bars("1m", INDEX)
    assert ohlc(bar) == (100, 103, 99, 99)
    assert not bar["flags"] & (FLAG_VOLUME | FLAG_OI)
    assert (bar["volume"], bar["turnover"], bar["first_key"], bar["last_key"]) == (0, 0, 1000, 3000)
    assert len(stage.records("1v", INDEX)) == 0


@BOTH
def test_open_interest_is_the_last_one_and_of_derivatives_only(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    for token in (FUTURE, STOCK):
        stage.tick("2026-08-04 10:00:01", 100, 5, token=token, oi=700, stamp="2026-08-04 10:00:01")
        stage.tick("2026-08-04 10:00:02", 100, 6, token=token, oi=750, stamp="2026-08-04 10:00:02")
    stage.sweep("2026-08-04 10:02:00")
    future, stock = stage.bars("1m", FUTURE)[0], stage.bars("1m")[0]
    assert (future["oi"], bool(future["flags"] & FLAG_OI)) == (750, True)
    assert (stock["oi"], bool(stock["flags"] & FLAG_OI)) == (0, False)


@BOTH
def test_a_tick_without_a_stamp_is_placed_by_our_clock_and_its_bar_says_so(frame_pass: Any):
    stage = Stage(frame_pass, "1m 100ms", hours=True)
    stage.tick("2026-08-04 10:00:01", 100, 5, stamp="2026-08-04 10:00:01")
    stage.tick("2026-08-04 10:01:00", 100, 5, stamp="2026-08-04 10:00:59")
    stage.tick("2026-08-04 10:01:01", 100, 5, stamp="2026-08-04 10:01:01")
    stage.tick("2026-08-04 10:01:30", 100, 5)
    stage.tick("2026-08-04 10:02:30", 100, 5)
    stage.tick("2026-08-04 10:03:30", 100, 5, stamp="2026-08-04 10:03:30")
    stage.sweep("2026-08-04 10:05:00")
    assert stage.bars("1m")["ticks"].tolist() == [2, 2, 1, 1]
    assert [bool(flags & FLAG_ESTIMATED) for flags in stage.bars("1m")["flags"]] == [False, True, True, False]
    assert not (stage.bars("100ms")["flags"] & FLAG_ESTIMATED).any(), "our clock is what they go by"


@BOTH
@pytest.mark.parametrize(("ahead_s", "start"), [(60, "10:01:00"), (61, "10:00:00")])
def test_a_stamp_from_the_future_is_none(frame_pass: Any, ahead_s: int, start: str):
    stage = Stage(frame_pass, "1m")
    now_ms = ms("2026-08-04 10:00:00")
    stage.send(Sent(STOCK, now_ms, 100, 5, stamp_s=now_ms // 1000 + ahead_s))
    stage.sweep("2026-08-04 10:05:00")
    assert wall(stage.bars("1m")["start_ms"][0]) == start


@BOTH
def test_the_cached_packet_after_a_subscription_is_no_tick(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    stage.frame_pass.expect_snapshots({STOCK: "quote"})
    stage.tick("2026-08-04 09:58:40", 90, 1000)
    stage.tick("2026-08-04 10:00:05", 100, 1200)
    stage.sweep("2026-08-04 10:02:00")
    (bar,) = stage.bars("1m")
    assert ohlc(bar) == (100, 100, 100, 100)
    assert (bar["ticks"], bar["volume"]) == (1, 200), "but the volume is counted from it"
    assert marks(stage.bars("1m")) == [0]


@BOTH
def test_a_bar_that_began_before_we_came_is_partial(frame_pass: Any):
    stage = Stage(frame_pass, "1m 5m", hours=True)
    stage.frame_pass.expect_snapshots({STOCK: "quote"})
    for clock in ("10:00:30", "10:00:40", "10:01:10", "10:05:10"):
        stage.tick(f"2026-08-04 {clock}", 100, 1000)
    stage.sweep("2026-08-04 10:12:00")
    assert marks(stage.bars("1m")) == [FLAG_PARTIAL, 0, 0]
    assert marks(stage.bars("5m")) == [FLAG_PARTIAL, 0]


@BOTH
def test_a_second_cached_packet_that_differs_tells_of_trades_we_missed(frame_pass: Any):
    stage = Stage(frame_pass, "1m 5m", hours=True)
    stage.tick("2026-08-04 10:00:00", 100, 1000)
    for clock, volume in (("10:01:10", 1000), ("10:02:10", 1050)):
        stage.frame_pass.expect_snapshots({STOCK: "quote"})
        stage.tick(f"2026-08-04 {clock}", 100, volume)
        stage.tick(f"2026-08-04 {clock}.5", 100, volume)
    stage.tick("2026-08-04 10:03:00", 100, 1060)
    stage.tick("2026-08-04 10:05:00", 100, 1060)
    # Traded in the minute that was open when we left, or in the one we came back in.
    assert marks(stage.bars("1m")) == [0, FLAG_PARTIAL, FLAG_PARTIAL, 0]
    assert marks(stage.bars("5m")) == [FLAG_PARTIAL]
    assert stage.bars("1m")["volume"].tolist() == [0, 0, 50, 10]


@BOTH
def test_an_outage_marks_the_bar_it_cut_and_the_next_one(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    for clock in ("10:00:00", "10:03:30", "10:04:30"):
        if clock == "10:03:30":
            stage.frame_pass.mark_gap([STOCK, FUTURE])
            stage.frame_pass.expect_snapshots({STOCK: "quote"})
            stage.tick("2026-08-04 10:03:29", 100, 1300)
        stage.tick(f"2026-08-04 {clock}", 100, 1300 if clock > "10:01" else 1000)
    stage.sweep("2026-08-04 10:06:00")
    assert marks(stage.bars("1m")) == [FLAG_GAP, FLAG_GAP, 0]
    assert stage.bars("1m")["volume"].tolist() == [0, 300, 0]
    assert len(stage.bars("1m", FUTURE)) == 0


@BOTH
def test_a_volume_that_begins_anew_within_the_day_loses_nothing_and_marks_its_bar(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    for clock, volume in (("10:00:00", 1000), ("10:00:10", 1100), ("10:00:20", 30), ("10:00:30", 75), ("10:01:00", 80)):
        stage.tick(f"2026-08-04 {clock}", 100, volume)
    stage.sweep("2026-08-04 10:03:00")
    assert stage.bars("1m")["volume"].tolist() == [100 + 45, 5]
    assert marks(stage.bars("1m")) == [FLAG_PARTIAL, 0]
    assert stage.counted()["resets"] == 1


@BOTH
def test_a_volume_a_little_lower_is_an_old_packet(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    for second, volume in enumerate((1000, 1100, 1060, 1110)):
        stage.tick(f"2026-08-04 10:00:0{second}", 100, volume)
    stage.sweep("2026-08-04 10:03:00")
    assert stage.bars("1m")["volume"].tolist() == [110]
    assert marks(stage.bars("1m")) == [0]


@BOTH
def test_a_new_day_s_volume_begins_with_it(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    stage.tick("2026-08-04 15:29:00", 100, 90_000)
    stage.tick("2026-08-05 09:01:00", 100, 90_000)  # yesterday's figures again
    stage.tick("2026-08-05 09:08:00", 101, 2_000)
    stage.tick("2026-08-05 09:15:03", 102, 2_300)
    stage.sweep("2026-08-05 09:17:00")
    assert stage.bars("1m")["volume"].tolist() == [0, 2_000, 300]
    assert "resets" not in stage.counted()


@BOTH
def test_who_joins_before_the_session_takes_yesterday_s_figures_for_yesterday_s(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    stage.frame_pass.expect_snapshots({STOCK: "quote"})
    stage.tick("2026-08-05 08:10:00", 100, 1_000)
    stage.tick("2026-08-05 09:08:00", 101, 1_200)
    stage.sweep("2026-08-05 09:17:00")
    assert stage.bars("1m")["volume"].tolist() == [1_200]


@BOTH
def test_the_first_volume_of_an_instrument_streamed_without_it_is_no_trade(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    stage.tick("2026-08-04 10:00:00", 100)
    stage.tick("2026-08-04 10:00:10", 100, 55_000)
    stage.tick("2026-08-04 10:00:20", 100, 55_020)
    stage.tick("2026-08-04 10:01:00", 100, 55_021)
    assert stage.bars("1m")["volume"].tolist() == [20]


@BOTH
def test_ticks_out_of_order_within_a_bar_change_its_open_and_not_its_close(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    for stamp, price, volume in (
        ("10:00:20", 100, 50),
        ("10:00:40", 101, 60),
        ("10:00:10", 99, 40),
        ("10:00:30", 98, 55),
    ):
        stage.tick("2026-08-04 10:00:41", price, volume, stamp=f"2026-08-04 {stamp}")
    stage.sweep("2026-08-04 10:02:00")
    (bar,) = stage.records("1m")
    assert ohlc(bar) == (99, 101, 98, 101)
    assert (bar["ticks"], bar["volume"], bar["first_key"]) == (4, 10, 40)


@BOTH
def test_a_bar_by_receive_time_of_an_old_tick_alone_closes_at_its_price(frame_pass: Any):
    """The newest price by the exchange's clock came before the bar began."""
    stage = Stage(frame_pass, "100ms")
    stage.tick("2026-08-04 10:00:05.050", 100, 50, stamp="2026-08-04 10:00:05")
    stage.tick("2026-08-04 10:00:05.150", 90, 40, stamp="2026-08-04 10:00:04")
    stage.sweep("2026-08-04 10:00:06")
    assert [ohlc(bar) for bar in stage.records("100ms")] == [(100,) * 4, (90,) * 4]


@BOTH
def test_a_recorded_day_is_swept_by_its_own_clock(frame_pass: Any):
    """Played two years later: the exchange's stamps tell the time, and what has no stamp goes by ours."""
    stage = Stage(frame_pass, "1m", hours=True)
    other = 256 * 99 + 1
    stage.tick("2026-08-04 20:00:00", 100, 10, stamp="2024-06-27 10:00:50")
    stage.tick("2026-08-04 20:00:00", 100, 10, token=other)
    stage.sweep("2026-08-04 20:00:11.499")
    assert len(stage.records("1m")) == 0
    stage.sweep("2026-08-04 20:00:11.500")
    assert [wall(start) for start in stage.records("1m")["start_ms"]] == ["10:00:00"]
    assert len(stage.records("1m", other)) == 0
    stage.sweep("2026-08-05 00:00:01.499")
    assert len(stage.records("1m", other)) == 0, "what is outside the hours ends at midnight"
    stage.sweep("2026-08-05 00:00:01.500")
    assert len(stage.records("1m", other)) == 1


@BOTH
def test_a_recorded_day_s_bars_are_whole_once_they_begin_behind_the_join(frame_pass: Any):
    stage = Stage(frame_pass, "1m", hours=True)
    stage.frame_pass.expect_snapshots({STOCK: "full"})
    stage.tick("2026-08-04 20:00:00", 100, 7_000)  # as the broker answers first: in quote mode
    stage.tick("2026-08-04 20:00:00", 100, 7_000, stamp="2024-06-27 10:00:10")
    for stamp, volume in (("10:00:20", 7_010), ("10:01:20", 7_030), ("10:02:20", 7_040)):
        stage.tick("2026-08-04 20:00:01", 100, volume, stamp=f"2024-06-27 {stamp}")
    assert marks(stage.bars("1m")) == [FLAG_PARTIAL, 0]
    assert stage.bars("1m")["volume"].tolist() == [10, 20]


@BOTH
def test_ticks_the_board_has_no_row_for_are_in_no_bar(frame_pass: Any):
    stage = Stage(frame_pass, "1m")
    for number in range(70):
        stage.tick("2026-08-04 10:00:00", 100, 5, token=number * 256 + 1)
    stage.sweep("2026-08-04 10:05:00")
    assert stage.counted() == {"bars": 64}


@BOTH
def test_a_row_s_version_is_even_when_nobody_writes_and_tells_that_something_changed(frame_pass: Any):
    stage = Stage(frame_pass, "1m")
    stage.tick("2026-08-04 10:00:00", 100, 5)
    stage.tick("2026-08-04 10:00:10", 100, 5)
    assert stage.parts.states["version"][0] == 4
    stage.frame_pass.mark_gap([STOCK])
    stage.sweep("2026-08-04 10:05:00")
    stage.sweep("2026-08-04 10:06:00")
    assert stage.parts.states["version"][0] == 8


@BOTH
def test_a_row_says_from_when_on_no_tick_is_late(frame_pass: Any):
    stage = Stage(frame_pass, "1m 5m 100ms", hours=True)
    floors = []
    for clock in ("10:01:10", "10:06:20"):
        stage.tick(f"2026-08-04 {clock}", 100, 5)
        floors.append(wall(stage.parts.states["floor_ms"][0]))
    stage.sweep("2026-08-04 10:07:01.500")
    assert [*floors, wall(stage.parts.states["floor_ms"][0])] == ["10:01:00", "10:06:00", "10:07:00"]


@BOTH
def test_a_row_says_for_how_long_its_stamped_bars_go_on(frame_pass: Any):
    stage = Stage(frame_pass, "5m 1m 100ms", hours=True)
    sure = []
    for clock, volume in (("10:06:20", 5), ("10:07:10", 5), ("15:29:50", None)):
        stage.tick(f"2026-08-04 {clock}", 100, volume)
        sure.append(int(stage.parts.states["sure_ms"][0]))
    assert sure == [60_000, 60_000, 61_500], "its floor is the shorter bar's start, and the close has its grace"
    stage.sweep("2026-08-04 15:30:02")
    assert stage.parts.states["sure_ms"][0] == 0


@BOTH
def test_no_tick_of_another_day_than_its_volume_s_is_sure(frame_pass: Any):
    stage = Stage(frame_pass, "1m")
    for clock, volume in (("04 23:59:50", 1000), ("05 00:00:10", 1000), ("05 00:00:20", 1000)):
        stage.tick(f"2026-08-{clock}", 100, volume)
    assert stage.parts.states["sure_ms"][0] == 0, "it repeats the figure of the day before"
    stage.tick("2026-08-05 00:00:30", 100, 10)
    assert stage.parts.states["sure_ms"][0] == 60_000


@BOTH
def test_bars_need_a_row_for_each_of_the_board_s(frame_pass: Any):
    from kitecli.ring.layout import RingLayout
    from kitecli.ring.memory import RingMemory

    stage = Stage(frame_pass, "1m")
    with pytest.raises(ValueError, match="rows"):
        frame_pass(RingMemory.private(RingLayout.of(64, 128)), stage.memory)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="changes this process's zone")
@BOTH
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
def test_bars_do_not_depend_on_the_host_s_zone(monkeypatch: pytest.MonkeyPatch, frame_pass: Any, zone: str):
    def made() -> bytes:
        stage = Stage(frame_pass, "1h day 7m", hours=True)
        for hour in range(24):
            stage.send(
                Sent(GOLD, first_ms + hour * 3_599_000, 100 + hour, hour * 10, stamp_s=first_ms // 1000 + hour * 3599)
            )
        stage.sweep(first_ms + 2 * 86_400_000)
        return stage.parts.bars.tobytes()

    first_ms = ms("2026-08-04 00:10:00")
    here = made()
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert made() == here
    finally:
        monkeypatch.undo()
        time.tzset()
