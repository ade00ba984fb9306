"""Ctrl-C and SIGTERM while connect() blocks."""

import signal
import threading

import pytest

from kitecli.compat.interrupts import ended_by_signals


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
