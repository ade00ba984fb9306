"""The control protocol: what is said is understood, and nothing else is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kitecli.errors import FeedError, KiteError, SubscriptionError, TooManyInstruments, UsageError
from kitecli.gateway import messages
from kitecli.gateway.messages import (
    LINE_BYTES,
    AccessToken,
    Answer,
    Asked,
    Bye,
    Gaps,
    Hello,
    Record,
    Stats,
    Status,
    Stop,
    Subscribe,
    Unrecord,
    Unsubscribe,
    parse_request,
    parse_said,
)
from kitecli.gateway.spec import GatewayEvent, RecordPlan
from kitecli.market.modes import MODES
from kitecli.secret import Secret

REQUESTS = [
    Hello("kite feed", 4711),
    Hello("kite status", 1, observer=True, daemon=True, token=Secret("d00r")),
    Subscribe({408065: "full", 738561: "ltp"}),
    Subscribe({}, keep=True),
    Subscribe({408065: "full"}, groups={"cas": [408065], "agri": []}),
    Unsubscribe((408065, 1)),
    Unsubscribe(()),
    Status(),
    Stats(),
    Gaps(),
    Gaps(41),
    AccessToken(Secret("t0p")),
    Record(RecordPlan("/srv/ticks", "process", 2.5, "/srv/masters", 0)),
    Record(RecordPlan("/srv/ticks")),
    Unrecord(),
    Stop(),
    Bye(),
]


def line(**said):
    return json.dumps({"v": 1, "id": 1, **said}).encode()


@pytest.mark.parametrize("request_", REQUESTS, ids=repr)
def test_a_request_survives_its_line(request_):
    sent = messages.request_line(7, request_)
    assert sent.endswith(b"\n")
    assert sent.count(b"\n") == 1
    assert parse_request(sent) == Asked(7, request_)


@given(st.dictionaries(st.integers(1 << 20, 0xFFFFFFFF), st.sampled_from(MODES)))
def test_any_subscription_survives_its_line(modes):
    assert parse_request(messages.request_line(1, Subscribe(modes))).request == Subscribe(modes)


def test_nine_thousand_instruments_fit_a_line_many_times():
    modes = dict.fromkeys(range(0x10000000, 0x10000000 + 9000), "full")
    assert len(messages.request_line(1, Subscribe(modes))) * 9 < LINE_BYTES


def test_an_instrument_said_twice_is_held_in_the_higher_mode():
    asked = parse_request(line(do="subscribe", modes={"full": [1793], "quote": [1793, 2049], "ltp": [2049]}))
    assert asked.request == Subscribe({1793: "full", 2049: "quote"})


def test_whatever_counts_as_a_number_is_one():
    ticks = np.array([408065, 738561], np.uint32)
    assert parse_request(messages.request_line(1, Subscribe(dict.fromkeys(ticks, "ltp")))).request == Subscribe(
        {408065: "ltp", 738561: "ltp"}
    )
    assert messages.numbers(ticks) == (408065, 738561)


@pytest.mark.parametrize("token", ["408065", 1.0, None, b"1"])
def test_what_is_no_number_is_refused_before_it_is_sent(token):
    with pytest.raises(SubscriptionError, match="no instrument token"):
        messages.request_line(1, Subscribe({token: "ltp"}))
    with pytest.raises(SubscriptionError, match="no instrument token"):
        messages.numbers([token])


@pytest.mark.parametrize(
    ("said", "kind", "match"),
    [
        ({"do": "subscribe"}, UsageError, "modes"),
        ({"do": "subscribe", "modes": [1]}, UsageError, "modes"),
        ({"do": "subscribe", "modes": {"full": 7}}, UsageError, "tokens"),
        ({"do": "subscribe", "modes": {"depth": [7]}}, SubscriptionError, "no mode.*ltp, quote, full"),
        ({"do": "subscribe", "modes": {"full": ["7"]}}, SubscriptionError, "'7' is no instrument token"),
        ({"do": "subscribe", "modes": {"full": [True]}}, SubscriptionError, "'True' is no"),
        ({"do": "subscribe", "modes": {"full": [0]}}, SubscriptionError, "0 is no"),
        ({"do": "subscribe", "modes": {"full": [1594]}}, SubscriptionError, "exchange token"),
        ({"do": "subscribe", "modes": {"full": [1 << 32]}}, SubscriptionError, "4294967296"),
        ({"do": "subscribe", "modes": {"full": [[7]]}}, SubscriptionError, "no instrument token"),
        ({"do": "subscribe", "modes": {"full": [7]}, "keep": 1}, UsageError, "keep"),
        ({"do": "subscribe", "modes": {"full": [7]}, "groups": [7]}, UsageError, "groups"),
        ({"do": "subscribe", "modes": {"full": [7]}, "groups": {"cas": [None]}}, UsageError, "tokens"),
        ({"do": "unsubscribe"}, UsageError, "tokens"),
        ({"do": "unsubscribe", "tokens": {"7": 1}}, UsageError, "tokens"),
        ({"do": "unsubscribe", "tokens": [7, None]}, UsageError, "tokens"),
        ({"do": "gaps", "after": -1}, UsageError, "after"),
        ({"do": "record"}, UsageError, "store"),
        ({"do": "record", "store": "relative/path"}, UsageError, "from the root"),
        ({"do": "record", "store": "/x", "level": "hope"}, UsageError, "process, power"),
        ({"do": "record", "store": "/x", "flush_s": True}, UsageError, "seconds"),
        ({"do": "record", "store": "/x", "flush_s": 61}, UsageError, "seconds"),
        ({"do": "record", "store": "/x", "flush_s": -1}, UsageError, "seconds"),
        ({"do": "record", "store": "/x", "floor_bytes": -1}, UsageError, "floor_bytes"),
        ({"do": "record", "store": "/x", "seal": 1}, UsageError, "seal"),
        ({"do": "gaps", "after": "x"}, UsageError, "after"),
        ({"do": "hello", "client": 7}, UsageError, "client"),
        ({"do": "hello", "client": "x" * 5000}, UsageError, "client"),
        ({"do": "hello", "token": 7}, UsageError, "token"),
        ({"do": "access_token"}, UsageError, "access_token"),
        ({"do": "access_token", "access_token": "a\nb"}, UsageError, "access_token"),
        ({"do": "dance"}, UsageError, "doesn't know this request.*hello, subscribe"),
        ({"do": None}, UsageError, "doesn't know"),
        ({"do": ["stop"]}, UsageError, "doesn't know"),
        ({}, UsageError, "doesn't know"),
        ({"v": 2, "do": "stop"}, FeedError, "different versions.*version 2"),
        ({"v": "1", "do": "stop"}, FeedError, "no version"),
    ],
)
def test_a_request_that_can_t_be_done_is_refused_under_its_number(said, kind, match):
    asked = parse_request(line(**said))
    assert asked.id == 1
    assert isinstance(asked.request, kind)
    with pytest.raises(kind, match=match):
        raise asked.request


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"GET / HTTP/1.1",
        b"{",
        b"[1]",
        b"7",
        b"null",
        b"\xff\xfe",
        b"{}",
        line(id=None),
        line(id="7"),
        line(id=True),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"v":1,"id":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda garbage: repr(garbage[:20]),
)
def test_what_is_no_request_is_raised(garbage):
    with pytest.raises(FeedError, match="no request"):
        parse_request(garbage)


def test_nothing_of_a_refused_line_is_quoted():
    for said in (
        {"do": "access_token", "access_token": "t0p\n"},
        {"do": "t0p"},
        {"v": "t0p"},
        {"do": "hello", "pid": "t0p"},
    ):
        assert "t0p" not in str(parse_request(line(**said)).request)
    with pytest.raises(FeedError) as refusal:
        parse_request(b'{"access_token": "t0p"')
    assert "t0p" not in str(refusal.value)
    assert refusal.value.__suppress_context__


def test_a_client_s_name_can_steer_no_terminal():
    asked = parse_request(line(do="hello", client="\x1b[2Jkite\r\n \u202e" + "x" * 100))
    assert asked.request.client.startswith("[2Jkite ")
    assert len(asked.request.client) == 80


def test_fields_of_later_versions_are_passed_over():
    assert parse_request(line(do="stop", why="because")).request == Stop()
    assert parse_said(b'{"v":1,"event":"stopped","mood":"fine"}') == GatewayEvent("stopped")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(["v", "id", "do", "modes", "tokens", "keep", "client", "pid", "token", "access_token", "after"])
orders = st.sampled_from(
    ["hello", "subscribe", "unsubscribe", "status", "stats", "gaps", "access_token", "stop", "bye"]
)


@given(st.binary(max_size=200))
@example(b'{"v":1,"id":1,"do":"hello","client":"\\ud800"}')
def test_no_bytes_hurt(data):
    try:
        asked = parse_request(data)
    except FeedError:
        return
    assert isinstance(asked.id, int)


@settings(max_examples=40)
@given(st.dictionaries(names, json_values, max_size=6), orders)
def test_no_json_hurts(plain, order):
    asked = parse_request(json.dumps({"v": 1, "do": order, **plain, "id": 7}).encode())
    assert asked.id == 7
    if not isinstance(asked.request, KiteError):
        assert parse_request(messages.request_line(7, asked.request)) == asked
    messages.refusal_line(7, FeedError("x"))


@given(st.data())
def test_no_damage_to_a_good_line_hurts(data):
    good = bytearray(messages.request_line(3, data.draw(st.sampled_from(REQUESTS))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at] = data.draw(st.integers(0, 255))
    try:
        parse_request(bytes(good))
    except FeedError:
        return


@pytest.mark.parametrize(
    "event",
    [
        GatewayEvent("ready", data="/run/a.ring"),
        GatewayEvent("connection", 0, "reconnecting", 17, 1.5, error=FeedError("cut", why="w", hint="h").as_dict()),
        GatewayEvent("message", 0, "order", data={"order_id": "1"}),
        GatewayEvent("gap", 1, data={"tokens": [1, 2], "to_ns": None}),
        GatewayEvent("silent", 1, data=[408065]),
        GatewayEvent("stopped", data="signal SIGTERM"),
        GatewayEvent("failed", error=TooManyInstruments("a", why="b", hint="c").as_dict()),
    ],
    ids=lambda event: event.kind,
)
def test_an_event_survives_its_line(event):
    assert parse_said(messages.event_line(event)) == event


def test_answers_survive_their_lines():
    assert parse_said(messages.answer_line(7, {"a": [1]})) == Answer(7, {"a": [1]})
    error = FeedError("what", why="why", hint="hint")
    assert parse_said(messages.refusal_line(None, error)) == Answer(None, None, error.as_dict())


@pytest.mark.parametrize("said", [b"", b"{", b'{"v":2,"event":"stopped"}', b'{"id":1}', b"[]"])
def test_a_gateway_of_another_version_is_told(said):
    with pytest.raises(FeedError):
        parse_said(said)
