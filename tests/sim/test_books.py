"""Books: whatever the fair value, no book is crossed and every price can be traded at."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kitecli.sim.books import make_books

ONE = st.tuples(st.floats(0, 1e6), st.integers(1, 500), st.integers(1, 25_000), st.integers(1, 1250))


@given(st.lists(ONE, min_size=1, max_size=40), st.integers(0, 2**32))
def test_books_are_never_crossed_and_keep_to_the_tick_size(wanted, seed: int):
    fair, spread, tick_size, lot = (np.array(column) for column in zip(*wanted, strict=True))
    tick_size = np.minimum(tick_size, (2**31 - 1) // (fair.astype(np.int64) + 600))
    tick_size = np.maximum(tick_size, 1)
    books = make_books(fair, spread, tick_size, lot, np.random.default_rng(seed))
    buy, sell = books.depth["buy"], books.depth["sell"]
    assert (buy["price"][:, 0] < sell["price"][:, 0]).all()
    assert (sell["price"] > 0).all()
    assert (np.diff(sell["price"].astype(np.int64), axis=1) > 0).all()
    assert (np.diff(buy["price"].astype(np.int64), axis=1) <= 0).all()
    for side in (buy, sell):
        assert (side["price"] % tick_size[:, None] == 0).all()
        there = side["price"] > 0
        assert ((side["quantity"] > 0) == there).all()
        assert ((side["orders"] > 0) == there).all()
        assert (side["quantity"] % lot[:, None] == 0).all()
        assert (side["pad"] == 0).all()
    assert (books.bid * tick_size == buy["price"][:, 0]).all()
    assert (books.ask * tick_size == sell["price"][:, 0]).all()


def test_worth_less_than_a_tick_has_offers_only():
    books = make_books(np.array([0.2]), np.array([1]), np.array([5]), np.array([65]), np.random.default_rng(1))
    assert books.depth["buy"]["price"].tolist() == [[0] * 5]
    assert books.depth["sell"]["price"].tolist() == [[5, 10, 15, 20, 25]]
