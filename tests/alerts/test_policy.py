"""What goes out: nothing twice in a while, not too much in an hour, and what was held back is counted."""

from __future__ import annotations

from kitecli.alerts.plan import Alert, AlertPlan, Kind
from kitecli.alerts.policy import HOUR_S, KEYS_MOST, AlertPolicy


def alert(kind: Kind = "outage", key: str = "0") -> Alert:
    return Alert(kind, "it happened", "", "3461f530", 0, key)


def test_the_same_is_told_again_only_after_a_while_and_says_how_many_were_not():
    policy = AlertPolicy(AlertPlan(("webhook",), repeat_after_s=900))
    assert policy.admit(alert(), 0.0) == alert()
    assert [policy.admit(alert(), at_s) for at_s in (1.0, 450.0, 899.9)] == [None] * 3
    again = policy.admit(alert(), 900.0)
    assert again is not None
    assert again.held_back == 3
    after = policy.admit(alert(), 1800.0)
    assert after is not None
    assert after.held_back == 0


def test_another_kind_or_key_is_another_alert():
    policy = AlertPolicy(AlertPlan(("webhook",)))
    told = [policy.admit(one, 0.0) for one in (alert(), alert(key="1"), alert("token"), alert("silent"))]
    assert None not in told


def test_a_kind_nobody_asked_for_is_none_and_not_counted():
    policy = AlertPolicy(AlertPlan(("webhook",), kinds=("token",)))
    assert policy.admit(alert("outage"), 0.0) is None
    told = policy.admit(alert("token"), 0.0)
    assert told is not None
    assert told.held_back == 0


def test_no_hour_has_more_than_so_many():
    policy = AlertPolicy(AlertPlan(("webhook",), repeat_after_s=0, most_per_hour=3))
    times_s = [number * 60.0 for number in range(240)]
    told_s = [at_s for at_s in times_s if policy.admit(alert(), at_s)]
    assert told_s[:4] == [0.0, 60.0, 120.0, 3600.0]
    for at_s in times_s:
        assert sum(at_s - HOUR_S < told <= at_s for told in told_s) <= 3


def test_it_remembers_no_more_than_so_many_keys():
    policy = AlertPolicy(AlertPlan(("webhook",), most_per_hour=10 * KEYS_MOST))
    for number in range(3 * KEYS_MOST):
        assert policy.admit(alert(key=str(number)), float(number))
    assert len(policy._told_s) == KEYS_MOST
