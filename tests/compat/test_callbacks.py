"""A script's callbacks: called with the ticker, and kept apart when they raise."""

import logging

import pytest

from kitecli.compat.callbacks import Callbacks


class Ticker:
    on_ticks = on_close = None


@pytest.fixture
def ticker():
    return Ticker()


def test_the_ticker_comes_first(ticker: Ticker):
    heard = []
    ticker.on_close = lambda *arguments: heard.append(arguments)
    callbacks = Callbacks(ticker)
    callbacks.call("on_close", (1000, "done"))
    callbacks.call("on_ticks", ([],))
    assert heard == [(ticker, 1000, "done")]
    assert (callbacks.has("on_close"), callbacks.has("on_ticks")) == (True, False)


def test_a_callback_may_be_set_and_taken_back_at_any_time(ticker: Ticker):
    callbacks, heard = Callbacks(ticker), []
    for callback in (None, lambda *_: heard.append(1), None):
        ticker.on_ticks = callback
        callbacks.call("on_ticks", ([],))
    assert heard == [1]


def test_what_it_raises_is_counted_and_reported_with_its_ticks(ticker: Ticker, caplog: pytest.LogCaptureFixture):
    def on_ticks(_ws, ticks):
        raise KeyError("depth")

    ticker.on_ticks = on_ticks
    callbacks = Callbacks(ticker)
    ticks = [{"instrument_token": number, "mode": "ltp"} for number in range(7)]
    callbacks.call("on_ticks", (ticks,))
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "on_ticks raised KeyError('depth')" in record.getMessage()
    assert "0 (ltp), 1 (ltp), 2 (ltp), 3 (ltp), 4 (ltp) and 2 more" in record.getMessage()
    assert "in on_ticks" in caplog.text
    assert callbacks.errors == {"on_ticks": 1}


def test_a_mistake_made_always_is_counted_always_and_reported_seldom(ticker: Ticker, caplog: pytest.LogCaptureFixture):
    ticker.on_close = lambda _ws, code, reason: 1 / 0
    callbacks = Callbacks(ticker)
    for _ in range(1000):
        callbacks.call("on_close", (1006, "x" * 1000))
    assert callbacks.errors == {"on_close": 1000}
    assert len(caplog.records) == 10
    assert len(caplog.records[-1].getMessage()) < 500


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_programs_passes(ticker: Ticker, kind: type[BaseException]):
    def leave(*_):
        raise kind

    ticker.on_ticks = leave
    with pytest.raises(kind):
        Callbacks(ticker).call("on_ticks", ([],))
