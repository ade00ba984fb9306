"""What a gateway is told at its start, and the errors that travel."""

import json

import pytest

from kitecli.errors import FeedError, HandshakeForbidden, KiteError, TooManyInstruments
from kitecli.gateway.spec import GatewayEvent, GatewaySpec, RecordPlan, failed, feed_name, revived, told
from kitecli.secret import Secret

SPEC = GatewaySpec(
    "wss://x",
    "key",
    {408065: "full"},
    1 << 20,
    "/run/kite",
    access_token=Secret("t0p"),
    user_id=Secret("AB1234"),
    at_least=2,
    daemon=True,
    intervals=("100ms", "day"),
    timelines="text",
    record=RecordPlan("/srv/ticks", "process", 2.0, "/srv/masters", 7),
)


def test_a_spec_survives_its_line_and_shows_no_secret_elsewhere():
    assert GatewaySpec.from_line(SPEC.to_line()) == SPEC
    assert "t0p" not in repr(SPEC)
    bare = GatewaySpec("wss://x", "key", {}, 64, None, token_file="/home/me/token")
    assert GatewaySpec.from_line(bare.to_line()) == bare


def test_a_feed_s_name_is_of_account_and_ticker_and_tells_neither():
    assert SPEC.name == feed_name("key", "wss://x") == "3461f530"
    assert feed_name("key", "wss://y") != SPEC.name != feed_name("yek", "wss://x")


def test_the_limit_is_the_account_s():
    assert SPEC.limit == 9_000


@pytest.mark.parametrize("error", [HandshakeForbidden("a", why="b", hint="c"), TooManyInstruments("d"), KiteError("e")])
def test_an_error_arrives_as_the_error_it_was(error):
    arrived = revived(json.loads(json.dumps(failed(error).error)))
    assert type(arrived) is type(error)
    assert (arrived.what, arrived.why, arrived.hint) == (error.what, error.why, error.hint)


def test_an_error_nobody_knows_is_one_of_the_feed():
    assert type(revived({"error": "of-tomorrow", "what": "x"})) is FeedError


def test_of_a_defect_only_the_place_is_told():
    try:
        raise ValueError("wss://x?access_token=t0p")
    except ValueError as cause:
        said = told(cause)
    assert "t0p" not in str(said)
    assert said.why.startswith("ValueError at test_spec.py:")


def test_no_error_is_none():
    assert GatewayEvent("stopped").failure() is None
