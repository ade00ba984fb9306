"""A Secret shows itself nowhere but where it is asked to."""

from __future__ import annotations

import ast
import copy
import inspect
import json
import logging
import pickle
import traceback
from pathlib import Path

import pytest

from kitecli.secret import MASK, Secret, redacted, without_secrets

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


def test_it_is_kept_in_a_buffer_that_is_overwritten():
    buffer = bytearray(b"canary")
    secret = Secret(buffer)
    assert secret.view().obj is buffer
    secret.wipe()
    assert buffer == bytes(6)
    assert not secret
    assert secret.reveal() == ""


@pytest.mark.parametrize("text", ["", "abc", "पासवर्ड", "\udcff from the environment"])
def test_any_text_comes_back(text: str):
    assert Secret(text).reveal() == text


def test_every_process_that_kite_starts_is_given_an_environment_without_any():
    started = [
        (path.name, {one.arg: ast.unparse(one.value) for one in call.keywords})
        for path in Path(inspect.getfile(Secret)).parent.rglob("*.py")
        if "subprocess." in (text := path.read_text(encoding="utf-8"))
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {"subprocess.Popen", "subprocess.run"}
    ]
    assert len(started) > 4
    assert [name for name, given in started if "without_secrets(os.environ)" not in given.get("env", "")] == []


def test_known_secrets_are_masked_in_any_text_the_longest_first():
    token, url = Secret("tok-4711"), Secret("wss://ws?access_token=tok-4711")
    assert redacted("to wss://ws?access_token=tok-4711 with tok-4711") == f"to {MASK} with {MASK}"
    del url
    assert redacted("to wss://ws?access_token=tok-4711") == f"to wss://ws?access_token={MASK}"
    assert token


def test_two_equal_ones_are_masked_until_the_last_is_gone():
    one, other = Secret("twice-0815"), Secret("twice-0815")
    del one
    assert redacted("twice-0815") == MASK
    del other
    assert redacted("twice-0815") == "twice-0815"


def test_short_ones_would_garble_everything():
    secret = Secret("token")
    assert redacted("the token was refused") == "the token was refused"
    assert secret


def test_a_child_s_environment_has_no_secret():
    environ = {"PATH": "/bin", "KITE_PASSWORD": "x", "KITE_ACCESS_TOKEN": "x", "KITE_ENVIRONMENT": "sim"}
    assert without_secrets(environ) == {"PATH": "/bin", "KITE_ENVIRONMENT": "sim"}
