"""What ``kite feed`` says while it streams, and when it gives up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kitecli.commands._stream import Ear
from kitecli.errors import AuthError, ConnectionFailed, HandshakeForbidden
from kitecli.gateway.spec import GatewayEvent

REFUSED = GatewayEvent("connection", 0, "auth", error=HandshakeForbidden("Refused", why="403").as_dict())
LIVE = GatewayEvent("connection", 0, "live")


@pytest.fixture
def feed():
    made = SimpleNamespace(warnings=("its ring is smaller",), finished=0)

    def finish():
        made.finished += 1

    made.finish = finish
    return made


@pytest.mark.parametrize("early", [True, False], ids=["before the feed is known", "after"])
def test_a_token_refused_at_the_start_ends_it(feed, early, capsys):
    ear = Ear(waits_for_token=False)
    if early:
        ear.hear(REFUSED)
    ear.listen_for(feed)
    if not early:
        ear.hear(REFUSED)
    assert isinstance(ear.refusal, HandshakeForbidden)
    assert feed.finished
    said = capsys.readouterr().err
    assert "kite: Refused: 403" in said
    assert "its ring is smaller" in said


@pytest.mark.parametrize(("waits", "events"), [(True, [REFUSED]), (False, [LIVE, REFUSED])])
def test_one_that_may_come_back_is_waited_for(feed, waits, events):
    ear = Ear(waits_for_token=waits)
    ear.listen_for(feed)
    for event in events:
        ear.hear(event)
    assert (ear.refusal, feed.finished) == (None, 0)


def test_what_waits_for_people_says_what_they_have_to_do(capsys):
    public = AuthError("The token file /t can be read by others", why="its mode is 0644", hint="chmod 600 it")
    Ear(waits_for_token=True).hear(GatewayEvent("connection", 0, "auth", error=public.as_dict()))
    assert capsys.readouterr().err.endswith("its mode is 0644; chmod 600 it\n")


def test_failures_say_when_it_is_tried_again_and_the_brokers_words_are_passed_on(capsys):
    ear = Ear(waits_for_token=False)
    cut = ConnectionFailed("The ticker's connection ended", why="1006 it was cut")
    ear.hear(GatewayEvent("connection", 0, "reconnecting", retry_in_s=0.3, error=cut.as_dict()))
    ear.hear(GatewayEvent("message", 0, "error", data="Too many"))
    ear.hear(GatewayEvent("message", 0, "order", data={"order_id": "1"}))
    assert capsys.readouterr().err.splitlines() == [
        "kite: The ticker's connection ended: 1006 it was cut; trying again in 0.3 s",
        "kite: the broker says: Too many",
    ]
