"""What is said while bars are waited for, and for how long they are."""

import pytest

from kitecli.bars.intervals import Interval
from kitecli.bars.table import bars_of
from kitecli.terminal.bar_waiting import FIRST_TICK_S, TELL_S, Waiting
from tests.bars.made_up import bars

A, B, C, D, E = 1, 2, 3, 4, 5
LABELS = {A: "NSE:A", B: "NSE:B"}


def at_work(*tokens, minute=0):
    rows = list(bars_of(bars(*[(1, 1, 1, 1)] * (minute + 1))))
    return dict.fromkeys(tokens, rows[minute])


def waiting(labels=LABELS, interval="1m", closed=()):
    def words(label):
        return f"{label} opens on Monday" if label in closed else ""

    return Waiting(labels, Interval.parse(interval), words)


def test_the_close_of_the_first_bar_is_said_once():
    one = waiting()
    assert list(one.words((), {}, 1.0)) == []
    assert list(one.words((), at_work(A), 1.2)) == ["the first 1m bar of NSE:A closes at 09:16:00 IST"]
    assert list(one.words((), at_work(A, B), 1.3)) == ["the first 1m bar of NSE:B closes at 09:16:00 IST"]
    assert list(one.words((), at_work(A, B, minute=1), 61)) == []


def test_a_short_wait_is_not_worth_a_word():
    one = waiting()
    assert list(one.words((), at_work(A), TELL_S - 0.1)) == []
    assert len(list(one.words((), at_work(A), TELL_S))) == 1


def test_those_that_close_together_are_said_together():
    forming = {**at_work(A, B, C, D), **at_work(E, minute=1)}
    labels = {A: "A", B: "B", C: "C", D: "D", E: "E"}
    assert list(waiting(labels).words((), forming, TELL_S)) == [
        "the first 1m bars of A, B, C and 1 more close at 09:16:00 IST",
        "the first 1m bar of E closes at 09:17:00 IST",
    ]


@pytest.mark.parametrize(("interval", "when"), [("500t", "after 500 ticks"), ("100000v", "after 1,00,000 are traded")])
def test_bars_of_no_time_say_what_closes_them(interval, when):
    (line,) = waiting(interval=interval).words((), at_work(A), TELL_S)
    assert line == f"the first {interval} bar of NSE:A closes {when}"


def test_an_instrument_without_a_tick_is_named_after_a_while_once():
    one = waiting()
    assert list(one.words((A,), {}, FIRST_TICK_S - 0.1)) == []
    assert list(one.words((A,), {}, FIRST_TICK_S)) == ["no tick of NSE:B yet"]
    assert list(one.words((A,), {}, 60)) == []


def test_all_have_bars():
    assert waiting().over({A, B}, (), 0)


def test_one_that_forms_is_waited_for_however_long():
    assert not waiting().over({A}, {B}, 1000)
    assert not waiting().over((), {A, B}, 1000)


def test_one_without_a_tick_is_waited_for_a_moment_where_others_have_bars():
    assert not waiting().over({A}, (), FIRST_TICK_S - 0.1)
    assert waiting().over({A}, (), FIRST_TICK_S)
    assert not waiting().over((), (), 1000), "with none at all there is nothing to show"


def test_a_closed_exchange_is_said_and_not_waited_for():
    one = waiting(closed=("NSE:A", "NSE:B"))
    assert not one.over((), (), FIRST_TICK_S - 0.1)
    assert one.over((), (), FIRST_TICK_S)
    assert list(one.words((), {}, FIRST_TICK_S)) == [
        "no tick of NSE:A, NSE:B yet: NSE:A opens on Monday, NSE:B opens on Monday"
    ]
    assert not one.over((), {A}, FIRST_TICK_S), "something trades all the same"


def test_one_exchange_that_is_open_is_waited_for():
    one = waiting(closed=("NSE:A",))
    assert not one.over((), (), 1000)
    assert list(one.words((), {}, FIRST_TICK_S)) == ["no tick of NSE:A, NSE:B yet"]
