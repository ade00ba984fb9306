"""Which events become alerts, and when: on a clock that is an argument."""

import pytest

from kitecli.alerts.plan import AlertPlan
from kitecli.errors import EnvironmentProblem, HandshakeForbidden
from kitecli.gateway.alarms import Alarms
from kitecli.gateway.spec import GatewayEvent

REFUSED = HandshakeForbidden("The broker refuses the token", why="HTTP 403", hint="log in again").as_dict()
FULL = EnvironmentProblem("The recording can't go on", why="No space left on device").as_dict()


def gap(number, connection=1, *, ended_after_s=None):
    from_ns = 10**18
    to_ns = None if ended_after_s is None else from_ns + int(ended_after_s * 1e9)
    record = {"number": number, "connection": connection, "tokens": [1, 2], "from_ns": from_ns, "to_ns": to_ns}
    return GatewayEvent("gap", connection, data={**record, "cause": "a reset", "sequence": 0})


@pytest.fixture
def alarms():
    return Alarms(AlertPlan(("webhook",), outage_after_s=5.0, repeat_after_s=900.0), "3461f530")


def test_a_short_outage_is_nobodys_business(alarms):
    assert alarms.hear(gap(1), 100.0, 1) == []
    assert alarms.wait_s(101.0) == 4.0
    assert alarms.due(104.9, 2) == []
    assert alarms.hear(gap(1, ended_after_s=4.95), 104.95, 3) == []
    assert alarms.wait_s(105.0) is None
    assert alarms.due(200.0, 4) == []


def test_a_long_one_is_told_once_and_its_end_too(alarms):
    alarms.hear(gap(1), 100.0, 1)
    [begun] = alarms.due(105.0, 7)
    assert (begun.kind, begun.grave, begun.feed, begun.at_ns) == ("outage", True, "3461f530", 7)
    assert begun.what == "No ticks on connection 1 for 5 s, 2 instruments"
    assert "a reset" in begun.why
    assert alarms.due(106.0, 8) == []
    [over] = alarms.hear(gap(1, ended_after_s=61.0), 161.0, 9)
    assert (over.kind, over.grave, over.what) == ("outage", False, "Connection 1 streams again after 61.0 s")


def test_connections_that_come_and_go_are_told_once_in_a_while_and_ends_only_where_the_beginning_was(alarms):
    sent = []
    for number in range(1, 61):  # a minute each, half of it without ticks
        begun_s = number * 60.0
        sent += alarms.hear(gap(number), begun_s, 0)
        sent += alarms.due(begun_s + 5.0, 0)
        sent += alarms.hear(gap(number, ended_after_s=30.0), begun_s + 30.0, 0)
    assert [one.grave for one in sent] == [True, False] * 4
    assert sent[2].held_back == 14


def test_two_connections_are_two_outages(alarms):
    alarms.hear(gap(1, 0), 100.0, 0)
    alarms.hear(gap(2, 1), 103.0, 0)
    assert alarms.wait_s(103.0) == 2.0
    assert [one.key for one in alarms.due(105.0, 0)] == ["0"]
    assert [one.key for one in alarms.due(108.0, 0)] == ["1"]


def test_a_refused_token_is_told_once_for_all_connections_with_what_to_do(alarms):
    refusals = [GatewayEvent("connection", number, "auth", 5, error=REFUSED) for number in range(3)]
    [told] = [alert for event in refusals for alert in alarms.hear(event, 100.0, 0)]
    assert (told.kind, told.what) == ("token", "The broker refuses the access token")
    assert told.why == "The broker refuses the token: HTTP 403; log in again"


def test_a_recording_that_stops_is_told_and_that_it_goes_on(alarms):
    assert alarms.hear(GatewayEvent("recording", state="on"), 0.0, 0) == []
    [stopped] = alarms.hear(GatewayEvent("recording", state="alarm", error=FULL), 1.0, 1)
    assert (stopped.kind, stopped.what) == ("recording", "The feed is not recorded")
    assert "No space left" in stopped.why
    [again] = alarms.hear(GatewayEvent("recording", state="on"), 2.0, 2)
    assert (again.grave, again.what) == (False, "The feed is recorded again")
    assert alarms.hear(GatewayEvent("recording", state="alarm", error=FULL), 3.0, 3) == [], "told two seconds ago"
    assert alarms.hear(GatewayEvent("recording", state="on"), 4.0, 4) == [], "what nobody heard of isn't over"


def test_silent_instruments_and_a_failed_feed_are_told_and_an_asked_end_is_not(alarms):
    [silent] = alarms.hear(GatewayEvent("silent", state="silent", data=[1, 2, 3]), 0.0, 0)
    assert silent.what == "3 instruments have stopped ticking"
    [ended] = alarms.hear(GatewayEvent("failed", error=REFUSED), 0.0, 0)
    assert ended.kind == "ended"
    for quiet in (
        GatewayEvent("stopped", data="kite stop"),
        GatewayEvent("silent", state="back", data=[1]),
        GatewayEvent("connection", 0, "live"),
        GatewayEvent("message", 0, "order", data={}),
        GatewayEvent("ready"),
        GatewayEvent("recording", state="off"),
    ):
        assert alarms.hear(quiet, 0.0, 0) == []
