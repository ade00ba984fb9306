"""When rules are due, in virtual time."""

from __future__ import annotations

from random import Random

from kitecli.clock import NS_PER_S
from kitecli.sim.faults.kinds import AfterOpen, At, Choice, Every, Fault, Fin, OnFrame, OnMessage, Rst, Rule, Silence
from kitecli.sim.faults.schedule import Schedule

START_NS = 1_000 * NS_PER_S
RST, FIN = Fault(Rst()), Fault(Fin())


def at(seconds: float) -> int:
    return START_NS + round(seconds * NS_PER_S)


def schedule(*rules: Rule, seed: int = 1) -> Schedule:
    return Schedule(rules, Random(seed), START_NS)


def test_once_is_once_and_in_order():
    plan = schedule(Rule(At(5.0), RST, 1, 1), Rule(At(2.0), FIN, 1, 2))
    assert plan.next_ns() == at(2)
    assert plan.due(at(1.999)) == []
    assert plan.due(at(2)) == [FIN]
    assert plan.due(at(60)) == [RST]
    assert plan.next_ns() is None
    assert schedule(Rule(At(0.0), RST, 1, 1)).due(START_NS) == [RST]


def test_every_is_counted_from_the_start():
    plan = schedule(Rule(Every(10.0), RST, None, 1))
    assert plan.due(at(9)) == []
    assert plan.due(at(12)) == [RST]
    assert plan.next_ns() == at(20)
    assert plan.due(at(45)) == [RST] * 3, "what was slept through is made up for"


def test_times_is_an_end():
    plan = schedule(Rule(Every(1.0), RST, 3, 1))
    assert plan.due(at(100)) == [RST] * 3
    assert plan.next_ns() is None


def test_a_rule_that_is_added_is_of_connections_to_come():
    plan, rule = schedule(), Rule(OnMessage(3), RST, 1, 1)
    before = plan.watch(0)
    plan.add(rule)
    assert before.on_message == {}
    assert plan.watch(0).on_message == {3: [rule]}
    assert [plan.spend(rule), plan.spend(rule)] == [True, False]


def test_jitter_comes_from_the_seed_and_does_not_add_up():
    def times(seed: int) -> list[int]:
        plan, found = schedule(Rule(Every(10.0, 4.0), RST, 50, 1), seed=seed), []
        while (due_ns := plan.next_ns()) is not None:
            found += [due_ns] * len(plan.due(due_ns))
        return found

    assert times(1) == times(1) != times(2)
    late = [due - at(10 * (number + 1)) for number, due in enumerate(times(3))]
    assert len(late) == 50
    assert all(0 <= one <= 4 * NS_PER_S for one in late)
    assert len(set(late)) == 50


def test_a_connection_is_told_what_waits_for_it():
    silence = Fault(Silence(1.0), Choice((1,)))
    rules = [
        Rule(AfterOpen(2.0), RST, None, 1),
        Rule(OnMessage(3), FIN, None, 2),
        Rule(OnMessage(3), silence, None, 3),
        Rule(OnFrame(7), RST, None, 4),
        Rule(At(1.0), RST, 1, 5),
    ]
    plan = schedule(*rules)
    first, second = plan.watch(0), plan.watch(1)
    assert first.after_open == second.after_open == [(2.0, rules[0])]
    assert first.on_message == {3: [rules[1]]}
    assert second.on_message == {3: [rules[1], rules[2]]}
    assert first.on_frame == {7: [rules[3]]}


def test_a_rule_is_spent_over_all_connections():
    rule, other = Rule(OnMessage(1), RST, 2, 1), Rule(OnMessage(1), RST, None, 1)
    plan = schedule(other, rule)
    assert [plan.spend(rule) for _ in range(3)] == [True, True, False]
    assert all(plan.spend(other) for _ in range(100))
