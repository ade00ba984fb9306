"""Whom to call, and that what one raises is nobody else's business."""

import logging
import threading

import pytest

from kitecli.service.callbacks import KINDS, Callbacks, call
from kitecli.service.failures import FailureLog


@pytest.fixture
def callbacks():
    return Callbacks()


def failures(**more):
    return FailureLog(logging.getLogger("kitecli.service"), lambda: 0.0, **more)


def test_they_are_called_in_the_order_they_came(callbacks):
    heard = []
    callbacks.add("tick", lambda subject: heard.append(("first", subject)))
    callbacks.add("tick", lambda subject: heard.append(("second", subject)))
    callbacks.add("order", heard.append)
    call(callbacks.of("tick"), 5, failures())
    assert heard == [("first", 5), ("second", 5)]


def test_one_that_raises_keeps_no_other_from_hearing(callbacks):
    heard = []

    def broken(subject):
        raise ValueError(subject)

    callbacks.add("tick", broken)
    callbacks.add("tick", heard.append)
    for subject in range(4):
        call(callbacks.of("tick"), subject, failures())
    assert heard == [0, 1, 2, 3]
    assert sorted(callbacks.errors().values()) == [0, 4]


def test_success_ends_a_streak_and_the_retired_rest(callbacks):
    heard, log = [], failures(retire_after=2)

    def moody(subject):
        heard.append(subject)
        if subject != 1:
            raise ValueError(subject)

    callbacks.add("tick", moody)
    for subject in range(6):
        call(callbacks.of("tick"), subject, log)
    assert heard == [0, 1, 2, 3]


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt])
def test_an_end_of_the_program_goes_through(callbacks, end):
    def leave(subject):
        raise end

    callbacks.add("tick", leave)
    with pytest.raises(end):
        call(callbacks.of("tick"), None, failures())


def test_same_names_are_told_apart_and_bound_methods_can_be_removed(callbacks):
    class Strategy:
        def on_tick(self, tick):
            raise ValueError

    one, other = Strategy(), Strategy()
    for strategy in (one, other):
        callbacks.add("tick", strategy.on_tick)
        callbacks.add("gap", strategy.on_tick)
    names = list(callbacks.errors())
    assert len(set(names)) == 4
    assert names[0].endswith("Strategy.on_tick")
    callbacks.remove(one.on_tick)
    assert [callback.function for callback in callbacks.of("tick")] == [other.on_tick]
    assert len(callbacks.all()) == 2


def test_what_cant_be_called_is_refused(callbacks):
    with pytest.raises(TypeError, match="int"):
        callbacks.add("tick", 5)


def test_threads_add_at_once(callbacks):
    def add():
        for _ in range(500):
            callbacks.add("tick", lambda subject: None)

    workers = [threading.Thread(target=add) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(callbacks.of("tick")) == 2000
    assert len(callbacks.errors()) == 2000
    assert all(callbacks.of(kind) == () for kind in KINDS if kind != "tick")
