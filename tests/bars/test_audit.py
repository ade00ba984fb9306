"""Each cause of a difference, on a few made-up minutes; and that what has no cause isn't given one."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from kitecli.bars.audit import audit
from kitecli.bars.audit_causes import Cause
from kitecli.bars.audit_pairs import Candle, Evidence, Outage
from kitecli.bars.intervals import Interval
from kitecli.bars.table import bars_of
from tests.bars.made_up import NIFTY, bars

MINUTES = Interval.parse("1m")
CALM = [(100 + n + n / 10, 102 + n, 99 + n, 101 + n) for n in range(5)]
QUIET = Evidence(MINUTES)


def candles(table, **changes):
    """What the broker would have made of the same trades, but for ``changes``: by field, then by row."""
    made = [
        Candle(bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume or 0)
        for bar in bars_of(table)
        if not {"preopen", "closing"} & set(bar.flags)
    ]
    for name, rows in changes.items():
        for row, value in rows.items():
            made[row] = replace(made[row], **{name: value})
    return made


def outage(table, first, last, minutes=1):
    rows = list(bars_of(table))
    return Outage(rows[first].start + timedelta(seconds=3), rows[last].start + timedelta(minutes=minutes, seconds=-9))


def causes(found):
    return {(one.start.minute - 15, one.field): one.cause for one in found.differences}


def explained(table, theirs, evidence=QUIET):
    return causes(audit(table, theirs, evidence))


def test_equal_bars_have_no_difference():
    table = bars(*CALM, flags={1: "estimated", 2: "gap"})
    found = audit(table, candles(table), QUIET)
    assert (found.pairs, found.equal, found.differences, found.unexplained) == (5, 5, [], 0)


def test_what_no_cause_allows_is_not_explained():
    table = bars(*CALM, volume=1000)
    theirs = candles(table, volume={2: 900}, high={1: 102.5}, low={3: 102.05}, close={0: 100.5})
    theirs[0] = replace(theirs[0], high=100.5)
    found = audit(table, theirs, QUIET)
    assert causes(found) == {
        (0, "high"): Cause.UNEXPLAINED,
        (0, "close"): Cause.UNEXPLAINED,
        (1, "high"): Cause.UNEXPLAINED,
        (2, "volume"): Cause.UNEXPLAINED,
        (3, "low"): Cause.UNEXPLAINED,
    }
    assert (found.pairs, found.equal, found.unexplained) == (5, 1, 5)
    assert "100 less" in next(one.why for one in found.differences if one.field == "volume")


# late


def test_late_what_was_different_until_a_tick_came():
    table = bars(*CALM, CALM[1], volume=1000)
    table[5]["start"], table[5]["end"] = table[1]["start"], table[1]["end"]
    table["revision"][5] = 1
    theirs = candles(table[[0, 5, 2, 3, 4]])
    table["close"][1], table["high"][1], table["volume"][1] = 101.5, 102.5, 900
    found = audit(table, theirs, QUIET)
    assert causes(found) == {(1, "close"): Cause.LATE, (1, "high"): Cause.LATE, (1, "volume"): Cause.LATE}
    close = next(one for one in found.differences if one.field == "close")
    assert (close.ours, close.theirs) == (101.5, 102)
    assert "revision 1" in close.why


def test_late_a_revision_that_differs_too_is_not_excused():
    table = bars(*CALM, CALM[1], volume=1000)
    table[5]["start"], table[5]["end"] = table[1]["start"], table[1]["end"]
    table["revision"][5] = 1
    theirs = candles(table[[0, 5, 2, 3, 4]], high={1: 102.5})
    assert explained(table, theirs) == {(1, "high"): Cause.UNEXPLAINED}


# gap


def test_gap_an_outage_hides_prices_and_puts_its_volume_into_the_first_bar_after_it():
    table = bars(*CALM, volume=[1000, 400, 1600, 1000, 1000], flags={2: "gap"})
    theirs = candles(table, high={1: 110}, low={2: 90}, close={1: 109}, open={2: 109}, volume={1: 1000, 2: 1000})
    theirs[2] = replace(theirs[2], high=109)
    found = audit(table, theirs, Evidence(MINUTES, [outage(table, 1, 2)]))
    assert set(causes(found).values()) == {Cause.GAP}
    assert {name for _, name in causes(found)} == {"open", "high", "low", "close", "volume"}
    assert found.differences[0].why == "nothing came from 09:16:03 until 09:17:51 IST"


def test_gap_whole_bars_are_missing():
    table = bars(*CALM, volume=[1000, 1000, 1000, 3000, 1000], flags={3: "gap"})
    theirs = candles(table, volume={3: 1000})
    here = table[[0, 3, 4]]
    assert explained(here, theirs, Evidence(MINUTES, [outage(table, 0, 3)])) == {
        (1, "bar"): Cause.GAP,
        (2, "bar"): Cause.GAP,
        (3, "volume"): Cause.GAP,
    }
    assert set(explained(here, theirs).values()) == {Cause.GAP}, "the flag alone says as much"


def test_gap_an_indexs_bars_are_missing():
    table = bars(*CALM, volume=np.nan, token=NIFTY)
    evidence = Evidence(MINUTES, [outage(table, 1, 2)])
    assert explained(table[[0, 3, 4]], candles(table), evidence) == {(1, "bar"): Cause.GAP, (2, "bar"): Cause.GAP}
    assert set(explained(table[[0, 3, 4]], candles(table)).values()) == {Cause.UNEXPLAINED}


def test_gap_does_not_excuse_a_price_that_nobody_paid():
    table = bars(*CALM, flags={2: "gap"})
    assert explained(table, candles(table, high={2: 103.5})) == {(2, "high"): Cause.UNEXPLAINED}


def test_gap_the_volumes_of_an_outage_have_to_agree_together():
    table = bars(*CALM, volume=[1000, 400, 1600, 1000, 1000], flags={2: "gap"})
    theirs = candles(table, volume={1: 1000, 2: 1700})
    found = explained(table, theirs, Evidence(MINUTES, [outage(table, 1, 2)]))
    assert found == {(1, "volume"): Cause.GAP, (2, "volume"): Cause.UNEXPLAINED}


def test_gap_one_that_lasts_has_no_bar_for_its_volume_yet():
    table = bars(*CALM, volume=[1000, 1000, 1000, 1000, 100])
    since = list(bars_of(table))[4].start
    theirs = candles(table, volume={4: 1000}, high={4: 107})
    found = audit(table, theirs, Evidence(MINUTES, [Outage(since, None)]))
    assert set(causes(found).values()) == {Cause.GAP}
    assert "to this moment" in found.differences[0].why


# missing tick


def test_missing_tick_a_price_that_never_came():
    table = bars(*CALM)
    theirs = candles(table, high={1: 103.5}, low={2: 100.5}, open={3: 102.5}, close={4: 105.5})
    assert set(explained(table, theirs).values()) == {Cause.MISSING_TICK}


def test_missing_tick_a_trade_told_with_the_next_bars_first_packet():
    table = bars(*CALM, volume=[1000, 950, 1050, 1000, 1000])
    assert explained(table, candles(table, volume={1: 1000, 2: 1000})) == {
        (1, "volume"): Cause.MISSING_TICK,
        (2, "volume"): Cause.MISSING_TICK,
    }


def test_missing_tick_a_minute_that_never_came_is_not_explained():
    table = bars(*CALM)
    assert explained(table[[0, 1, 3, 4]], candles(table)) == {(2, "bar"): Cause.UNEXPLAINED}


# auction and open corrected


def opening(*, volume=5000.0, price=98.0):
    """Five minutes, and the auction before them."""
    table = bars((price,) * 4, *CALM, volume=[volume, *[1000.0] * 5], flags={0: "preopen"})
    table["start"][1:] -= np.timedelta64(60_000, "ms")
    table["end"] = table["start"] + np.timedelta64(60_000, "ms")
    table["start"][0] -= np.timedelta64(900_000, "ms")
    return table


def test_auction_theirs_begins_with_it():
    table = opening()
    theirs = candles(table, open={0: 98}, low={0: 98}, volume={0: 6000})
    assert explained(table, theirs) == dict.fromkeys([(0, "open"), (0, "low"), (0, "volume")], Cause.AUCTION)


def test_auction_theirs_ends_with_it():
    table = bars(*CALM, (107.0,) * 4, volume=[*[1000.0] * 5, 4000], flags={5: "closing"})
    theirs = candles(table, close={4: 107}, high={4: 107}, volume={4: 5000})
    assert explained(table, theirs) == dict.fromkeys([(4, "high"), (4, "close"), (4, "volume")], Cause.AUCTION)


def test_auction_another_volume_than_its_is_not_explained():
    table = opening()
    assert explained(table, candles(table, volume={0: 6001, 1: 1000})) == {(0, "volume"): Cause.UNEXPLAINED}


def test_open_corrected_the_price_alone_is_the_auctions():
    table = opening()
    assert explained(table, candles(table, open={0: 98}, low={0: 98})) == {
        (0, "open"): Cause.OPEN_CORRECTED,
        (0, "low"): Cause.OPEN_CORRECTED,
    }


def test_open_corrected_the_ticks_know_the_days_open():
    table = bars(*CALM)
    evidence = Evidence(MINUTES, day_opens={date(2026, 11, 24): 98.5})
    theirs = candles(table, open={0: 98.5}, low={0: 98.5})
    assert set(explained(table, theirs, evidence).values()) == {Cause.OPEN_CORRECTED}


def test_open_corrected_no_other_bars_open_is():
    table = opening()
    evidence = Evidence(MINUTES, day_opens={date(2026, 11, 24): 99.5})
    assert explained(table, candles(table, open={1: 99.5}, low={1: 99.5}), evidence) == {
        (1, "open"): Cause.MISSING_TICK,
        (1, "low"): Cause.MISSING_TICK,
    }


# partial


def test_partial_we_came_later():
    table = bars(*CALM, volume=[300, 1000, 1000, 1000, 1000], flags={0: "partial"})
    theirs = candles(table, open={0: 100.5}, high={0: 102.5}, low={0: 98.5}, volume={0: 1000})
    assert explained(table, theirs) == dict.fromkeys(
        [(0, name) for name in ("open", "high", "low", "volume")], Cause.PARTIAL
    )


def test_partial_says_nothing_of_the_close():
    table = bars(*CALM, flags={0: "partial"})
    theirs = candles(table, close={0: 100.5}, high={0: 100.5})
    assert explained(table, theirs)[0, "close"] is Cause.UNEXPLAINED
    assert explained(table, candles(table, close={0: 100.5})) == {(0, "close"): Cause.MISSING_TICK}


# estimated


def test_estimated_the_neighbour_has_the_opposite_difference():
    table = bars(*CALM, volume=[1000, 970, 1010, 1020, 1000], flags=dict.fromkeys(range(5), "estimated"))
    theirs = candles(table, volume={1: 1000, 2: 1000, 3: 1000})
    found = audit(table, theirs, QUIET)
    assert causes(found) == dict.fromkeys([(1, "volume"), (2, "volume"), (3, "volume")], Cause.ESTIMATED)
    assert "opposite" in found.differences[0].why


def test_estimated_prices_move_with_the_volume():
    table = bars(*CALM, volume=[1000, 970, 1030, 1000, 1000], flags=dict.fromkeys(range(5), "estimated"))
    theirs = candles(table, volume={1: 1000, 2: 1000}, high={1: 103.5}, close={1: 103.5}, low={2: 102}, open={2: 103})
    assert set(explained(table, theirs).values()) == {Cause.ESTIMATED}


def test_estimated_a_low_that_the_neighbours_candle_has():
    table = bars(*CALM, volume=[1000, 970, 1030, 1000, 1000], flags=dict.fromkeys(range(5), "estimated"))
    theirs = candles(table, volume={1: 1000, 2: 1000}, low={2: 101.5})
    assert explained(table, theirs)[2, "low"] is Cause.ESTIMATED
    without = candles(table, volume={1: 970, 2: 1030}, low={2: 101.5})
    assert explained(table, without) == {(2, "low"): Cause.UNEXPLAINED}


def test_estimated_a_bar_too_few_and_its_trade_next_door():
    table = bars(*CALM, volume=[1000, 1000, 10, 1010, 1000], flags={3: "estimated"})
    theirs = candles(table, volume={3: 1000})
    assert explained(table[[0, 1, 3, 4]], theirs) == {(2, "bar"): Cause.ESTIMATED, (3, "volume"): Cause.ESTIMATED}


def test_estimated_a_rest_is_not_explained():
    table = bars(*CALM, volume=[1000, 970, 1030, 1000, 1000], flags=dict.fromkeys(range(5), "estimated"))
    theirs = candles(table, volume={1: 1000, 2: 1007})
    found = audit(table, theirs, QUIET)
    assert sorted(causes(found).values()) == [Cause.ESTIMATED, Cause.UNEXPLAINED]
    assert "7 more" in next(one.why for one in found.differences if one.cause is Cause.UNEXPLAINED)


def test_estimated_an_index_has_no_volume_to_see_it_by():
    table = bars(*CALM, volume=np.nan, token=NIFTY, flags=dict.fromkeys(range(5), "estimated"))
    assert explained(table, candles(table, high={1: 102.5})) == {(1, "high"): Cause.ESTIMATED}
    table["flags"] = 0
    assert explained(table, candles(table, high={1: 102.5})) == {(1, "high"): Cause.UNEXPLAINED}


# no trade


def test_no_trade_the_first_tick_repeats_the_last_price():
    table = bars(*CALM)
    table["open"][2], table["low"][2] = 102, 102
    theirs = candles(table, open={2: 103}, low={2: 103})
    assert explained(table, theirs)[2, "low"] is Cause.NO_TRADE
    assert explained(table, theirs)[2, "open"] is Cause.NO_TRADE


def test_no_trade_a_bar_of_ticks_that_changed_the_book():
    table = bars(*CALM[:2], (102,) * 4, *CALM[2:], volume=[1000, 1000, 0, 1000, 1000, 1000])
    theirs = candles(table)
    del theirs[2]
    assert explained(table, theirs) == {(2, "bar"): Cause.NO_TRADE}
    table["volume"][2] = 5
    assert explained(table, theirs) == {(2, "bar"): Cause.UNEXPLAINED}


def test_no_trade_a_candle_that_carries_the_price_on():
    table = bars(*CALM[:2], (102,) * 4, *CALM[2:], volume=[1000, 1000, 0, 1000, 1000, 1000])
    assert explained(table[[0, 1, 3, 4, 5]], candles(table)) == {(2, "bar"): Cause.NO_TRADE}


# unsettled


def asked_after(table, rows):
    """Evidence by which the first ``rows`` are settled."""
    return Evidence(MINUTES, settled_until=list(bars_of(table))[rows - 1].end)


def test_unsettled_a_candle_may_still_change():
    table = bars(*CALM)
    theirs = candles(table, high={4: 110}, volume={4: 17})
    assert explained(table, theirs, asked_after(table, 4)) == {
        (4, "high"): Cause.UNSETTLED,
        (4, "volume"): Cause.UNSETTLED,
    }
    assert (4, "volume") in explained(table, theirs, asked_after(table, 5))
    assert Cause.UNSETTLED not in explained(table, theirs, asked_after(table, 5)).values()


def test_unsettled_one_that_is_not_there_yet():
    table = bars(*CALM)
    assert explained(table, candles(table)[:4], asked_after(table, 4)) == {(4, "bar"): Cause.UNSETTLED}
    assert explained(table, candles(table)[:4], asked_after(table, 5)) == {(4, "bar"): Cause.UNEXPLAINED}


# what is compared


def test_from_our_first_closed_bar_to_our_last():
    table = bars(*CALM, flags={4: "open", 1: "synthetic"})
    found = audit(table[1:], candles(table), QUIET)
    assert (found.pairs, found.equal) == (2, 2)
    assert audit(table[:0], candles(table), QUIET).pairs == 0


@pytest.mark.parametrize("interval", ["5m", "1h"])
def test_a_missing_bar_ends_with_its_interval(interval):
    every = Interval.parse(interval)
    table = bars(*CALM, every=np.timedelta64(every.size, "ms"), flags={2: "gap"})
    theirs = candles(table)
    found = audit(table[[0, 2, 3]], theirs, Evidence(every))
    assert [(one.field, one.cause, one.start) for one in found.differences] == [("bar", Cause.GAP, theirs[1].start)]


def test_days_are_paired_though_theirs_begin_at_midnight():
    day = Interval.parse("day")
    table = bars(*CALM[:2], every=np.timedelta64(86_400_000, "ms"))
    theirs = [replace(one, start=one.start.replace(hour=0, minute=0)) for one in candles(table, high={1: 104})]
    found = audit(table, theirs, Evidence(day))
    assert (found.pairs, found.equal) == (2, 1)
    assert found.differences[0].cause is Cause.MISSING_TICK


@pytest.mark.parametrize("count", [3000])
def test_a_weeks_minutes_are_compared_at_once(count):
    table = bars(*[CALM[i % 5] for i in range(count)])
    assert audit(table, candles(table), QUIET).equal == count
