"""Who wants what: a model of sets and maxima, and the claims beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.errors import TooManyInstruments
from kitecli.gateway.claims import Claims
from kitecli.market.modes import MODES


def test_an_instrument_is_wanted_while_anybody_holds_it_in_the_highest_mode():
    claims = Claims(100)
    assert claims.hold(1, {7: "ltp"}).want == {7: "ltp"}
    assert claims.hold(2, {7: "full", 8: "quote"}).want == {7: "full", 8: "quote"}
    assert claims.hold(3, {7: "quote"}).want == {}
    assert claims.let_go(2, [7]).want == {7: "quote"}
    assert claims.let_go(2, [7, 99]).drop == []
    gone = claims.release(3)
    assert (gone.want, gone.drop) == ({7: "ltp"}, [])
    assert claims.release(1).drop == [7]
    assert claims.release(2).drop == [8]
    assert len(claims) == 0


def test_a_client_may_lower_its_own_mode():
    claims = Claims(100)
    claims.hold(1, {7: "full"})
    assert claims.hold(1, {7: "ltp"}).want == {7: "ltp"}
    assert claims.held(1) == {7: "ltp"}


def test_what_passes_the_account_s_limit_is_refused_whole():
    claims = Claims(10)
    claims.hold(1, dict.fromkeys(range(1, 9), "full"))
    with pytest.raises(TooManyInstruments, match="11 instruments") as refusal:
        claims.hold(2, {1: "ltp", 20: "ltp", 21: "ltp", 22: "ltp"})
    assert "other clients of this feed hold 8 that you don't" in refusal.value.why
    assert (claims.count(2), len(claims)) == (0, 8)
    with pytest.raises(TooManyInstruments) as refusal:
        claims.hold(1, dict.fromkeys(range(10, 20), "full"))
    assert "broker" in refusal.value.why
    claims.hold(2, {1: "ltp", 20: "ltp", 21: "ltp"})
    assert len(claims) == 10


clients = st.integers(1, 4)
tokens = st.integers(1, 6)
steps = st.one_of(
    st.tuples(st.just("hold"), clients, st.dictionaries(tokens, st.sampled_from(MODES), max_size=6)),
    st.tuples(st.just("let_go"), clients, st.lists(tokens, max_size=6)),
    st.tuples(st.just("release"), clients, st.none()),
)


@given(st.lists(steps, max_size=30))
def test_whatever_clients_do_the_pool_ends_up_with_the_union(script):
    """``streamed`` is what a pool would carry that does as the changes say; the model is recomputed from nothing."""
    claims, model, streamed = Claims(5), {}, {}
    for action, client, what in script:
        held = model.setdefault(client, {})
        if action == "hold":
            try:
                change = claims.hold(client, what)
            except TooManyInstruments:
                assert len({token for each in model.values() for token in each} | what.keys()) > 5
                continue
            held.update(what)
        elif action == "let_go":
            change = claims.let_go(client, what)
            for token in what:
                held.pop(token, None)
        else:
            change = claims.release(client)
            held.clear()
        assert not change.want.keys() & set(change.drop)
        streamed.update(change.want)
        for token in change.drop:
            del streamed[token]
        union = {token for each in model.values() for token in each}
        highest = {
            token: max((each[token] for each in model.values() if token in each), key=MODES.index) for token in union
        }
        assert streamed == highest == claims.wanted()
        assert len(claims) == len(union)
        assert {each: claims.held(each) for each in model} == model
