"""KiteTicker as scripts use it: its face, and its behaviour over real gateways and exchanges."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter

import pytest

from kitecli.broker.rest import BrokerSession, fetch_instruments
from kitecli.compat import KiteTicker, attached
from kitecli.errors import EnvironmentProblem, UsageError
from kitecli.market.instruments import parse_instruments
from kitecli.protocol.messages import parse_client_text
from kitecli.secret import Secret
from kitecli.settings import load
from kitecli.settings.live import LiveConfig
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions
from tests.compat.exchange import Ticker, tickers, wait_for
from tests.compat.sources import Heard, ticks_of
from tests.conformance.vectors import INFY_FULL, INFY_LTP, message

INFY, NIFTY, OTHER = 408065, 256265, 738561


@pytest.fixture(autouse=True)
def _own_runtime_dir(tmp_path, monkeypatch):
    """And feeds on threads, which start at once; scripts run as processes, and test_attached.py, have theirs apart."""
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))
    config = LiveConfig(
        lambda: load(environ={"KITE_PERFORMANCE_USE_MMAP": "false", "KITE_PERFORMANCE_RING_BUFFER_SIZE": "65536"})
    )
    monkeypatch.setattr(attached, "config", config)


@pytest.fixture
def there():
    with tickers() as new:
        yield new()


@pytest.fixture(scope="module")
def exchange():
    with launch(SimOptions(instruments=300, rate=10, rate_limits=False)) as sim:
        yield sim


def told(ticker: Ticker, number: int) -> dict[int, str]:
    """What the server's table is after all a connection has said, the broker's way."""
    table: dict[int, str] = {}
    for text in ticker.client(number).texts:
        request = parse_client_text(text)
        for token in request.tokens:
            if request.action == "unsubscribe":
                table.pop(token, None)
            else:
                table[token] = request.mode or "quote"
    return table


# ---- the face


@pytest.fixture
def official():
    return pytest.importorskip("kiteconnect").KiteTicker


def test_the_constructor_and_methods_take_what_the_official_ones_take(official: type):
    for name in ("__init__", "connect", "close", "subscribe", "unsubscribe", "set_mode", "resubscribe", "stop"):
        theirs = inspect.signature(getattr(official, name)).parameters.values()
        ours = inspect.signature(getattr(KiteTicker, name)).parameters.values()
        taken = [(one.name, one.kind, one.default) for one in ours if one.kind is not one.KEYWORD_ONLY]
        assert taken == [(one.name, one.kind, one.default) for one in theirs], name


def test_constants_are_the_official_ones(official: type):
    names = [name for name in vars(official) if name.isupper()]
    assert len(names) > 6
    assert {name: getattr(KiteTicker, name) for name in names} == {name: getattr(official, name) for name in names}


def test_public_attributes_are_the_official_ones_but_for_the_token_s_url(official: type):
    theirs = set(vars(official("key", "token"))) | {name for name in dir(official) if not name.startswith("_")}
    ours = set(dir(KiteTicker("key", "token")))
    assert theirs - ours == {"socket_url", "ws"}


def test_limits_are_kept_and_said(caplog: pytest.LogCaptureFixture):
    ticker = KiteTicker("key", "token", reconnect=False, reconnect_max_tries=1000, reconnect_max_delay=1)
    assert (ticker.reconnect_max_tries, ticker.reconnect_max_delay) == (300, 5)
    assert len(caplog.records) == 3


def test_a_proxy_is_refused():
    with pytest.raises(UsageError):
        KiteTicker("key", "token").connect(proxy={"host": "127.0.0.1", "port": 3128})


def test_tls_stays_verified(caplog: pytest.LogCaptureFixture):
    heard = Heard()
    heard.ticker.connect(threaded=True, disable_ssl_verification=True)
    heard.ticker.close()
    assert "disable_ssl_verification is ignored" in caplog.text


def test_neither_twisted_nor_kiteconnect_is_imported():
    code = "import sys, kitecli.compat; print({name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'kitecli'" in loaded
    assert not any(f"'{name}'" in loaded for name in ("twisted", "autobahn", "kiteconnect", "six"))


def test_the_token_is_in_no_attribute_and_no_repr():
    ticker = KiteTicker("key", "s3cret")
    assert "s3cret" not in repr(vars(ticker)) + repr(ticker) + str(vars(ticker._link))


def test_options_are_arguments_or_class_attributes():
    class Mine(KiteTicker):
        aware = True
        mark_snapshots = True

    assert [(one.aware, one.mark_snapshots) for one in (Mine("k", "t"), Mine("k", "t", aware=False))] == [
        (True, True),
        (False, True),
    ]
    heard = Heard(aware=True, mark_snapshots=True)
    heard.ticker.set_mode("full", [INFY])
    heard.ticker.connect(threaded=True)
    heard.feeds.last.batches.put(ticks_of(INFY_FULL))
    heard.wait_for("on_ticks")
    [tick] = heard.calls[-1][1]
    assert tick["snapshot"] is False
    assert str(tick["exchange_timestamp"]) == "2021-07-05 10:41:27+05:30"
    heard.ticker.close()


def test_before_connect_everything_may_be_called():
    ticker = KiteTicker("key", "token")
    assert ticker.subscribe([INFY, NIFTY]) is ticker.set_mode("full", [INFY]) is ticker.unsubscribe([NIFTY]) is True
    for method in (ticker.close, ticker.stop, ticker.stop_retry, ticker.resubscribe):
        assert method() is None
    assert not ticker.is_connected()
    assert ticker.subscribed_tokens == {INFY: "full"}
    assert (ticker.lost_ticks, ticker.callback_errors) == (0, {})


def test_what_can_not_be_had_is_told_to_on_error_and_the_rest_is_taken():
    heard = Heard()
    heard.ticker.connect(threaded=True)
    assert heard.ticker.subscribe(["408065", NIFTY]) is True
    assert heard.ticker.set_mode("FULL", [NIFTY]) is True
    assert heard.ticker.subscribe(range(257, 257 + 256 * 9_999, 256)) is True
    heard.wait_for("on_error", 3)
    assert all(code == 0 for _, code, _ in heard.calls)
    assert [text.split(" ")[0] for _, _, text in heard.calls] == ["'408065'", "'FULL'", "10,000"]
    assert heard.feeds.last.modes == heard.ticker.subscribed_tokens == {NIFTY: "quote"}
    heard.ticker.close()


def test_subscribed_tokens_may_be_changed_and_asked_for_again():
    heard = Heard()
    heard.ticker.connect(threaded=True)
    heard.ticker.subscribe([INFY])
    heard.ticker.subscribed_tokens = {NIFTY: "full", OTHER: "ltp"}
    assert heard.feeds.last.modes == {INFY: "quote"}
    heard.ticker.resubscribe()
    assert heard.feeds.last.modes == {INFY: "quote", NIFTY: "full", OTHER: "ltp"}
    heard.ticker.close()


def test_where_no_feed_can_be_had_connect_says_so():
    heard = Heard()
    heard.feeds.failures = [EnvironmentProblem("no memory")]
    with pytest.raises(EnvironmentProblem):
        heard.ticker.connect()
    heard.ticker.connect(threaded=True)
    heard.ticker.close()


def test_connect_while_connected_does_nothing(caplog: pytest.LogCaptureFixture):
    heard = Heard()
    heard.ticker.connect(threaded=True)
    heard.ticker.connect(threaded=True)
    heard.ticker.connect()
    assert len(heard.feeds.made) == 1
    assert "connect() while connected" in caplog.text
    heard.ticker.close()


def test_a_new_token_goes_to_the_feed_there_is():
    heard = Heard()
    heard.ticker.connect(threaded=True)
    heard.ticker.set_access_token("new")
    assert heard.feeds.last.offered == ["new"]
    heard.ticker.close()


# ---- over a gateway


def test_modes_survive_a_cut_though_the_script_subscribes_again_in_on_connect(there: Ticker):
    """The sample's way, which takes the official client back to quote; and a change made at run time."""
    ticker, opened = KiteTicker("key", "token", root=there.url), Counter()

    def on_connect(ws, _response):
        ws.subscribe([INFY, NIFTY])

    ticker.on_connect, ticker.on_open = on_connect, lambda ws: opened.update("o")
    ticker.connect(threaded=True)
    wait_for(lambda: opened["o"] == 1)
    ticker.set_mode(ticker.MODE_FULL, [INFY])
    ticker.set_mode(ticker.MODE_LTP, [OTHER])
    wanted = {INFY: "full", NIFTY: "quote", OTHER: "ltp"}
    wait_for(lambda: told(there, 0) == wanted)
    there.cut()
    wait_for(lambda: opened["o"] == 2)
    wait_for(lambda: told(there, 1) == wanted)
    assert ticker.subscribed_tokens == wanted
    subscribed = [token for text in there.client(1).texts if '"subscribe"' in text for token in eval(text)["v"]]
    assert sorted(subscribed) == sorted(wanted), "each token once"
    ticker.close()


@pytest.mark.parametrize("times", [4, pytest.param(100, marks=pytest.mark.soak)])
def test_close_and_connect_again_threaded_and_blocking(exchange: SimProcess, times: int):
    ticker = KiteTicker(exchange.api_key, exchange.access_token, root=exchange.ws_url)
    opened, closed, blocking = [], [], threading.Event()
    ticker.on_connect = lambda ws, _: (opened.append(1), ws.subscribe([INFY]))
    ticker.on_ticks = lambda ws, _: ws.close() if blocking.is_set() else None
    ticker.on_close = lambda ws, code, reason: closed.append((code, reason))
    threads = threading.active_count()
    for number in range(1, times + 1):
        if number % 2:
            blocking.clear()
            ticker.connect(threaded=True)
            wait_for(ticker.is_connected)
            ticker.close()
        else:
            blocking.set()
            ticker.connect()
        wait_for(lambda number=number: len(closed) == number)
        assert not ticker.is_connected()
    assert len(opened) == times
    assert closed == [(1000, None)] * times
    wait_for(lambda: threading.active_count() == threads)


def test_all_callbacks_are_on_the_caller_s_thread_when_it_blocks_and_on_one_other_when_not(exchange: SimProcess):
    seen: dict[bool, set[int]] = {}
    for threaded in (False, True):
        idents = seen[threaded] = set()
        ticker = KiteTicker(exchange.api_key, exchange.access_token, root=exchange.ws_url)

        def note(ws, *_, idents=idents):
            idents.add(threading.get_ident())

        ticker.on_open = ticker.on_close = note
        ticker.on_connect = lambda ws, _, note=note: (note(ws), ws.subscribe([INFY]))
        ticker.on_ticks = lambda ws, _, note=note: (note(ws), ws.close())
        ticker.connect(threaded=threaded)
        wait_for(lambda ticker=ticker: ticker._life.over.is_set())
    assert seen[False] == {threading.get_ident()}
    assert len(seen[True]) == 1
    assert seen[True] != seen[False]


def test_eight_threads_of_changes_are_what_the_ticker_is_told(there: Ticker):
    ticker = KiteTicker("key", "token", root=there.url)
    ticker.connect(threaded=True)
    wait_for(ticker.is_connected)

    def mine(number: int) -> list[int]:
        return [exchange_token << 8 | 1 for exchange_token in range(1 + number * 100, 101 + number * 100)]

    def change(number: int) -> None:
        for token in mine(number):
            ticker.subscribe([token])
            ticker.set_mode("full", [token])
            if token % 3 == 0:
                ticker.unsubscribe([token])

    threads = [threading.Thread(target=change, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = dict.fromkeys((token for number in range(8) for token in mine(number) if token % 3), "full")
    wait_for(lambda: told(there, 0) == wanted)
    assert ticker.subscribed_tokens == wanted
    ticker.close()


def test_a_callback_that_raises_on_every_tick_costs_no_connection(exchange: SimProcess):
    ticker, calls = KiteTicker(exchange.api_key, exchange.access_token, root=exchange.ws_url), Counter()

    def on_ticks(_ws, ticks):
        calls["ticks"] += 1
        raise KeyError("depth")

    ticker.on_ticks = on_ticks
    ticker.on_error = ticker.on_close = lambda ws, *_: calls.update(["lost"])
    ticker.subscribe([INFY, NIFTY])
    ticker.connect(threaded=True)
    wait_for(lambda: calls["ticks"] > 30)
    assert calls["lost"] == 0
    assert 0 <= calls["ticks"] - ticker.callback_errors["on_ticks"] <= 1
    ticker.close()


def test_nine_thousand_instruments_on_one_object():
    with launch(SimOptions(instruments=9_000, rate=0.2, rate_limits=False)) as sim:
        session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
        tokens = [row.instrument_token for row in parse_instruments(fetch_instruments(session))]
        ticker, seen, names = KiteTicker(sim.api_key, sim.access_token, root=sim.ws_url), set(), []
        ticker.on_connect = lambda ws, _: (names.append("on_connect"), ws.subscribe(tokens))
        ticker.on_error = ticker.on_close = lambda ws, *arguments: names.append(arguments)
        ticker.on_ticks = lambda ws, ticks: seen.update(tick["instrument_token"] for tick in ticks)
        ticker.connect(threaded=True)
        wait_for(lambda: len(seen) == 9_000, "9,000 instruments")
        assert connections(sim) == 3
        assert names == ["on_connect"]
        assert seen == set(tokens)
        ticker.close()


def connections(sim: SimProcess) -> int:
    def ask() -> int | None:
        try:
            return sim.status()["connections"]
        except EnvironmentProblem:  # it has 9,000 snapshots to send on a machine that others use, too
            return None

    return wait_for(ask, "the exchange's answer")


def test_a_refused_token_is_replaced_without_a_restart(exchange: SimProcess):
    ticker, heard, ticks = KiteTicker(exchange.api_key, "stale", root=exchange.ws_url), [], []
    ticker.on_error = lambda ws, code, reason: heard.append(("error", code, reason))
    ticker.on_close = lambda ws, code, reason: heard.append(("close", code, reason))
    ticker.on_connect = lambda ws, _: (heard.append("connect"), ws.subscribe([INFY]))
    ticker.on_ticks = lambda ws, some: ticks.extend(some)
    ticker.connect(threaded=True)
    wait_for(lambda: len(heard) == 2)
    assert [(name, code) for name, code, _ in heard] == [("error", 1006), ("close", 1006)]
    assert all("403 - Forbidden" in reason for _, _, reason in heard)
    ticker.set_access_token(exchange.access_token)
    wait_for(lambda: ticks)
    assert heard[2:] == ["connect"]
    ticker.close()


def test_ctrl_c_ends_connect_and_the_script_goes_on(exchange: SimProcess):
    script = f"""
        from kitecli.compat import KiteTicker, attached
        ticker = KiteTicker({exchange.api_key!r}, {exchange.access_token!r}, root={exchange.ws_url!r})
        ticker.on_connect = lambda ws, response: ws.subscribe([{INFY}])
        ticker.on_ticks = lambda ws, ticks: print("ticks", flush=True)
        ticker.on_close = lambda ws, code, reason: print("closed", code, flush=True)
        ticker.connect()
        print("goes on")
    """
    with subprocess.Popen(
        [sys.executable, "-W", "always::ResourceWarning", "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        assert process.stdout.readline() == "ticks\n"
        began = time.monotonic()
        process.send_signal(2)
        rest, errors = process.communicate(timeout=60)
    assert rest.splitlines()[-2:] == ["closed 1000", "goes on"]
    assert (process.returncode, errors) == (0, "")
    print(f"ended {time.monotonic() - began:.2f} s after Ctrl-C")


def test_a_script_that_just_ends_leaves_nothing_behind(exchange: SimProcess, tmp_path):
    script = f"""
        import time
        from kitecli.compat import KiteTicker, attached
        ticker = KiteTicker({exchange.api_key!r}, {exchange.access_token!r}, root={exchange.ws_url!r})
        ticker.on_ticks = lambda ws, ticks: seen.extend(ticks)
        seen = []
        ticker.subscribe([{INFY}])
        ticker.connect(threaded=True)
        while not seen:
            time.sleep(0.01)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    wait_for(lambda: not list((tmp_path / "run").glob("*.ring")), "the ring's removal")


def test_an_on_error_of_the_ticker_is_text_of_code_0(there: Ticker):
    ticker, heard = KiteTicker("key", "token", root=there.url), []
    ticker.on_error = lambda ws, code, reason: heard.append((code, reason))
    ticker.connect(threaded=True)
    wait_for(ticker.is_connected)
    there.send('{"type":"error","data":"Can\'t subscribe to more than 3000 instruments."}')
    wait_for(lambda: heard)
    assert heard == [(0, "Can't subscribe to more than 3000 instruments.")]
    ticker.close()


def test_messages_keep_their_bytes_through_ring_and_back(there: Ticker):
    ticker, payloads = KiteTicker("key", "token", root=there.url), []
    ticker.on_message = lambda ws, payload, is_binary: payloads.append((payload, is_binary))
    ticker.set_mode("full", [INFY])
    ticker.connect(threaded=True)
    wait_for(ticker.is_connected)
    for data in (message(INFY_FULL), message(INFY_LTP, INFY_FULL)):
        there.send(data)
    wait_for(lambda: len([one for one in payloads if len(one[0]) > 1]) == 2)
    assert [one for one in payloads if len(one[0]) > 1] == [
        (message(INFY_FULL), True),
        (message(INFY_LTP, INFY_FULL), True),
    ]
    ticker.close()
