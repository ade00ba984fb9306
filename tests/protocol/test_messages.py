"""The text messages: what a client writes, what a server says, and what neither may choke on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.protocol import messages
from kitecli.protocol.messages import ClientRequest, ServerMessage, parse_client_text, parse_server_text

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
TYPED = st.fixed_dictionaries(
    {"type": st.sampled_from(["order", "error", "message", "x"]) | ANYTHING}, optional={"data": ANYTHING}
)
ASKED = st.fixed_dictionaries({"a": st.sampled_from(["subscribe", "unsubscribe", "mode"])}, optional={"v": ANYTHING})


def test_requests_have_the_documented_shape() -> None:
    assert json.loads(messages.subscribe([408065, 884737])) == {"a": "subscribe", "v": [408065, 884737]}
    assert json.loads(messages.unsubscribe(iter([408065]))) == {"a": "unsubscribe", "v": [408065]}
    assert json.loads(messages.set_mode("full", [408065])) == {"a": "mode", "v": ["full", [408065]]}


def test_unknown_mode_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="depth20"):
        messages.set_mode("depth20", [1])


def test_the_server_reads_what_the_client_writes() -> None:
    assert parse_client_text(messages.subscribe([1, 2])) == ClientRequest("subscribe", (1, 2))
    assert parse_client_text(messages.unsubscribe([3])) == ClientRequest("unsubscribe", (3,))
    assert parse_client_text(messages.set_mode("ltp", [4])) == ClientRequest("mode", (4,), "ltp")
    assert parse_client_text(b'{"a":"subscribe","v":[]}') == ClientRequest("subscribe", ())


def test_tokens_that_are_no_numbers_are_left_out() -> None:
    assert parse_client_text('{"a":"subscribe","v":["408065",true,null,1.5,-1,0,4294967296,5633]}') == ClientRequest(
        "subscribe", (5633,)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "1",
        "null",
        '{"a":"subscribe"}',
        '{"a":"subscribe","v":5}',
        '{"a":"dance","v":[1]}',
        '{"v":[1]}',
        '{"a":"mode","v":["full"]}',
        '{"a":"mode","v":["all",[1]]}',
        '{"a":"mode","v":[["full"],[1]]}',
        '{"a":["mode"],"v":["full",[1]]}',
        '{"a":"mode","v":["full",1]}',
        b"\xff\xfe",
        "[" * 100_000,
    ],
)
def test_what_is_no_request_is_ignored(text: str | bytes) -> None:
    assert parse_client_text(text) is None


def test_the_client_reads_what_the_server_writes() -> None:
    order = {"order_id": "1", "status": "COMPLETE"}
    assert parse_server_text(messages.order_text(order)) == ServerMessage("order", order)
    assert parse_server_text(messages.error_text("Can't")) == ServerMessage("error", "Can't")
    assert parse_server_text(messages.message_text("नमस्ते").encode()) == ServerMessage("message", "नमस्ते")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type":"app_code","timestamp":"x"}', ServerMessage("other", {"type": "app_code", "timestamp": "x"})),
        ('{"data":1}', ServerMessage("other", {"data": 1})),
        ('{"type":"error"}', ServerMessage("error", "")),
        ('{"type":"error","data":{"a":1}}', ServerMessage("error", '{"a":1}')),
        ('{"type":"order"}', ServerMessage("garbled", '{"type":"order"}')),
        ('["order"]', ServerMessage("garbled", '["order"]')),
        ("not json", ServerMessage("garbled", "not json")),
        (b"\xffabc", ServerMessage("garbled", "\ufffdabc")),
        ("9" * 5000, ServerMessage("garbled", "9" * 5000)),
        ("[" * 100_000, ServerMessage("garbled", "[" * 100_000)),
    ],
)
def test_odd_server_text_is_told_apart(text: str | bytes, expected: ServerMessage) -> None:
    assert parse_server_text(text) == expected


@given(st.text() | st.binary() | TYPED.map(json.dumps) | ASKED.map(json.dumps))
def test_no_text_raises(text: str | bytes) -> None:
    message = parse_server_text(text)
    assert message.kind != "order" or isinstance(message.data, dict)
    assert message.kind not in ("error", "message", "garbled") or isinstance(message.data, str)
    request = parse_client_text(text)
    assert request is None or all(type(token) is int for token in request.tokens)
