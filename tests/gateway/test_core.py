"""The feed on an event loop, without a process or a socket around it: who holds what, and when it ends."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest

from kitecli.errors import AuthError, EnvironmentProblem, GatewayGone, TooManyInstruments, UsageError
from kitecli.feed.ages import Ages
from kitecli.feed.transport import Closed
from kitecli.gateway import core
from kitecli.gateway.core import Gateway
from kitecli.gateway.lock import FeedPlace
from kitecli.gateway.mapped import seats_path
from kitecli.gateway.messages import AccessToken, Bye, Gaps, Hello, Stats, Status, Stop, Subscribe, Unsubscribe
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED
from kitecli.market.modes import MODES
from kitecli.secret import Secret
from tests.conformance.vectors import INFY_LTP, message

compiled = pytest.mark.skipif(not COMPILED, reason="a ring in a file needs the compiled pass")
HELLO = Hello("test", 7)


def spec(**changes):
    settled = {"ws_root": "ws://x", "api_key": "k", "modes": {}, "ring_size": 1024, "folder": None}
    return GatewaySpec(**{**settled, "access_token": Secret("t0p"), **changes})


def nse(number):
    """An instrument token of that exchange."""
    return number * 256 + 1


class Wire:
    """A transport whose sockets never end, and what each was told, as token → mode."""

    def __init__(self):
        self.links, self.urls, self.messages = [], [], 0

    async def open(self, url, receiver):
        self.urls.append(url.reveal())
        self.links.append(Link(self))
        self.receiver = receiver
        return self.links[-1]

    @property
    def streamed(self):
        return {token: mode for link in self.links for token, mode in link.told.items()}


class Link:
    rtt_ns = None

    def __init__(self, wire):
        self.wire, self.told, self._closed = wire, {}, asyncio.Event()

    def ping(self):
        """Nobody answers."""

    def send_text(self, text):
        self.wire.messages += 1
        match json.loads(text):
            case {"a": "subscribe", "v": tokens}:
                self.told.update(dict.fromkeys(tokens, "quote"))
            case {"a": "mode", "v": [mode, tokens]}:
                self.told.update(dict.fromkeys(tokens, mode))
            case {"a": "unsubscribe", "v": tokens}:
                for token in tokens:
                    del self.told[token]

    def close(self):
        self._closed.set()

    abort = close

    async def wait_closed(self):
        await self._closed.wait()
        return Closed(1000, "")


@asynccontextmanager
async def running(**changes):
    """A gateway that streams from a ``Wire``, and the events it said."""
    wire, events = Wire(), []
    gateway = Gateway(spec(**changes), events.append, wire)
    task = asyncio.create_task(gateway.run())
    gateway.task, gateway.wire = task, wire
    try:
        yield gateway, wire, events
    finally:
        gateway.stop("the test")
        await asyncio.gather(task, return_exceptions=True)
        gateway.close()


async def settle(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


def play(scenario):
    asyncio.run(scenario())


def test_what_clients_hold_together_is_what_the_broker_is_asked_for():
    async def scenario():
        async with running() as (gateway, wire, _):
            for client in (1, 2):
                gateway.join(client, HELLO)
            assert gateway.answer(1, Subscribe({7: "ltp", 8: "full"})) == {"instruments": 2, "streamed": []}
            answer = gateway.answer(2, Subscribe({7: "full", 8: "quote", 9: "quote"}))
            assert answer == {"instruments": 3, "streamed": [8]}, "7 wasn't streamed in full"
            await settle(lambda: wire.streamed == {7: "full", 8: "full", 9: "quote"})
            gateway.answer(2, Unsubscribe((7, 8)))
            await settle(lambda: wire.streamed == {7: "ltp", 8: "full", 9: "quote"})
            gateway.leave(1)
            await settle(lambda: wire.streamed == {9: "quote"})

    play(scenario)


def test_changes_that_come_fast_reach_the_broker_together():
    async def scenario():
        async with running() as (gateway, wire, _):
            gateway.join(1, HELLO)
            for turn in range(1_000):
                gateway.answer(1, Subscribe({nse(turn % 50): MODES[turn % 3]}))
                gateway.answer(1, Unsubscribe((nse(turn * 7 % 50),)))
            gateway.answer(1, Subscribe({nse(1000): "full"}))
            await settle(lambda: wire.streamed.get(nse(1000)) == "full")
            assert wire.streamed == gateway._claims.wanted()
            assert wire.messages < 10

    play(scenario)


def test_a_subscription_too_many_is_refused_whole():
    async def scenario():
        async with running(connections=1, instruments_per_connection=10) as (gateway, wire, _):
            gateway.join(1, HELLO)
            gateway.join(2, HELLO)
            gateway.answer(1, Subscribe(dict.fromkeys(map(nse, range(1, 9)), "ltp")))
            with pytest.raises(TooManyInstruments):
                gateway.answer(2, Subscribe(dict.fromkeys(map(nse, range(5, 20)), "ltp")))
            await settle(lambda: len(wire.streamed) == 8)
            gateway.leave(1)
            gateway.answer(2, Subscribe(dict.fromkeys(map(nse, range(11, 21)), "ltp")))
            await settle(lambda: set(wire.streamed) == set(map(nse, range(11, 21))))

    play(scenario)


def test_nothing_is_connected_before_somebody_is_there():
    async def scenario():
        async with running() as (gateway, wire, _):
            gateway.join(1, Hello("kite status", 1, observer=True))
            await asyncio.sleep(0.02)
            assert wire.urls == []
            gateway.join(2, HELLO)
            await settle(lambda: len(wire.urls) == 1)

    play(scenario)


@pytest.mark.parametrize(
    ("script", "ends"),
    [
        (["join 1", "leave 1"], True),
        (["join 1", "join 2", "leave 1"], False),
        (["join 1", "join 2", "leave 1", "leave 2"], True),
        (["join 1", "look 2", "leave 1"], True),
        (["join 1", "look 2", "leave 2"], False),
        (["look 2", "leave 2"], False),  # its starter is still to come
        (["look 2", "starter gone", "leave 2"], True),
        (["starter gone"], True),
        (["join 1", "starter gone"], False),
        (["join 1", "bye 1"], True),
        (["join 1", "join 2", "stop 2"], True),
        (["daemon 1", "leave 1"], False),
        (["daemon 1", "stop 1"], True),
    ],
    ids=str,
)
def test_it_ends_with_its_last_client(script, ends):
    def act(gateway, action, client):
        match action:
            case "join":
                gateway.join(client, HELLO)
            case "look":
                gateway.join(client, Hello("kite status", 1, observer=True))
            case "daemon":
                gateway.join(client, Hello("kite feed --daemon", 1, daemon=True))
            case "leave":
                gateway.leave(client)
            case "bye":
                assert gateway.answer(client, Bye()) == {"ends": True}
            case "stop":
                gateway.answer(client, Stop())
            case _:
                gateway.starter_gone()

    async def scenario():
        async with running() as (gateway, _, events):
            for step in script:
                action, _, client = step.partition(" ")
                act(gateway, action, int(client) if client.isdigit() else 0)
            await asyncio.sleep(0.05)
            assert gateway.task.done() == ends
            assert ("stopped" in [event.kind for event in events]) == ends
            if ends:
                assert events[-1].kind == "stopped"
                with pytest.raises(GatewayGone):
                    gateway.join(9, HELLO)

    play(scenario)


def test_a_daemon_streams_what_it_was_told_to_keep_without_anybody():
    async def scenario():
        async with running(daemon=True) as (gateway, wire, _):
            gateway.join(1, HELLO)
            gateway.answer(1, Subscribe({7: "full"}, keep=True))
            gateway.answer(1, Subscribe({7: "ltp", 8: "ltp"}))
            gateway.leave(1)
            await settle(lambda: wire.streamed == {7: "full"})
            assert gateway.status()["kept"] == 1

    play(scenario)


def test_who_stopped_it_is_said():
    async def scenario():
        async with running() as (gateway, _, events):
            gateway.join(1, Hello("kite stop", 4711))
            gateway.answer(1, Stop())
            assert events[-1].data == "kite stop (process 4711)"
            gateway.stop("another reason")
            assert [event.kind for event in events].count("stopped") == 1

    play(scenario)


def test_a_new_token_is_used_by_the_next_connect_and_not_repeated():
    async def scenario():
        async with running(access_token=None) as (gateway, _, events):
            with pytest.raises(AuthError):
                gateway._address.url()
            gateway.join(1, HELLO)
            assert gateway.answer(1, AccessToken(Secret("n3w"))) == {}
            assert gateway._address.url().reveal().endswith("access_token=n3w")
            assert "n3w" not in repr(events) + json.dumps(gateway.status())

    play(scenario)


def test_a_clock_set_by_a_year_makes_no_feed_older(monkeypatch):
    async def scenario():
        async with running() as (gateway, _, _):
            now_ns = time.time_ns()
            for year in (1, -1):
                monkeypatch.setattr(time, "time_ns", lambda year=year: now_ns + year * 365 * 86_400 * 1_000_000_000)
                assert 0 <= gateway.status()["uptime_s"] < 60

    play(scenario)


def test_status_tells_everything_in_json():
    async def scenario():
        async with running(label="prod", intervals=("100ms", "1m")) as (gateway, _, _events):
            gateway.join(1, HELLO)
            gateway.join(2, Hello("kite status", 8, observer=True))
            gateway.answer(1, Subscribe({7: "full", 8: "ltp"}))
            await settle(lambda: gateway.status()["connections"])
            status = json.loads(json.dumps(gateway.answer(2, Status())))
            assert (status["label"], status["instruments"], status["ring"]["capacity"]) == ("prod", 2, 1024)
            assert [(c["name"], c["pid"], c["instruments"], c["observer"]) for c in status["clients"]] == [
                ("test", 7, 2, False),
                ("kite status", 8, 0, True),
            ]
            assert status["connections"][0]["index"] == 0
            assert status["gaps"]["total"] == 0
            stats = gateway.answer(1, Stats())
            assert stats.items() <= status.items() or set(stats) == {"ring", "counters", "readers", "bars"}
            assert (status["intervals"], status["bar_grace_ms"]) == (["100ms", "1m"], 1500)
            assert status["bars"]["published"] == {"100ms": 0, "1m": 0}
            assert set(status["bars"]["counters"]) >= {"bars", "revisions", "late_ticks"}
            assert gateway.answer(1, Gaps()) == {"gaps": [], "next": None}
            with pytest.raises(UsageError):
                gateway.answer(1, HELLO)

    play(scenario)


def test_who_comes_late_hears_how_things_stand():
    async def scenario():
        async with running() as (gateway, _, events):
            gateway.join(1, HELLO)
            await settle(lambda: len(gateway.greetings()) == 2)
            ready, state = gateway.greetings()
            assert ready.kind == "ready"
            assert state == events[-1]

    play(scenario)


def test_an_outage_is_placed_among_the_ticks_and_kept():
    """The socket is cut after five ticks; the sixth ends the outage, and comes after the word that it has ended."""
    frame = message(INFY_LTP)

    async def scenario():
        async with running() as (gateway, wire, events):
            gateway.join(1, HELLO)
            gateway.answer(1, Subscribe({408065: "ltp"}))
            await settle(lambda: wire.streamed)
            for _ in range(5):
                wire.receiver.on_binary(frame)
            wire.links[0].close()
            await settle(lambda: len(wire.links) == 2 and wire.links[1].told)
            (lasting,) = [event.data for event in gateway.greetings() if event.kind == "gap"]
            assert (lasting["to_ns"], lasting["tokens"], lasting["sequence"]) == (None, [408065], 5)
            assert gateway.status()["gaps"]["open"] == 1
            wire.receiver.on_binary(frame)
            ended = next(event.data for event in reversed(events) if event.kind == "gap")
            assert ended["to_ns"] > ended["from_ns"] == lasting["from_ns"]
            assert (ended["number"], ended["sequence"], gateway.stats()["ring"]["cursor"]) == (1, 5, 6)
            assert gateway.answer(1, Gaps())["gaps"] == [ended]
            assert gateway.status()["gaps"]["newest"][0]["instruments"] == 1

    play(scenario)


def test_instruments_that_fall_silent_are_named(monkeypatch):
    """What silence is, feed/ages.py says; here it is asked with what stands on the board, and its answer is told."""
    asked = []

    class Scripted:
        def look(self, tokens, stamps, connections, now_s, wanted):
            asked.append((tokens.tolist(), len(stamps), len(connections), 408065 in wanted, 7 in wanted))
            return Ages(silent=(408065,)) if len(asked) == 2 else Ages(back=(408065,)) if len(asked) == 3 else Ages()

    monkeypatch.setattr(core, "WINDOW_S", 0.01)
    monkeypatch.setattr(core, "InstrumentAges", Scripted)

    async def scenario():
        async with running() as (gateway, wire, events):
            gateway.join(1, HELLO)
            gateway.answer(1, Subscribe({408065: "ltp"}))
            await settle(lambda: wire.streamed)
            wire.receiver.on_binary(message(INFY_LTP))
            asked.clear()
            await settle(lambda: len(asked) > 4)
            assert asked[-1] == ([408065], 1, 1, True, False)
            said = [(event.state, event.data) for event in events if event.kind == "silent"]
            assert said == [("silent", [408065]), ("back", [408065])]

    play(scenario)


def test_an_exception_nobody_caught_is_told():
    async def scenario():
        async with running() as (gateway, _, events):
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(gateway.on_stray)
            loop.call_soon(lambda: 1 // 0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert (events[-1].kind, events[-1].state) == ("message", "defect")
            assert "ZeroDivisionError" in events[-1].error["why"]

    play(scenario)


@compiled
def test_its_files_are_its_owner_s_and_go_with_it(tmp_path):
    ring = FeedPlace(tmp_path, spec().name).ring

    async def scenario():
        async with running(folder=str(tmp_path)) as (gateway, _, _events):
            assert gateway.memory.path == ring
            assert ring.stat().st_mode & 0o777 == 0o600
            assert seats_path(ring).exists()

    play(scenario)
    assert list(tmp_path.iterdir()) == []


@compiled
def test_a_ring_that_finds_no_room_is_said(tmp_path):
    async def scenario():
        with pytest.raises(EnvironmentProblem):
            Gateway(spec(folder=str(tmp_path / "no" / "folder")), lambda _: None)

    play(scenario)


@pytest.mark.skipif(COMPILED, reason="there is an extension")
def test_without_the_extension_no_ring_is_shared(tmp_path):
    async def scenario():
        with pytest.raises(EnvironmentProblem, match="compiled"):
            Gateway(spec(folder=str(tmp_path)), lambda _: None)

    play(scenario)
