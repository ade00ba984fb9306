"""A Secret shows itself nowhere but where it is asked to."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest

from kitecli.secret import MASK, Secret

CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "shown", [str, repr, "{}".format, "{:>20}".format, lambda secret: f"{[secret]}", lambda secret: f"{secret!s:.99}"]
)
def test_it_is_masked_wherever_it_is_printed(shown):
    assert CANARY not in shown(Secret(CANARY))
    assert MASK in shown(Secret(CANARY))


def test_it_is_masked_in_logs(caplog: pytest.LogCaptureFixture):
    logging.getLogger("test").warning("token %s", Secret(CANARY))
    assert CANARY not in caplog.text


def test_it_is_masked_in_tracebacks_with_locals():
    secret = Secret(CANARY)
    try:
        raise ValueError(secret)
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert CANARY not in shown.replace(f'"{CANARY}"', "")


def test_reveal_gives_it_back():
    assert Secret(CANARY).reveal() == CANARY


def test_it_compares_and_hashes_by_value():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_an_empty_one_is_false():
    assert not Secret("")
    assert Secret("a")


@pytest.mark.parametrize("taken", [pickle.dumps, json.dumps, copy.deepcopy, vars])
def test_it_cant_be_carried_off_by_accident(taken):
    with pytest.raises(TypeError):
        taken(Secret(CANARY))
