"""What each event of a feed becomes in its log."""

import logging

import pytest

from kitecli.errors import HandshakeForbidden
from kitecli.gateway.notes import note_of
from kitecli.gateway.spec import GatewayEvent

ERROR = HandshakeForbidden("The broker refuses the token", why="HTTP 403", hint="log in").as_dict()
GAP = {
    "number": 3,
    "connection": 1,
    "tokens": [1, 2],
    "from_ns": 10**9,
    "to_ns": None,
    "cause": "a reset",
    "sequence": 7,
}


@pytest.mark.parametrize(
    ("event", "component", "level", "words"),
    [
        (GatewayEvent("ready", data="/run/ring"), "feed", "INFO", "the ring can be read"),
        (GatewayEvent("connection", 1, "live", 5), "feed", "INFO", "connection 1 is live"),
        (
            GatewayEvent("connection", 1, "auth", 5, error=ERROR),
            "feed",
            "ERROR",
            "connection 1 is auth: The broker refuses the token: HTTP 403",
        ),
        (
            GatewayEvent("connection", 1, "reconnecting", 5, 2.5, error=ERROR),
            "feed",
            "WARNING",
            "connection 1 is reconnecting: The broker refuses the token: HTTP 403; trying again in 2.5 s",
        ),
        (GatewayEvent("connection", 1, "stale", 5), "feed", "WARNING", "connection 1 is stale"),
        (
            GatewayEvent("gap", 1, data=GAP),
            "feed",
            "WARNING",
            "outage 3 of connection 1 begins, 2 instruments: a reset",
        ),
        (
            GatewayEvent("gap", 1, data={**GAP, "to_ns": 3_500_000_000}),
            "feed",
            "INFO",
            "outage 3 of connection 1 is over after 2.50 s",
        ),
        (GatewayEvent("recording", state="on", data={"bytes": 5}), "recording", "INFO", "recording is on"),
        (
            GatewayEvent("recording", state="alarm", error=ERROR),
            "recording",
            "ERROR",
            "recording is alarm: The broker refuses the token: HTTP 403",
        ),
        (GatewayEvent("message", 0, "error", data="no session"), "feed", "WARNING", "the broker says: no session"),
        (GatewayEvent("message", 0, "message", data="hello"), "feed", "INFO", "the broker says: hello"),
        (
            GatewayEvent("message", state="defect", error=ERROR),
            "feed",
            "ERROR",
            "the feed goes on after a problem: The broker refuses the token: HTTP 403",
        ),
        (
            GatewayEvent("silent", state="silent", data=[1, 2, 3]),
            "feed",
            "WARNING",
            "3 instruments don't tick though their connection streams",
        ),
        (GatewayEvent("silent", state="back", data=[1]), "feed", "INFO", "1 instruments tick again"),
        (GatewayEvent("stopped", data="kite stop"), "feed", "INFO", "the feed ends: kite stop"),
        (
            GatewayEvent("failed", error=ERROR),
            "feed",
            "ERROR",
            "the feed has failed: The broker refuses the token: HTTP 403",
        ),
    ],
)
def test_each_event_is_one_note(event, component, level, words):
    note = note_of(event)
    assert (note.component, note.level, note.what) == (component, getattr(logging, level), words)
    assert note.fields["event"] == event.kind
    assert note.fields.get("error", {}) == event.error
    assert note.fields.get("connection") == event.connection


def test_an_order_is_told_without_what_stands_in_it():
    note = note_of(GatewayEvent("message", 0, "order", data={"order_id": "canary", "price": 1500}))
    assert note.level == logging.DEBUG
    assert "canary" not in f"{note}"


def test_a_long_outage_names_no_instruments_and_silent_ones_are_cut_to_a_few():
    gap = note_of(GatewayEvent("gap", 1, data={**GAP, "tokens": list(range(9_000))}))
    assert gap.fields["instruments"] == 9_000
    assert "tokens" not in gap.fields
    silent = note_of(GatewayEvent("silent", state="silent", data=list(range(9_000))))
    assert (silent.fields["instruments"], len(silent.fields["tokens"])) == (9_000, 20)


def test_an_outage_says_how_long_it_was():
    assert note_of(GatewayEvent("gap", 1, data={**GAP, "to_ns": 3_500_000_000})).fields["lasted_s"] == 2.5
