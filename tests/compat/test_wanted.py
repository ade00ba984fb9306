"""What a script asks for."""

import numpy as np
import pytest

from kitecli.compat.wanted import Wanted, no_tokens, sorted_out
from kitecli.errors import SubscriptionError, TooManyInstruments


def test_new_tokens_are_quotes_and_known_ones_keep_their_mode():
    wanted = Wanted(10)
    wanted.take({1: "full"})
    assert wanted.subscribed([1, 2]) == {1: "full", 2: "quote"}
    assert wanted.modes == {1: "full"}
    wanted.take({1: "full", 2: "quote"})
    assert (wanted.modes, wanted.codes) == ({1: "full", 2: "quote"}, {1: 3, 2: 2})


def test_a_mode_alone_subscribes():
    assert Wanted(10).in_mode("ltp", [5]) == {5: "ltp"}


def test_only_what_was_wanted_is_dropped():
    wanted = Wanted(10)
    wanted.take({1: "quote", 2: "full"})
    assert wanted.drop([2, 3, 2]) == [2]
    assert (wanted.modes, wanted.codes) == ({1: "quote"}, {1: 2})
    assert wanted.subscribed([2]) == {2: "quote"}


def test_a_request_too_many():
    wanted = Wanted(3)
    wanted.take({1: "quote", 2: "quote"})
    with pytest.raises(TooManyInstruments, match="4 instruments are more than the 3"):
        wanted.in_mode("full", [2, 3, 4])
    assert wanted.subscribed([2, 3]) == {2: "quote", 3: "quote"}


def test_a_mode_nobody_knows():
    with pytest.raises(SubscriptionError, match="'FULL' is no mode"):
        Wanted(3).in_mode("FULL", [1])


@pytest.mark.parametrize(
    ("tokens", "good", "bad"),
    [
        ([1, 2], [1, 2], []),
        ((1,), [1], []),
        ({5}, [5], []),
        (range(1, 3), [1, 2], []),
        (np.array([7, 8], np.uint32), [7, 8], []),
        (["408065", 1], [1], ["408065"]),
        ([1.0, True, None, 0, -1, 2**32], [], [1.0, True, None, 0, -1, 2**32]),
        (5, [5], []),
        ("408065", [], ["408065"]),
        (None, [], [None]),
    ],
)
def test_tokens_are_told_from_what_is_none(tokens: object, good: list, bad: list):
    found = sorted_out(tokens)
    assert found == (good, bad)
    assert all(type(token) is int for token in found[0])


def test_what_is_no_token_is_named():
    assert "'408065': no instrument token" in str(no_tokens(["408065"]))
    assert "and 2 more" in str(no_tokens(list("abcdefg")))
