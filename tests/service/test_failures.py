"""What is said of callbacks that raise: exact counts, few words. In virtual time."""

import logging

import pytest

from kitecli.market.view import ticks_of
from kitecli.protocol.decoder import decode_frame
from kitecli.service.failures import INTERVAL_S, Callback, FailureLog


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def callback():
    return Callback(print, "on_tick")


def log(clock, **more):
    return FailureLog(logging.getLogger("kitecli.service"), clock, **more)


def raised(text="depth"):
    try:
        raise KeyError(text)
    except KeyError as error:
        return error


def tick():
    frame = bytes.fromhex("0001 0008") + (738561).to_bytes(4, "big") + (154220).to_bytes(4, "big")
    return next(ticks_of(decode_frame(frame).ticks, sequences=7))


def test_the_first_is_said_at_once_with_all_there_is_to_know(clock, callback, caplog):
    log(clock).failed(callback, raised(), tick())
    (record,) = caplog.records
    said = record.getMessage()
    assert "on_tick raised KeyError on instrument 738561, tick 7:" in said
    assert "'last_price': 1542.2" in said
    assert record.exc_info[1].args == ("depth",)
    assert record.name == "kitecli.service"


def test_then_one_in_a_while_with_the_exact_number(clock, callback, caplog):
    failures = log(clock)
    for _ in range(1000):
        failures.failed(callback, raised(), tick())
    assert (len(caplog.records), callback.errors) == (1, 1000)
    clock.now_s += INTERVAL_S
    failures.failed(callback, raised(), tick())
    assert "(1,001 times so far, 999 of them since the last report)" in caplog.records[-1].getMessage()
    failures.failed(callback, raised(), tick())
    failures.finish(callback)
    failures.finish(callback)
    assert [record.getMessage() for record in caplog.records[2:]] == ["on_tick raised once more since the last report"]


def test_other_subjects_are_shown_in_part(clock, callback, caplog):
    log(clock).failed(callback, raised(), {"order": "x" * 10_000})
    assert 1000 < len(caplog.records[0].getMessage()) < 3000


def test_so_many_in_a_row_retire_it(clock, callback, caplog):
    failures = log(clock, retire_after=3)
    for _ in range(2):
        failures.failed(callback, raised(), tick())
    callback.streak = 0  # it succeeded
    for _ in range(2):
        failures.failed(callback, raised(), tick())
    assert not callback.retired
    failures.failed(callback, raised(), tick())
    assert callback.retired
    assert "failed 3 times in a row and isn't called again" in caplog.records[-1].getMessage()


def test_by_default_nothing_is_retired(clock, callback):
    failures = log(clock)
    for _ in range(10_000):
        failures.failed(callback, raised(), None)
    assert not callback.retired
