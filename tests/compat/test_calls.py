"""Which callbacks events bring; the same against the official client is in test_official.py."""

from __future__ import annotations

from typing import get_args

import pytest

from kitecli.compat.calls import ConnectResponse, Narrator, reason_of
from kitecli.compat.port import Down, Ended, Event, Refused, Said, Up
from kitecli.errors import SubscriptionError

RESPONSE = ConnectResponse("ws://there")
CUT = "connection was closed uncleanly (peer dropped the TCP connection without previous WebSocket closing handshake)"
OPENED = [("on_connect", (RESPONSE,)), ("on_open", ())]
LOST = [("on_error", (1006, CUT)), ("on_close", (1006, CUT))]


def told(*events: Event, tries: int = 50) -> list:
    narrator = Narrator(RESPONSE, tries)
    return [narrator.take(event) for event in events]


def test_every_event_is_known():
    samples = [Up(0), Down(0), Ended(Down(0)), Said(0, "message", "x"), Refused(SubscriptionError("no"))]
    assert {type(sample) for sample in samples} == set(get_args(Event))
    assert all(isinstance(calls, list) for calls in told(*samples))


def test_opened_and_lost():
    assert told(Up(0), Up(0), Down(0), Up(0)) == [OPENED, [], LOST, OPENED]


def test_a_farewell_is_no_error():
    assert told(Up(0), Down(0, 1000, "done"), Up(0), Down(0, 4000)) == [
        OPENED,
        [("on_close", (1000, "done"))],
        OPENED,
        [("on_close", (4000, None))],
    ]


def test_attempts_are_counted_from_the_second_failure_on():
    assert told(*[Down(0)] * 3, Up(0), Down(0), Down(0)) == [
        [],
        [("on_reconnect", (1,))],
        [("on_reconnect", (2,))],
        OPENED,
        LOST,
        [("on_reconnect", (1,))],
    ]


def test_a_refused_handshake_is_told_each_time():
    first, second = told(Down(0, status=403), Down(0, status=403))
    refused = "connection was closed uncleanly (WebSocket connection upgrade failed (403 - Forbidden))"
    assert first == [("on_error", (1006, refused)), ("on_close", (1006, refused))]
    assert second == [*first, ("on_reconnect", (1,))]


def test_hope_is_given_up_once_after_the_tries():
    names = [[name for name, _ in calls] for calls in told(*[Down(0)] * 5, tries=2)]
    assert names == [[], ["on_reconnect"], ["on_reconnect", "on_noreconnect"], ["on_reconnect"], ["on_reconnect"]]


def test_what_is_fatal_is_told_though_nothing_ever_streamed():
    why = Down(0, reason="a bad certificate", fatal=True)
    error = "connection was closed uncleanly (a bad certificate)"
    calls = [("on_error", (1006, error)), ("on_close", (1006, error))]
    assert told(why) == [calls]
    assert told(Ended(why, final=True)) == [[*calls, ("on_noreconnect", ())]]


def test_a_feed_s_end_that_its_last_connection_has_told_is_not_told_again():
    last = Down(0, status=403, over=True)
    first, again = told(last, Ended(Down(0, status=403)))
    assert [name for name, _ in first] == ["on_error", "on_close"]
    assert again == []
    assert told(last, Ended(last, final=True))[1] == [("on_noreconnect", ())]
    assert told(Up(0), Up(1), Down(1, over=True), Ended(Down(0)))[3][-1] == ("on_reconnect", (1,)), "one streamed"


def test_a_feed_that_was_stopped_says_farewell():
    stopped = Ended(Down(0, 1000, "the feed was stopped"), final=True)
    assert told(Up(0), stopped)[1] == [("on_close", (1000, "the feed was stopped")), ("on_noreconnect", ())]


def test_three_connections_are_one_to_the_script():
    """The first opens it; one lost is an outage, told once; it is over when all are back."""
    assert told(Up(0), Up(1), Up(2), Down(1), Down(2), Up(1), Up(2)) == [OPENED, [], [], LOST, [], [], OPENED]
    assert told(Up(0), Down(1), Up(1)) == [OPENED, [], OPENED]


def test_the_connection_that_fails_most_counts():
    calls = told(Up(0), Up(1), Down(0), Down(1), Down(0), Down(1), Down(1))
    assert calls == [OPENED, [], LOST, [], [("on_reconnect", (1,))], [], [("on_reconnect", (2,))]]


def test_a_feed_that_ended_is_an_outage_of_all_and_the_next_one_starts_with_one_connection():
    assert told(Up(0), Up(1), Ended(Down(0)), Up(0), Up(1)) == [OPENED, [], LOST, OPENED, []]
    assert told(Ended(Down(0)), Ended(Down(0))) == [[], [("on_reconnect", (1,))]]


def test_connected_means_all_of_them():
    narrator = Narrator(RESPONSE, 50)
    states = []
    for event in (Up(0), Up(1), Down(1), Up(1), Ended(Down(0))):
        narrator.take(event)
        states.append((narrator.connected, narrator.is_live(0), narrator.is_live(1)))
    assert states == [
        (True, True, False),
        (True, True, True),
        (False, True, False),
        (True, True, True),
        (False, False, False),
    ]


@pytest.mark.parametrize(
    ("event", "calls"),
    [
        (Said(0, "order", {"order_id": "1"}), [("on_order_update", ({"order_id": "1"},))]),
        (Said(0, "order", {}), []),
        (Said(0, "error", "boom"), [("on_error", (0, "boom"))]),
        (Said(0, "message", "hello"), []),
        (Said(0, "other", {"type": "x"}), []),
        (Said(0, "garbled", "{"), []),
        (Refused(SubscriptionError("No", why="because")), [("on_error", (0, "No. because"))]),
    ],
)
def test_texts(event: Event, calls: list):
    assert told(event) == [calls]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Down(0), CUT),
        (Down(0, reason="no bytes for 4 s"), "connection was closed uncleanly (no bytes for 4 s)"),
        (Down(0, 1001, "going"), "going"),
        (Down(0, 1001), None),
        (
            Down(0, status=429),
            "connection was closed uncleanly (WebSocket connection upgrade failed (429 - TooManyRequests))",
        ),
        (Down(0, status=599), "connection was closed uncleanly (WebSocket connection upgrade failed (599 - Unknown))"),
    ],
)
def test_reasons(event: Down, reason: str | None):
    assert reason_of(event) == reason
