"""Waits after wrong passwords."""

from __future__ import annotations

import pytest

from kitecli.clock import NS_PER_S
from kitecli.errors import TooManyTries
from kitecli.vault.tries import Tries


def test_five_are_free_and_then_waits_double_up_to_a_minute():
    waits, tries = [], Tries()
    for _ in range(14):
        tries = tries.failed(0)
        waits.append(tries.wait_s)
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_it_is_refused_until_the_wait_is_over():
    tries = Tries(failures=6, last_ns=100 * NS_PER_S)
    with pytest.raises(TooManyTries) as raised:
        tries.admit(101 * NS_PER_S)
    assert "1 s" in raised.value.hint
    tries.admit(102 * NS_PER_S)


def test_a_clock_set_back_locks_nobody_out():
    Tries(failures=20, last_ns=10**18).admit(5)


def test_it_is_kept_as_bytes_and_rubbish_counts_as_none():
    tries = Tries(3, 7)
    assert Tries.parse(tries.to_bytes()) == tries
    assert {
        Tries.parse(rubbish)
        for rubbish in (b"", b"[]", b"{}", b'{"failures": Infinity, "last_ns": 1}', b'{"failures": "x", "last_ns": 1}')
    } == {Tries()}


def test_a_thousand_failures_wait_no_longer_than_a_minute():
    assert Tries(1000).wait_s == 60
