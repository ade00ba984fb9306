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
    callbacks.call("on_ticks", ([{"instrument_token": 408065, "mode": "ltp"}],))
    [record] = caplog.records
    assert (record.name, record.levelno) == ("kitecli.compat", logging.ERROR)
    assert "on_ticks raised KeyError" in record.getMessage()
    assert "408065" in record.getMessage()
    assert "in on_ticks" in caplog.text
    assert callbacks.errors == {"on_ticks": 1}


def test_a_mistake_made_always_is_counted_always_and_reported_once_in_a_while(
    ticker: Ticker, caplog: pytest.LogCaptureFixture
):
    ticker.on_close = lambda _ws, code, reason: 1 / 0
    callbacks = Callbacks(ticker)
    for _ in range(1000):
        callbacks.call("on_close", (1006, "x" * 10_000))
    assert callbacks.errors == {"on_close": 1000}
    assert len(caplog.records) == 1
    assert len(caplog.records[0].getMessage()) < 3_000
    callbacks.finish()
    assert "999 times more" in caplog.records[1].getMessage()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_programs_passes(ticker: Ticker, kind: type[BaseException]):
    def leave(*_):
        raise kind

    ticker.on_ticks = leave
    with pytest.raises(kind):
        Callbacks(ticker).call("on_ticks", ([],))
