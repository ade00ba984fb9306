"""What a script asks for."""

import numpy as np
import pytest

from kitecli.compat.wanted import Wanted, sorted_out
from kitecli.errors import SubscriptionError, TooManyInstruments

INFY, NIFTY = 408065, 256265


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
    ("tokens", "good"),
    [
        ([INFY, NIFTY], [INFY, NIFTY]),
        ((INFY,), [INFY]),
        ({INFY}, [INFY]),
        (range(INFY, INFY + 256, 256), [INFY]),
        (np.array([INFY, NIFTY], np.uint32), [INFY, NIFTY]),
        (INFY, [INFY]),
        ([], []),
    ],
)
def test_tokens(tokens: object, good: list):
    found, wrong = sorted_out(tokens)
    assert (found, wrong) == (good, None)
    assert all(type(token) is int for token in found)


@pytest.mark.parametrize("bad", ["408065", 1.0, True, None, 0, -1, 2**32, [1], 1594])
def test_what_is_no_token_is_named_and_the_others_are_taken(bad: object):
    good, wrong = sorted_out([INFY, bad, NIFTY])
    assert good == [INFY, NIFTY]
    assert wrong.what == f"{bad!r} is no instrument token"
    assert "the others were taken" in wrong.hint


def test_of_many_the_first_is_named_and_the_rest_counted():
    good, wrong = sorted_out(["a", "b", INFY, "c"])
    assert good == [INFY]
    assert "'a'" in wrong.what
    assert "2 more" in wrong.why


@pytest.mark.parametrize("tokens", ["408065", None, 1594])
def test_what_is_no_list(tokens: object):
    good, wrong = sorted_out(tokens)
    assert good == []
    assert repr(tokens) in wrong.what
