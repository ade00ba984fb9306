"""Ctrl-C and SIGTERM while connect() blocks."""

import signal
import threading

import pytest

from kitecli.compat.interrupts import ended_by_signals
from kitecli.vault.guard import end_by_signal


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_afterwards_all_is_as_before(kind: signal.Signals):
    before, ends = signal.getsignal(kind), []
    with ended_by_signals(lambda: ends.append(kind)):
        signal.raise_signal(kind)
        assert ends == [kind]
    assert signal.getsignal(kind) is before


def test_the_second_ctrl_c_interrupts_as_ever():
    with ended_by_signals(lambda: None):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_vault_s_handler_is_none_of_the_script_s_and_stands_again_afterwards():
    """A script that logged in has it, and connect() has to return on SIGTERM all the same."""
    ends = []
    before = signal.signal(signal.SIGTERM, end_by_signal)
    try:
        with ended_by_signals(lambda: ends.append("ended")):
            assert signal.getsignal(signal.SIGTERM) is not end_by_signal  # or the next line kills all tests
            signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is end_by_signal, "the second one overwrites the key and kills"
        assert signal.getsignal(signal.SIGTERM) is end_by_signal
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ends == ["ended"]


def test_a_script_s_own_handlers_stay():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("own"))
    try:
        with ended_by_signals(lambda: heard.append("ours")):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == ["own"]


def test_other_threads_can_have_no_handlers_and_need_none():
    before, inside = signal.getsignal(signal.SIGINT), []

    def elsewhere():
        with ended_by_signals(lambda: None):
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert inside == [before]
