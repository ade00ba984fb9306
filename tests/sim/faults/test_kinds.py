"""Which connections a fault is about, and that a rule is a value."""

from __future__ import annotations

from kitecli.sim.faults.kinds import At, Choice, Fault, Rst, Rule


def test_all_covers_every_seat_and_a_list_its_own():
    assert Choice().is_all
    assert [Choice().covers(seat) for seat in (0, 7)] == [True, True]
    some = Choice((0, 2))
    assert not some.is_all
    assert [some.covers(seat) for seat in (0, 1, 2)] == [True, False, True]


def test_a_random_choice_is_made_once_and_covers_none_that_comes_later():
    assert not Choice(random=1).is_all
    assert not Choice(random=1).covers(0)


def test_rules_are_values():
    one, two = (Rule(At(5.0), Fault(Rst()), 1, 3) for _ in range(2))
    assert one == two
    assert len({one, two}) == 1
