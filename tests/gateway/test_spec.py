"""What goes over the pipes between a gateway and its starter."""

import json

import pytest

from kitecli.errors import FeedError, HandshakeForbidden, KiteError, TooManyInstruments
from kitecli.gateway.spec import GatewayEvent, GatewaySpec, subscribe_request, unsubscribe_request
from kitecli.secret import Secret


def test_a_spec_survives_its_line_and_shows_no_secret_elsewhere():
    spec = GatewaySpec(Secret("wss://x?access_token=t0p"), {408065: "full"}, 1 << 20, "/run/a.ring", at_least=2)
    assert GatewaySpec.from_line(spec.to_line()) == spec
    assert "t0p" not in repr(spec)


@pytest.mark.parametrize(
    "event",
    [
        GatewayEvent("ready", data="/run/a.ring"),
        GatewayEvent("connection", 2, "reconnecting", 1.5, error=FeedError("cut", why="w", hint="h").as_dict()),
        GatewayEvent("message", 0, "order", data={"order_id": "1"}),
        GatewayEvent("stopped"),
    ],
)
def test_an_event_survives_its_line(event):
    assert GatewayEvent.from_line(event.to_line()) == event


@pytest.mark.parametrize("error", [HandshakeForbidden("a", why="b", hint="c"), TooManyInstruments("d"), KiteError("e")])
def test_an_error_arrives_as_the_error_it_was(error):
    arrived = GatewayEvent.from_line(GatewayEvent("failed", error=error.as_dict()).to_line()).failure()
    assert type(arrived) is type(error)
    assert (arrived.what, arrived.why, arrived.hint) == (error.what, error.why, error.hint)


def test_no_error_is_none():
    assert GatewayEvent("stopped").failure() is None


def test_requests_are_one_line_of_json():
    assert json.loads(subscribe_request({1: "full"})) == {"do": "subscribe", "modes": {"1": "full"}}
    assert json.loads(unsubscribe_request([1])) == {"do": "unsubscribe", "tokens": [1]}
