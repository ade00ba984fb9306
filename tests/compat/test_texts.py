"""Text messages again, and each of them once."""

import json

import pytest

from kitecli.compat.port import Said
from kitecli.compat.texts import Copies, payload_of
from kitecli.protocol.messages import parse_server_text


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"order","data":{"order_id":"1"}}',
        '{"type":"error","data":"boom"}',
        '{"type":"message","data":"hello"}',
        '{"type":"app_code","timestamp":"2025-08-01"}',
        '{"type":"order","data":null}',
        "no json",
    ],
)
def test_a_text_is_what_it_was(text: str):
    message = parse_server_text(text)
    assert payload_of(Said(0, message.kind, message.data)) == text.encode()


def test_spaces_are_all_that_is_lost():
    text = '{ "type": "order",\n "data": {"a": [1, 2.5, null, "\\u20b9"]} }'
    message = parse_server_text(text)
    assert json.loads(payload_of(Said(0, message.kind, message.data))) == json.loads(text)


def test_each_text_is_news_from_the_connection_that_brings_it_first():
    copies = Copies()
    assert [copies.is_copy(connection, b"a") for connection in (0, 1, 2)] == [False, True, True]
    assert [copies.is_copy(connection, b"a") for connection in (1, 0, 2)] == [False, True, True]


def test_the_same_text_twice_over_one_connection_is_told_twice():
    copies = Copies()
    assert [copies.is_copy(connection, b"a") for connection in (0, 0, 1, 1, 1)] == [False, False, True, True, False]


def test_different_texts_have_nothing_to_do_with_each_other():
    copies = Copies()
    assert not any(copies.is_copy(connection, text) for connection, text in ((0, b"a"), (1, b"b"), (0, b"c")))


def test_old_texts_are_forgotten_and_those_still_coming_are_not():
    copies = Copies()
    for number in range(10_000):
        assert not copies.is_copy(0, b"%d" % number)
        assert copies.is_copy(1, b"%d" % number)
        copies.is_copy(0, b"often")
    assert copies.is_copy(1, b"often")
    assert len(copies._seen) <= 256
