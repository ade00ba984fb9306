"""The one table of what is wanted, and what it makes of it on the wire."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.errors import SubscriptionError, TooManyInstruments
from kitecli.feed.subscriptions import TOKENS_PER_MESSAGE, Subscriptions, Update

MODES = ("ltp", "quote", "full")


def nse(count):
    """So many instrument tokens of NSE."""
    return [number << 8 | 1 for number in range(1, count + 1)]


TOKENS = nse(30)


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
    wire.take(table.update(0).texts)
    assert wire.modes == {1: "ltp", 2: "quote", 3: "full"}
    assert table.update(0) == Update([], {})


def test_quote_is_not_asked_for_twice():
    """A subscription that says no mode is answered in quote; only a change of mode has to be said."""
    table = Subscriptions(3, 3000)
    table.want({1: "quote"})
    assert [json.loads(text)["a"] for text in table.update(0).texts] == ["subscribe"]
    table.want({1: "full"})
    table.update(0)
    table.want({1: "quote"})
    assert [json.loads(text)["v"] for text in table.update(0).texts] == [["quote", [1]]]


def test_modes_go_up_and_down():
    table, wire = Subscriptions(3, 3000), Wire()
    table.want({7: "full"})
    wire.take(table.update(0).texts)
    table.want({7: "ltp"})
    sent = table.update(0).texts
    wire.take(sent)
    assert wire.modes == {7: "ltp"}
    assert [json.loads(text)["a"] for text in sent] == ["mode"], "a change of mode needs no new subscription"


def test_a_new_socket_is_told_everything_again():
    table, wire = Subscriptions(3, 3000), Wire()
    table.want({1: "full", 2: "ltp"})
    table.update(0)
    table.forget(0)
    wire.take(table.update(0).texts)
    assert wire.modes == {1: "full", 2: "ltp"}


def test_instruments_are_spread_evenly_over_as_few_connections_as_needed():
    table = Subscriptions(3, 3000)
    table.want(dict.fromkeys(nse(4000), "quote"))
    assert table.in_use() == 2
    assert [table.load(index) for index in range(3)] == [2000, 2000, 0]


def test_more_connections_can_be_asked_for():
    table = Subscriptions(3, 3000, at_least=3)
    table.want(dict.fromkeys(nse(9), "quote"))
    assert [table.load(index) for index in range(3)] == [3, 3, 3]


def test_all_9000_fit_and_the_9001st_is_refused_whole():
    table = Subscriptions(3, 3000)
    first, *_ = all_of_them = nse(9000)
    table.want(dict.fromkeys(all_of_them, "full"))
    assert [table.load(index) for index in range(3)] == [3000, 3000, 3000]
    with pytest.raises(TooManyInstruments) as refusal:
        table.want({256265: "full", first: "ltp"})
    assert "9,001" in refusal.value.what
    assert table.wanted[first] == "full", "nothing of a refused request is taken"
    table.want({first: "ltp"})


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


@pytest.mark.parametrize("exchange_token", [1594, 35003, 500325])
def test_an_exchange_token_is_told_from_an_instrument_token(exchange_token):
    """Found by its last byte, which names no segment: 24 of 25 are."""
    with pytest.raises(SubscriptionError, match="exchange token") as refusal:
        Subscriptions(3, 3000).want({exchange_token: "quote"})
    assert str(exchange_token << 8 | 1) in refusal.value.hint


def test_a_segment_we_do_not_know_yet_is_let_through():
    table = Subscriptions(3, 3000)
    table.want({50_000 << 8 | 13: "quote"})
    assert len(table.wanted) == 1


def test_nothing_of_a_bad_request_is_taken():
    table = Subscriptions(3, 3000)
    with pytest.raises(SubscriptionError):
        table.want({1: "ltp", 2: "depth"})
    assert table.wanted == {}
    assert table.update(0) == Update([], {})


def test_what_is_new_to_a_socket_is_named_and_a_change_of_mode_is_not():
    table = Subscriptions(3, 3000)
    table.want({1: "ltp", 2: "full"})
    assert table.update(0).fresh == {1: "ltp", 2: "full"}
    table.want({1: "full", 3: "quote"})
    assert table.update(0).fresh == {3: "quote"}
    table.forget(0)
    assert table.update(0).fresh == {1: "full", 2: "full", 3: "quote"}


def test_wishes_that_cancel_out_are_not_sent():
    table = Subscriptions(3, 3000)
    table.want({1: "full"})
    table.update(0)
    table.drop([1])
    table.want({1: "full"})
    assert table.update(0).texts == []


def test_a_small_change_to_a_full_table_costs_a_small_change():
    """8,000 requests to 9,000 instruments, each sent by itself: the table isn't walked for each of them."""
    table = Subscriptions(3, 3000)
    tokens = nse(9000)
    table.want(dict.fromkeys(tokens, "full"))
    for connection in range(3):
        table.update(connection)
    began = time.process_time()
    sent = 0
    for token in tokens[:8000]:
        table.want({token: "ltp"})
        sent += sum(len(table.update(connection).texts) for connection in range(3))
    assert sent == 8000
    assert time.process_time() - began < 10, "it takes half a second; walking the table each time, half a minute"


def test_what_is_no_mode_is_refused_by_name():
    with pytest.raises(SubscriptionError) as refusal:
        Subscriptions(3, 3000).want({1: "depth"})
    assert "'depth'" in refusal.value.what


steps = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.dictionaries(st.sampled_from(TOKENS), st.sampled_from(MODES), max_size=8)),
        st.tuples(st.just("drop"), st.lists(st.sampled_from(TOKENS), max_size=8)),
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
            wires[value].take(table.update(value).texts)
    for index, wire in enumerate(wires):
        wire.take(table.update(index).texts)
        assert len(wire.modes) <= 10
    carried = [item for wire in wires for item in wire.modes.items()]
    assert dict(carried) == model
    assert len(carried) == len(model)


@given(
    st.dictionaries(st.sampled_from(TOKENS[:9]), st.sampled_from(MODES), min_size=1),
    st.integers(0, 8),
    st.dictionaries(st.sampled_from(TOKENS[:9]), st.sampled_from(MODES)),
    st.lists(st.sampled_from(TOKENS[:9])),
    st.integers(0, 8),
)
def test_a_restoration_cut_between_any_two_messages_is_begun_again(modes, cut_at, changed, dropped, cut_again):
    """The socket takes a first part of what was sent; wishes change while it is down; so a second time; then whole."""
    table = Subscriptions(1, 3000)
    table.want(modes)
    for cut in (cut_at, cut_again):
        table.forget(0)
        Wire().take(table.update(0).texts[:cut])  # what the old socket made of it is gone with it
        table.want(changed)
        table.drop(dropped)
    wire = Wire()
    table.forget(0)
    update = table.update(0)
    wire.take(update.texts)
    expected = {token: mode for token, mode in (modes | changed).items() if token not in dropped}
    assert wire.modes == table.wanted == update.fresh == expected


def test_messages_stay_small():
    table = Subscriptions(1, 3000)
    table.want(dict.fromkeys(nse(2500), "full"))
    sizes = [len(json.loads(text)["v"]) for text in table.update(0).texts if json.loads(text)["a"] == "subscribe"]
    assert sizes == [TOKENS_PER_MESSAGE, TOKENS_PER_MESSAGE, 500]
