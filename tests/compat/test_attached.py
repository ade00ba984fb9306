"""A gateway behind the port: its events in the port's words, and one feed for all who share an account."""

from __future__ import annotations

import os
import signal
from collections import defaultdict

import pytest

from kitecli.compat import KiteTicker, attached
from kitecli.compat.attached import down_of, open_attached, translate
from kitecli.compat.port import Down, Ended, Event, Said, Source, Up
from kitecli.errors import (
    AuthError,
    CertificateRefused,
    ConnectionFailed,
    ConnectionStale,
    DataError,
    EnvironmentProblem,
    FeedError,
    GatewayGone,
    HandshakeBadRequest,
    HandshakeForbidden,
    HandshakeRateLimited,
    KiteError,
    TooManyInstruments,
)
from kitecli.gateway.spec import GatewayEvent
from kitecli.hot import COMPILED
from kitecli.secret import Secret
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions
from tests.compat.exchange import tickers, wait_for
from tests.conformance.vectors import INFY_FULL, INFY_LTP, NIFTY_INDEX, message

INFY, NIFTY, OTHER = 408065, 256265, 738561
shared = pytest.mark.skipif(not COMPILED, reason="needs the compiled pass: without it each has a feed of its own")


@pytest.fixture(autouse=True)
def _own_runtime_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture(scope="module")
def exchange():
    with launch(SimOptions(instruments=300, rate=10, rate_limits=False)) as sim:
        yield sim


@pytest.fixture(scope="module")
def source(exchange: SimProcess, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITE_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        made = open_attached(exchange.api_key, Secret(exchange.access_token), exchange.ws_url)
    yield made
    made.close()


def said(state: str, cause: KiteError | None = None, retry_in_s: float | None = None) -> Event | None:
    error = cause.as_dict() if cause else {}
    return translate(GatewayEvent("connection", 1, state, retry_in_s=retry_in_s, error=error))


CUT = ConnectionFailed("The ticker's connection ended", why="1006 the connection was cut")


@pytest.mark.parametrize(
    ("state", "cause", "event"),
    [
        ("live", None, Up(1)),
        ("quiet", None, Up(1)),
        ("reconnecting", None, None),
        ("stale", ConnectionStale("silent"), None),
        ("down", None, None),
        ("reconnecting", CUT, Down(1)),
        ("auth", HandshakeForbidden("refused"), Down(1, reason="refused", status=403)),
        ("down", HandshakeForbidden("refused"), Down(1, reason="refused", status=403, over=True)),
    ],
)
def test_states_of_a_connection(state: str, cause: KiteError | None, event: Event | None):
    assert said(state, cause) == event


def test_a_connection_that_is_down_and_tried_again_is_not_over():
    assert said("down", CertificateRefused("bad"), retry_in_s=60) == Down(1, reason="bad", fatal=True)


@pytest.mark.parametrize(
    ("failure", "down"),
    [
        (CUT, Down(0)),
        (ConnectionFailed("It ended", why="1000 done"), Down(0, 1000, "done")),
        (ConnectionFailed("It ended", why="4000"), Down(0, 4000)),
        (ConnectionFailed("It ended", why="1006 BrokenPipeError"), Down(0, 1006, "BrokenPipeError")),
        (HandshakeRateLimited("no"), Down(0, reason="no", status=429)),
        (HandshakeBadRequest("no"), Down(0, reason="no", status=400, fatal=True)),
        (ConnectionFailed("It answered HTTP 502", why="bye"), Down(0, reason="It answered HTTP 502. bye", status=502)),
        (ConnectionFailed("It can't be reached", why="refused"), Down(0, reason="It can't be reached. refused")),
        (AuthError("There is no access token"), Down(0, reason="There is no access token")),
    ],
)
def test_failures_in_the_websocket_s_words(failure: KiteError, down: Down):
    assert down_of(0, failure) == down


def test_the_feed_s_end():
    stopped = translate(GatewayEvent("stopped", data="kite stop (process 7)"))
    assert stopped == Ended(Down(0, 1000, "the feed was stopped by kite stop (process 7)"), final=True)
    died = translate(GatewayEvent("failed", error=GatewayGone("It died", why="killed").as_dict()))
    assert died == Ended(Down(0, reason="It died. killed"))
    bad = translate(GatewayEvent("failed", error=CertificateRefused("bad").as_dict()))
    assert bad == Ended(Down(0, reason="bad", fatal=True), final=True)


def test_texts_and_what_is_none(caplog: pytest.LogCaptureFixture):
    order = GatewayEvent("message", 2, "order", data={"order_id": "1"})
    assert translate(order) == Said(2, "order", {"order_id": "1"})
    assert translate(GatewayEvent("message", state="defect", error=FeedError("odd").as_dict())) is None
    assert "odd" in caplog.text
    for kind in ("ready", "gap", "silent"):
        assert translate(GatewayEvent(kind)) is None


# ---- over a real gateway


def test_a_source_streams_what_it_is_asked_for(source):
    source.subscribe({INFY: "full"})
    events: list[Event] = []
    batch = wait_for(lambda: events.extend(source.events()) or source.read(0.1))
    assert set(batch.ticks["token"].tolist()) == {INFY}
    assert batch.depth is not None
    wait_for(lambda: events.extend(source.events()) or events)
    assert events == [Up(0)]
    source.unsubscribe([INFY])


def test_more_than_the_account_may_stream_is_refused_at_once(source):
    with pytest.raises(TooManyInstruments):
        source.subscribe(dict.fromkeys(range(257, 257 + 256 * 9_001, 256), "ltp"))


def test_heartbeats_are_counted(source):
    before = source.heartbeats()
    wait_for(lambda: source.heartbeats() > before)


@shared
def test_an_ended_feed_takes_requests_without_a_word(exchange: SimProcess):
    source = open_attached(exchange.api_key, Secret(exchange.access_token), exchange.ws_url)
    os.kill(source._handle.pid, signal.SIGKILL)
    ended = wait_for(lambda: [event for event in source.events() if isinstance(event, Ended)])
    assert not ended[0].final
    source.subscribe({INFY: "full"})
    source.unsubscribe([INFY])
    source.offer(Secret("new"))
    source.close()


class Script:
    """A ticker, and what it sees by token: modes and keys."""

    def __init__(self, exchange: SimProcess, modes: dict[int, str]) -> None:
        self.ticker = KiteTicker(exchange.api_key, exchange.access_token, root=exchange.ws_url)
        self.seen: dict[int, set[str]] = defaultdict(set)
        self.ticks, self.names = 0, []
        self.ticker.on_ticks = self._note
        self.ticker.on_connect = lambda ws, _: self._begin(modes)
        self.ticker.on_close = lambda ws, code, reason: self.names.append(("closed", code))
        self.ticker.connect(threaded=True)

    def _begin(self, modes: dict[int, str]) -> None:
        self.names.append("connected")
        for token, mode in modes.items():
            self.ticker.set_mode(mode, [token])

    def _note(self, _ws, ticks):
        self.ticks += len(ticks)
        for tick in ticks:
            self.seen[tick["instrument_token"]].add(tick["mode"])
            assert ("depth" in tick) == (tick["mode"] == "full")
            assert ("ohlc" in tick) == (tick["mode"] != "ltp")


@shared
def test_two_scripts_share_one_feed_and_each_sees_its_own_tokens_in_its_own_modes(exchange: SimProcess):
    before = exchange.status()["connections"]
    first = Script(exchange, {INFY: "full", NIFTY: "ltp"})
    wait_for(lambda: first.ticks > 20)
    past = first.ticker._link.source._reader.view.cursor()
    second = Script(exchange, {INFY: "ltp", OTHER: "quote"})
    wait_for(lambda: second.ticks > 20 and OTHER in second.seen)
    reader = second.ticker._link.source._reader
    assert reader.delivered <= reader.view.cursor() - past, "it reads no past"
    assert exchange.status()["connections"] == before + 1
    assert first.ticker._link.source._handle.pid == second.ticker._link.source._handle.pid
    until = first.ticks + 20
    wait_for(lambda: first.ticks > until)
    assert set(first.seen) == {INFY, NIFTY}
    assert second.seen == {INFY: {"ltp"}, OTHER: {"quote"}}
    assert first.seen[NIFTY] == {"ltp"}
    assert "full" in first.seen[INFY]
    first.ticker.close()
    wait_for(lambda: ("closed", 1000) in first.names)
    until = second.ticks + 20
    wait_for(lambda: second.ticks > until)
    assert second.names == ["connected"]
    second.ticker.close()


@shared
def test_who_joins_gets_the_latest_tick_of_what_others_stream_already():
    """After the close, nothing else may come until the morning."""
    with tickers() as new:
        there = new()
        first, second = (KiteTicker("key", "token", root=there.url, mark_snapshots=True) for _ in range(2))
        seen: dict[KiteTicker, list[dict]] = {first: [], second: []}
        for ticker in (first, second):
            ticker.on_ticks = lambda ws, ticks: seen[ws].append(ticks)
        first.set_mode("full", [INFY, OTHER])
        first.connect(threaded=True)
        there.asked(2)
        there.send(message(INFY_FULL))
        there.send(message(INFY_FULL, NIFTY_INDEX))
        wait_for(lambda: len(seen[first]) == 2)
        second.connect(threaded=True)
        second.set_mode("quote", [INFY, NIFTY, OTHER])
        wait_for(lambda: seen[second])
        second.subscribe([INFY])
        there.send(message(INFY_LTP))
        wait_for(lambda: len(seen[first]) == 3 and len(seen[second]) == 2)
        second.close()
        first.close()
    ticks = [(tick["instrument_token"], tick["mode"], tick["snapshot"]) for ticks in seen[second] for tick in ticks]
    assert ticks == [(INFY, "quote", True), (INFY, "ltp", False)]


@shared
def test_a_killed_feed_process_is_replaced_with_all_it_streamed(exchange: SimProcess):
    script = Script(exchange, {INFY: "full", NIFTY: "ltp"})
    wait_for(lambda: script.ticks)
    pid = script.ticker._link.source._handle.pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: script.names.count("connected") == 2)
    assert script.names == ["connected", ("closed", 1006), "connected"]
    assert script.ticker._link.source._handle.pid != pid
    until = script.ticks + 10
    wait_for(lambda: script.ticks > until)
    script.ticker.close()


@shared
def test_a_feed_that_was_stopped_stays_stopped(exchange: SimProcess):
    script = Script(exchange, {INFY: "full"})
    wait_for(lambda: script.ticks)
    script.ticker._link.source._handle.stop()
    wait_for(script.ticker._life.over.is_set)
    assert script.names == ["connected", ("closed", 1000)]


def test_a_feed_that_its_broker_ended_before_it_could_be_joined_says_so_by_its_events(monkeypatch):
    def too_late(spec):
        raise HandshakeBadRequest("The ticker did not understand the request (HTTP 400)")

    monkeypatch.setattr(attached, "open_gateway", too_late)
    source = open_attached("key", Secret("token"), "ws://127.0.0.1:1")
    source.subscribe({INFY: "full"})
    (event,) = source.events()
    assert isinstance(event, Ended)
    assert (event.why.status, event.final, list(source.events()), source.read(0)) == (400, True, [], None)


class Handle:
    """A gateway that is joined and then can't be read; ``end``: what its control socket says of it."""

    warnings = ()
    memory = None

    def __init__(self, end: KiteError | None) -> None:
        self.closed = False
        self._end = end

    def stats(self) -> dict[str, object]:
        if self._end is not None:
            raise self._end
        return {}

    def close(self) -> None:
        self.closed = True


def opened_by(handle: Handle, unreadable: BaseException, patch: pytest.MonkeyPatch) -> Source:
    def attach(*_args: object, **_more: object) -> None:
        raise unreadable

    patch.setattr(attached, "open_gateway", lambda spec: handle)
    patch.setattr(attached, "attach", attach)
    return open_attached("key", Secret("token"), "ws://127.0.0.1:1")


GONE = DataError("No reader seats")


def test_a_feed_that_its_broker_ended_between_joining_and_reading_says_so_too(monkeypatch: pytest.MonkeyPatch):
    handle = Handle(HandshakeBadRequest("The ticker did not understand the request (HTTP 400)"))
    source = opened_by(handle, GONE, monkeypatch)
    (event,) = source.events()
    assert isinstance(event, Ended)
    assert (event.why.status, handle.closed) == (400, True)


def test_a_feed_whose_seats_are_taken_is_left_and_the_reason_stays(monkeypatch: pytest.MonkeyPatch):
    full = EnvironmentProblem("All 32 reader seats of this ring are taken")
    handle = Handle(None)
    with pytest.raises(EnvironmentProblem, match="seats") as raised:
        opened_by(handle, full, monkeypatch)
    assert (raised.value, handle.closed) == (full, True)


def test_a_feed_that_died_is_the_reason_before_what_it_left(monkeypatch: pytest.MonkeyPatch):
    handle = Handle(GatewayGone("The feed process died"))
    with pytest.raises(GatewayGone) as raised:
        opened_by(handle, GONE, monkeypatch)
    assert (raised.value.__cause__, handle.closed) == (GONE, True)


def test_ctrl_c_while_it_is_joined_stays_ctrl_c(monkeypatch: pytest.MonkeyPatch):
    """Also where the feed would have something to say: nobody asks it then."""
    handle = Handle(HandshakeBadRequest("no"))
    with pytest.raises(KeyboardInterrupt):
        opened_by(handle, KeyboardInterrupt(), monkeypatch)
    assert handle.closed
