"""The thread of the callbacks: their order, what ends it, and what doesn't."""

from __future__ import annotations

import threading
import time

import pytest

from kitecli.compat.port import Down, Ended, Said, Up
from kitecli.errors import EnvironmentProblem
from kitecli.protocol.encoder import frame
from tests.compat.sources import Heard, ticks_of, together
from tests.conformance.vectors import INFY_FULL, INFY_LTP, INFY_QUOTE, NIFTY_INDEX

INFY, NIFTY = 408065, 256265
LATER = {"stamp": 2}


@pytest.fixture
def heard():
    made = Heard()
    yield made
    made.ticker.close()


@pytest.fixture
def streaming(heard: Heard):
    """Connected, INFY wanted in full mode."""
    heard.ticker.set_mode("full", [INFY])
    heard.ticker.connect(threaded=True)
    heard.feeds.last.said.put(Up(0))
    heard.wait_for("on_open")
    heard.calls.clear()
    return heard


def test_one_call_of_on_ticks_for_each_message(streaming: Heard):
    streaming.feeds.last.batches.put(together(ticks_of(INFY_LTP, INFY_QUOTE), ticks_of(INFY_FULL, **LATER)))
    streaming.wait_for("on_ticks", 2)
    assert [[tick["mode"] for tick in ticks] for _, ticks in streaming.calls] == [["ltp", "quote"], ["full"]]


def test_messages_of_others_tokens_are_not_told(streaming: Heard):
    streaming.feeds.last.batches.put(ticks_of(NIFTY_INDEX))
    streaming.feeds.last.batches.put(ticks_of(NIFTY_INDEX, INFY_LTP))
    streaming.wait_for("on_ticks")
    assert [tick["instrument_token"] for tick in streaming.calls[0][1]] == [INFY]


def test_what_came_before_a_loss_is_delivered_before_it_is_told(streaming: Heard):
    fed = streaming.feeds.last
    held = threading.Event()
    streaming.reactions["on_ticks"] = lambda ticks: held.wait(5)
    fed.batches.put(ticks_of(INFY_LTP))
    streaming.wait_for("on_ticks")
    for _ in range(3):
        fed.batches.put(ticks_of(INFY_LTP))
    fed.said.put(Down(0))
    held.set()
    streaming.wait_for("on_close")
    assert streaming.names == [*4 * ["on_ticks"], "on_error", "on_close"]


def test_ticks_that_overtake_the_news_of_their_connection_come_after_on_connect(streaming: Heard):
    fed = streaming.feeds.last
    fed.said.put(Down(0))
    streaming.wait_for("on_close")
    fed.batches.put(ticks_of(INFY_LTP))
    streaming.wait_for("on_ticks")
    fed.said.put(Up(0))
    fed.batches.put(ticks_of(INFY_LTP))
    streaming.wait_for("on_ticks", 2)
    assert streaming.names == ["on_error", "on_close", "on_connect", "on_open", "on_ticks", "on_ticks"]


def test_order_updates_overtake_ticks_that_wait(streaming: Heard):
    fed = streaming.feeds.last
    streaming.reactions["on_ticks"] = lambda ticks: time.sleep(0.01)
    fed.batches.put(together(*(ticks_of(INFY_LTP, stamp=stamp) for stamp in range(500))))
    streaming.wait_for("on_ticks", 3)
    fed.said.put(Said(0, "order", {"order_id": "1"}))
    streaming.wait_for("on_order_update")
    assert streaming.names.index("on_order_update") < 50


def test_an_order_update_of_three_connections_is_told_once(streaming: Heard):
    for connection in (0, 1, 2):
        streaming.feeds.last.said.put(Said(connection, "order", {"order_id": "1"}))
    streaming.feeds.last.said.put(Said(0, "order", {"order_id": "2"}))
    streaming.wait_for("on_order_update", 2)
    assert [data["order_id"] for _, data in streaming.calls] == ["1", "2"]


def test_errors_are_told_for_each_connection(streaming: Heard):
    for connection in (0, 1):
        streaming.feeds.last.said.put(Said(connection, "error", "boom"))
    streaming.wait_for("on_error", 2)


def test_on_message_has_each_message_again_and_the_heartbeats(streaming: Heard):
    streaming.watch("on_message")
    fed = streaming.feeds.last
    fed.batches.put(together(ticks_of(INFY_LTP, NIFTY_INDEX), ticks_of(INFY_FULL, **LATER)))
    streaming.wait_for("on_ticks", 2)
    fed.beats = 1
    streaming.wait_for("on_message", 3)
    fed.said.put(Said(0, "message", "hello"))
    streaming.wait_for("on_message", 4)
    assert [call for call in streaming.calls if call[0] == "on_message"] == [
        ("on_message", frame([INFY_LTP]), True),
        ("on_message", frame([INFY_FULL]), True),
        ("on_message", b"\x00", True),
        ("on_message", b'{"type":"message","data":"hello"}', False),
    ]
    assert streaming.names[:4] == ["on_message", "on_ticks"] * 2


def test_on_message_shows_the_mode_this_script_asked_for(streaming: Heard):
    streaming.watch("on_message")
    streaming.ticker.set_mode("quote", [INFY])
    streaming.feeds.last.batches.put(ticks_of(INFY_FULL))
    streaming.wait_for("on_ticks")
    assert streaming.calls[0] == ("on_message", frame([INFY_FULL[:44]]), True)


def test_what_was_unsubscribed_in_a_callback_is_not_in_the_next_message(streaming: Heard):
    streaming.ticker.subscribe([NIFTY])
    streaming.reactions["on_ticks"] = lambda ticks: streaming.ticker.unsubscribe([INFY])
    parts = [ticks_of(INFY_LTP), ticks_of(INFY_LTP, NIFTY_INDEX, stamp=2), ticks_of(INFY_LTP, stamp=3)]
    streaming.feeds.last.batches.put(together(*parts))
    streaming.wait_for("on_ticks", 2)
    assert [[tick["instrument_token"] for tick in ticks] for _, ticks in streaming.calls] == [[INFY], [NIFTY]]


def test_nothing_is_told_after_close_but_on_close(streaming: Heard):
    streaming.reactions["on_ticks"] = lambda ticks: streaming.ticker.close(3001, "enough")
    streaming.feeds.last.batches.put(together(*(ticks_of(INFY_LTP, stamp=stamp) for stamp in range(9))))
    streaming.feeds.last.said.put(Said(0, "order", {"order_id": "1"}))
    streaming.wait_for("on_close")
    assert streaming.calls[-1] == ("on_close", 3001, "enough")
    assert streaming.names.count("on_ticks") == 1
    assert streaming.feeds.last.closed


def test_losses_are_counted(streaming: Heard, caplog: pytest.LogCaptureFixture):
    for lost in (5, 7):
        streaming.feeds.last.batches.put(together(ticks_of(INFY_LTP), lost=lost))
    streaming.wait_for("on_ticks", 2)
    assert streaming.ticker.lost_ticks == 12
    assert "7 ticks were lost, 12 in all" in caplog.text


def test_a_callback_that_raises_costs_nothing(streaming: Heard):
    def fail(*_):
        raise KeyError("depth")

    streaming.reactions = {"on_ticks": fail, "on_order_update": fail}
    for stamp in range(100):
        streaming.feeds.last.batches.put(ticks_of(INFY_LTP, stamp=stamp))
    streaming.feeds.last.said.put(Said(0, "order", {"order_id": "1"}))
    streaming.wait_for("on_ticks", 100)
    assert streaming.ticker.callback_errors == {"on_ticks": 100, "on_order_update": 1}
    assert set(streaming.names) == {"on_ticks", "on_order_update"}
    assert streaming.ticker.is_connected()


# ---- feeds that end


def test_after_a_feed_s_end_another_is_opened_and_asked_for_everything(streaming: Heard):
    streaming.ticker.subscribe([NIFTY])
    streaming.feeds.last.said.put(Ended(Down(0, reason="the feed process died")))
    streaming.wait(lambda: len(streaming.feeds.made) == 2)
    streaming.feeds.last.said.put(Up(0))
    streaming.wait_for("on_open")
    died = "connection was closed uncleanly (the feed process died)"
    assert streaming.calls[:2] == [("on_error", 1006, died), ("on_close", 1006, died)]
    assert streaming.names[2:] == ["on_connect", "on_open"]
    assert streaming.feeds.made[0].closed
    streaming.wait(lambda: streaming.feeds.last.modes == {INFY: "full", NIFTY: "quote"})


def test_a_feed_that_can_not_be_opened_again_is_tried_again(streaming: Heard):
    streaming.feeds.failures = [EnvironmentProblem("no memory")]
    streaming.feeds.last.said.put(Ended(Down(0)))
    streaming.wait(lambda: len(streaming.feeds.made) == 2)
    assert streaming.names == ["on_error", "on_close", "on_reconnect"]


def test_a_refused_token_waits_for_another(streaming: Heard, caplog: pytest.LogCaptureFixture):
    streaming.feeds.last.said.put(Ended(Down(0, status=403)))
    streaming.wait_for("on_close")
    assert streaming.ticker._life._reopen_s is None
    assert len(streaming.feeds.made) == 1
    assert "set_access_token" in caplog.text
    assert "403 - Forbidden" in streaming.calls[0][2]
    streaming.ticker.set_access_token("new")
    streaming.wait(lambda: len(streaming.feeds.made) == 2)
    assert streaming.feeds.asked == ["token", "new"]


def test_a_token_that_comes_in_the_callback_is_used_at_once(streaming: Heard):
    streaming.reactions["on_close"] = lambda code, reason: streaming.ticker.set_access_token("new")
    streaming.feeds.last.said.put(Ended(Down(0, status=403)))
    streaming.wait(lambda: len(streaming.feeds.made) == 2)
    assert streaming.feeds.asked == ["token", "new"]


def test_what_is_final_ends_it(streaming: Heard):
    streaming.watch("on_noreconnect")
    streaming.feeds.last.said.put(Ended(Down(0, reason="a bad certificate", fatal=True), final=True))
    streaming.wait_for("on_noreconnect")
    streaming.wait(lambda: streaming.feeds.last.closed)
    assert streaming.names == ["on_error", "on_close", "on_noreconnect"]


def test_tries_used_up_are_told_and_end_it():
    heard = Heard(reconnect_max_tries=2)
    heard.watch("on_noreconnect")
    heard.ticker.connect(threaded=True)
    for _ in range(5):
        heard.feeds.last.said.put(Down(0))
    heard.wait(lambda: heard.feeds.last.closed)
    assert heard.names == ["on_reconnect", "on_reconnect", "on_noreconnect"]


def test_where_nobody_would_be_told_it_is_never_given_up():
    heard = Heard(reconnect_max_tries=2)
    heard.ticker.connect(threaded=True)
    for _ in range(5):
        heard.feeds.last.said.put(Down(0))
    heard.feeds.last.said.put(Up(0))
    heard.wait_for("on_open")
    assert heard.names == [*4 * ["on_reconnect"], "on_connect", "on_open"]
    heard.ticker.close()


# ---- stop, stop_retry


def test_stop_in_the_on_close_of_an_interruption_is_not_meant(streaming: Heard, caplog: pytest.LogCaptureFixture):
    streaming.reactions["on_close"] = lambda code, reason: streaming.ticker.stop()
    streaming.feeds.last.said.put(Down(0))
    streaming.feeds.last.said.put(Up(0))
    streaming.wait_for("on_open")
    assert "stop() in on_close is ignored" in caplog.text
    streaming.ticker.stop()
    streaming.wait(lambda: streaming.feeds.last.closed)
    assert streaming.names == ["on_error", "on_close", "on_connect", "on_open", "on_close"]


def test_stop_anywhere_else_is_meant_also_while_a_connection_is_being_restored(streaming: Heard):
    fed = streaming.feeds.last
    for event in (Up(1), Down(1)):
        fed.said.put(event)
    streaming.wait_for("on_close")
    streaming.reactions["on_ticks"] = lambda ticks: streaming.ticker.stop()
    fed.batches.put(ticks_of(INFY_LTP))
    streaming.wait(lambda: fed.closed)
    assert streaming.names == ["on_error", "on_close", "on_ticks"]


def test_close_in_an_on_close_is_meant(streaming: Heard):
    streaming.reactions["on_close"] = lambda code, reason: streaming.ticker.close()
    streaming.feeds.last.said.put(Down(0))
    streaming.wait(lambda: streaming.feeds.last.closed)
    assert streaming.names == ["on_error", "on_close"]


def test_stop_in_the_on_close_of_what_is_final_is_meant(streaming: Heard, caplog: pytest.LogCaptureFixture):
    streaming.reactions["on_close"] = lambda code, reason: streaming.ticker.stop()
    streaming.feeds.last.said.put(Ended(Down(0), final=True))
    streaming.wait(lambda: streaming.feeds.last.closed)
    assert "ignored" not in caplog.text


def test_stop_retry_ends_it_at_the_next_loss(streaming: Heard):
    streaming.ticker.stop_retry()
    streaming.feeds.last.batches.put(ticks_of(INFY_LTP))
    streaming.wait_for("on_ticks")
    streaming.feeds.last.said.put(Down(0))
    streaming.wait(lambda: streaming.feeds.last.closed)
    assert streaming.names == ["on_ticks", "on_error", "on_close"]


def test_stop_retry_ends_it_now_while_it_is_down(streaming: Heard):
    streaming.feeds.last.said.put(Down(0))
    streaming.wait_for("on_close")
    streaming.ticker.stop_retry()
    streaming.wait(lambda: streaming.feeds.last.closed)
    assert streaming.names == ["on_error", "on_close"]


def test_connect_waits_for_the_end_of_what_was_closed(streaming: Heard):
    streaming.reactions["on_close"] = lambda code, reason: time.sleep(0.2)
    streaming.ticker.close()
    streaming.ticker.connect(threaded=True)
    streaming.feeds.last.said.put(Up(0))
    streaming.wait_for("on_open")
    assert streaming.names == ["on_close", "on_connect", "on_open"]
    assert [fed.closed for fed in streaming.feeds.made] == [True, False]


def test_connect_in_an_on_close_connects_again(streaming: Heard):
    streaming.reactions["on_close"] = lambda code, reason: streaming.ticker.connect()
    streaming.ticker.close()
    streaming.wait(lambda: len(streaming.feeds.made) == 2)
    streaming.feeds.last.said.put(Up(0))
    streaming.wait_for("on_open")
    del streaming.reactions["on_close"]
    assert streaming.names == ["on_close", "on_connect", "on_open"]
    streaming.wait(lambda: streaming.feeds.last.modes == {INFY: "full"})
    assert streaming.ticker.is_connected()
