"""What is compared with what."""

from datetime import timedelta

import numpy as np

from kitecli.bars.audit_pairs import Candle, Evidence, Outage, paired
from kitecli.bars.intervals import Interval
from kitecli.bars.table import bars_of
from tests.bars.made_up import NIFTY, bars

MINUTES = Interval.parse("1m")
ROW = (100, 102, 99, 101)


def candles(table):
    return [Candle(one.start, one.open, one.high, one.low, one.close, 1000) for one in bars_of(table)]


def test_spans_one_of_us_has_are_there_between_our_first_and_last():
    table = bars(*[ROW] * 6)
    theirs = candles(table)
    pairs = paired(table[[1, 3, 4]], [*theirs[:4], theirs[5]], MINUTES)
    have = [(pair.ours is not None, pair.theirs is not None) for pair in pairs]
    assert have == [(True, True), (False, True), (True, True), (True, False)]
    assert [pair.start for pair in pairs] == [one.start for one in theirs[1:5]]
    assert {pair.end - pair.start for pair in pairs} == {timedelta(minutes=1)}


def test_revisions_stand_behind_the_newest():
    table = bars(*[ROW] * 3)
    table["start"][:] = table["start"][0]
    table["revision"] = 2, 0, 1
    table["close"] = 103, 101, 102
    (pair,) = paired(table, [], MINUTES)
    assert pair.ours.close == 103
    assert [bar.close for bar in pair.earlier] == [101, 102]


def test_auctions_are_no_pairs_but_stand_beside_theirs():
    table = bars(*[ROW] * 5, flags={0: "preopen", 3: "closing", 4: "post_close"})
    first, second = paired(table, candles(table[1:3]), MINUTES)
    assert [bar.flags for bar in first.before] == [("preopen",)]
    assert (first.after, second.before) == ((), ())
    assert [bar.flags[0] for bar in second.after] == ["closing", "post_close"]
    assert (first.previous.flags, second.previous) == (("preopen",), first.ours)
    assert (first.opens_day, second.opens_day) == (True, False)


def test_another_days_auction_does_not_adjoin():
    table = bars(*[ROW] * 2, flags={1: "preopen"})
    table["start"][1] += np.timedelta64(1, "D")
    (pair,) = paired(table, [], MINUTES)
    assert pair.after == ()


def test_surplus_is_theirs_and_none_where_there_is_no_volume():
    table = bars(*[ROW] * 2, volume=[400, 1000])
    theirs = candles(table)
    assert [pair.surplus for pair in paired(table, theirs, MINUTES)] == [600, 0]
    index = bars(ROW, volume=np.nan, token=NIFTY)
    assert [pair.surplus for pair in paired(index, theirs, MINUTES)] == [0]
    assert [pair.surplus for pair in paired(table[[1]], [], MINUTES)] == [-1000]


def test_an_outage_touches_what_it_overlaps():
    table = bars(*[ROW] * 4)
    starts = [one.start for one in bars_of(table)]
    ended, lasting = Outage(starts[0], starts[1]), Outage(starts[2] + timedelta(seconds=1), None)
    pairs = paired(table, [], MINUTES)
    found = [pair.outage(Evidence(MINUTES, [ended, lasting])) for pair in pairs]
    assert found == [ended, None, lasting, lasting]
    assert (ended.words, lasting.words) == (
        "nothing came from 09:15:00 until 09:16:00 IST",
        "nothing came from 09:17:01 to this moment IST",
    )
