"""The one table of what is wanted, and what it makes of it on the wire."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.errors import SubscriptionError, TooManyInstruments
from kitecli.feed.subscriptions import Subscriptions

MODES = ("ltp", "quote", "full")


class Wire:
    """A server's idea of one connection: what the messages so far have made of it."""

    def __init__(self):
        self.modes = {}

    def take(self, messages):
        for text in messages:
            match json.loads(text):
                case {"a": "subscribe", "v": tokens}:
                    self.modes.update(dict.fromkeys(tokens, "quote"))
                case {"a": "unsubscribe", "v": tokens}:
                    for token in tokens:
                        del self.modes[token]
                case {"a": "mode", "v": [mode, tokens]}:
                    assert set(tokens) <= set(self.modes), "a mode for a token that isn't subscribed"
                    self.modes.update(dict.fromkeys(tokens, mode))


def test_a_fresh_connection_is_told_tokens_and_modes():
    table, wire = Subscriptions(3, 3000), Wire()
    table.want({1: "ltp", 2: "quote", 3: "full"})
    wire.take(table.messages(0))
    assert wire.modes == {1: "ltp", 2: "quote", 3: "full"}
    assert table.messages(0) == []


def test_modes_go_up_and_down():
    table, wire = Subscriptions(3, 3000), Wire()
    table.want({7: "full"})
    wire.take(table.messages(0))
    table.want({7: "ltp"})
    sent = table.messages(0)
    wire.take(sent)
    assert wire.modes == {7: "ltp"}
    assert [json.loads(text)["a"] for text in sent] == ["mode"], "a change of mode needs no new subscription"


def test_a_new_socket_is_told_everything_again():
    table, wire = Subscriptions(3, 3000), Wire()
    table.want({1: "full", 2: "ltp"})
    table.messages(0)
    table.forget(0)
    wire.take(table.messages(0))
    assert wire.modes == {1: "full", 2: "ltp"}


def test_instruments_are_spread_evenly_over_as_few_connections_as_needed():
    table = Subscriptions(3, 3000)
    table.want(dict.fromkeys(range(1, 4001), "quote"))
    assert table.in_use() == 2
    assert [table.load(index) for index in range(3)] == [2000, 2000, 0]


def test_more_connections_can_be_asked_for():
    table = Subscriptions(3, 3000, at_least=3)
    table.want(dict.fromkeys(range(1, 10), "quote"))
    assert [table.load(index) for index in range(3)] == [3, 3, 3]


def test_all_9000_fit_and_the_9001st_is_refused_whole():
    table = Subscriptions(3, 3000)
    table.want(dict.fromkeys(range(1, 9001), "full"))
    assert [table.load(index) for index in range(3)] == [3000, 3000, 3000]
    with pytest.raises(TooManyInstruments) as refusal:
        table.want({9001: "full", 1: "ltp"})
    assert "9,001" in refusal.value.what
    assert table.wanted[1] == "full", "nothing of a refused request is taken"
    table.want({1: "ltp"})


def test_a_dropped_instrument_makes_room():
    table = Subscriptions(1, 2)
    table.want({1: "ltp", 2: "ltp"})
    table.drop([1, 99])
    table.want({3: "ltp"})
    assert table.wanted == {2: "ltp", 3: "ltp"}


@pytest.mark.parametrize("token", ["408065", 0, -1, 2**32, 1.5, True, None])
def test_what_is_no_token_is_refused_by_name(token):
    with pytest.raises(SubscriptionError) as refusal:
        Subscriptions(3, 3000).want({token: "quote"})
    assert repr(token) in refusal.value.what


def test_what_is_no_mode_is_refused_by_name():
    with pytest.raises(SubscriptionError) as refusal:
        Subscriptions(3, 3000).want({1: "depth"})
    assert "'depth'" in refusal.value.what


steps = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.dictionaries(st.integers(1, 30), st.sampled_from(MODES), max_size=8)),
        st.tuples(st.just("drop"), st.lists(st.integers(1, 30), max_size=8)),
        st.tuples(st.just("cut"), st.integers(0, 2)),
        st.tuples(st.just("send"), st.integers(0, 2)),
    ),
    max_size=30,
)


@given(steps)
def test_whatever_happens_the_wires_end_as_wanted(steps):
    """Any order of wishes, cuts and sends: after a last send, the three sockets carry the table, each token once."""
    table, wires = Subscriptions(3, 10), [Wire(), Wire(), Wire()]
    model = {}
    for action, value in steps:
        if action == "want":
            table.want(value)
            model.update(value)
        elif action == "drop":
            table.drop(value)
            for token in value:
                model.pop(token, None)
        elif action == "cut":
            wires[value] = Wire()
            table.forget(value)
        else:
            wires[value].take(table.messages(value))
    for index, wire in enumerate(wires):
        wire.take(table.messages(index))
        assert len(wire.modes) <= 10
    carried = [item for wire in wires for item in wire.modes.items()]
    assert dict(carried) == model
    assert len(carried) == len(model)
