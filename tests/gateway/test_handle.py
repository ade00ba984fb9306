"""One feed and many processes: who joins, who starts, who dies, and that the others don't notice."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from kitecli.broker.rest import BrokerSession, fetch_instruments
from kitecli.errors import FeedError, GatewayGone, SubscriptionError, TooManyInstruments
from kitecli.gateway.client import ControlClient
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.lock import FeedCard, FeedPlace, running
from kitecli.hot import COMPILED
from kitecli.market.instruments import parse_instruments
from kitecli.market.modes import MODES
from kitecli.secret import Secret

shared = pytest.mark.skipif(not COMPILED, reason="a feed process needs the compiled pass")
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


@pytest.fixture(scope="module")
def tokens(exchange):
    session = BrokerSession(exchange.api_url, exchange.api_key, Secret(exchange.access_token))
    return [row.instrument_token for row in parse_instruments(fetch_instruments(session))]


@pytest.fixture(params=["embedded", pytest.param("shared", marks=shared)])
def settled(request, spec_of, exchange):
    """``settled(modes, **changes)``: a spec of either kind."""
    return lambda modes=(), **changes: spec_of(
        exchange, modes, **changes, **({"folder": None} if request.param == "embedded" else {})
    )


def place_of(spec):
    return FeedPlace(Path(spec.folder), spec.name)


def open_sockets(exchange):
    return sum(connection["open"] for connection in exchange.ledger()["connections"])


def end_of(handle):
    while (event := handle.events.get(timeout=60)).kind not in ("stopped", "failed"):
        pass
    return event


# ---- what every kind of feed can do


def test_a_handle_subscribes_tells_and_closes(settled, tokens):
    with open_gateway(settled({tokens[0]: "ltp"}), client="a test") as handle:
        handle.subscribe({tokens[1]: "full", tokens[2]: "quote"})
        handle.unsubscribe([tokens[2]])
        status = handle.status()
        assert status["instruments"] == 2
        assert [(c["name"], c["pid"], c["instruments"]) for c in status["clients"]] == [("a test", os.getpid(), 2)]
        assert handle.stats()["ring"]["capacity"] == handle.memory.layout.capacity
        assert handle.gaps() == []
        handle.give_access_token(Secret("another"))
        assert not handle.joined
        assert handle.warnings == ()
    with pytest.raises(GatewayGone):
        handle.status()
    handle.close()


def test_bad_wishes_are_refused_by_name_and_change_nothing(settled, tokens):
    with open_gateway(settled({tokens[0]: "ltp"})) as handle:
        for wish, kind in (
            ({"408065": "ltp"}, SubscriptionError),
            ({tokens[1]: "depth"}, SubscriptionError),
            ({tokens[1]: "full", 1594: "full"}, SubscriptionError),
            (dict.fromkeys(range(1 << 20, (1 << 20) + 9_000), "full"), TooManyInstruments),
        ):
            with pytest.raises(kind):
                handle.subscribe(wish)
        assert handle.status()["instruments"] == 1


def test_too_much_is_refused_before_anything_is_started(settled):
    spec = settled(dict.fromkeys(range(1 << 20, (1 << 20) + 9_001), "ltp"))
    with pytest.raises(TooManyInstruments):
        open_gateway(spec)
    assert spec.folder is None or list(Path(spec.folder).iterdir()) == []


def test_a_wish_refused_at_the_start_leaves_nothing(settled):
    spec = settled({1594: "ltp"})
    with pytest.raises(SubscriptionError, match="exchange token"):
        open_gateway(spec)
    assert spec.folder is None or list(Path(spec.folder).iterdir()) == []


def test_stopped_by_itself_it_says_so(settled):
    with open_gateway(settled(), client="who did it") as handle:
        handle.stop()
        event = end_of(handle)
        assert (event.kind, "who did it" in event.data) == ("stopped", True)


def streamed(reader, seconds):
    """What comes from now on: token → mode."""
    while reader.poll() is not None:
        pass
    modes, deadline = {}, time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (batch := reader.read(0.1)) is not None:
            modes.update(zip(batch.ticks["token"].tolist(), batch.ticks["mode"].tolist(), strict=True))
    return {token: MODES[mode - 1] for token, mode in modes.items()}


@pytest.mark.parametrize("changes", [100, pytest.param(1_000, marks=pytest.mark.soak)])
def test_eight_threads_change_subscriptions_and_the_end_is_exact(settled, tokens, until, changes):
    """Each thread has instruments of its own, and all of them share ten."""
    ours, each = tokens[:10], 20
    final = {}

    def change(handle, thread, dice):
        mine = tokens[10 + thread * each : 10 + (thread + 1) * each]
        held = {}
        for _ in range(changes):
            token = dice.choice(mine)
            if dice.random() < 0.6:
                held[token] = dice.choice(["ltp", "quote", "full"])
                handle.subscribe({token: held[token]})
            else:
                held.pop(token, None)
                handle.unsubscribe([token])
            if dice.random() < 0.2:
                handle.subscribe({dice.choice(ours): "full"})
        final[thread] = held

    with open_gateway(settled()) as handle:
        threads = [threading.Thread(target=change, args=(handle, number, random.Random(number))) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        handle.subscribe(dict.fromkeys(ours, "full"))
        expected = {token: mode for held in final.values() for token, mode in held.items()} | dict.fromkeys(
            ours, "full"
        )
        assert handle.status()["instruments"] == len(expected)
        reader = attach(handle.memory, batch=4096, depth=False, from_oldest=False)
        assert until(lambda: streamed(reader, 0.5) == expected)
        reader.close()


# ---- one process for all


@shared
def test_a_second_starter_joins_the_first(exchange, spec_of, tokens, until):
    before = open_sockets(exchange)
    with open_gateway(spec_of(exchange, {tokens[0]: "ltp"})) as first:
        spec = spec_of(exchange, {tokens[0]: "full", tokens[1]: "ltp"}, ring_size=1 << 18, at_least=2)
        with open_gateway(spec) as second:
            assert (first.joined, second.joined) == (False, True)
            assert first.pid == second.pid
            assert first.memory.path == second.memory.path
            assert first.warnings == ()
            assert "a ring of 65,536 ticks; a ring of 262,144 ticks was asked for" in second.warnings[0]
            assert "at least 1 connections" in second.warnings[1]
            assert until(lambda: open_sockets(exchange) == before + 1)
            reader = attach(second.memory, batch=64, depth=False)
            assert until(lambda: (batch := reader.read(0.1)) is not None and (batch.ticks["mode"] == 3).any())
            reader.close()
            assert len(running(Path(spec.folder))) == 1
            assert second.status()["instruments"] == 2
        assert until(lambda: first.status()["instruments"] == 1)
    assert until(lambda: open_sockets(exchange) == before)
    assert list(Path(spec.folder).iterdir()) == []


@shared
def test_eight_starters_at_once_get_one_gateway(exchange, spec_of, tokens):
    spec, handles, start = spec_of(exchange, {tokens[0]: "full"}), [], threading.Barrier(8)

    def enter():
        start.wait()
        handles.append(open_gateway(spec))

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({handle.pid for handle in handles}) == 1
    assert sorted(handle.joined for handle in handles) == [False] + [True] * 7
    assert len(handles[0].status()["clients"]) == 8
    for handle in handles:
        handle.close()
    assert list(Path(spec.folder).iterdir()) == []


@shared
@linux
def test_a_killed_starter_takes_nobody_with_it(exchange, spec_of, reading, tokens, until, alive):
    starter = reading(spec_of(exchange, dict.fromkeys(tokens[:5], "ltp"))).came_in()
    other = reading(spec_of(exchange, {tokens[9]: "full"})).came_in()
    assert other.gateway == starter.gateway
    starter.kill()
    with open_gateway(spec_of(exchange)) as handle:
        assert until(lambda: handle.status()["instruments"] == 1)
        before = other.ticks
        assert until(lambda: other.ticks > before + 20)
        assert alive(other.gateway)
    other.close()
    assert until(lambda: not alive(other.gateway))


@shared
@linux
def test_a_killed_reader_lets_go_of_what_it_held_and_others_lose_nothing(exchange, spec_of, reading, tokens, until):
    with open_gateway(spec_of(exchange, {tokens[0]: "full"})) as handle:
        reader = attach(handle.memory, batch=4096, depth=False)
        victim = reading(spec_of(exchange, dict.fromkeys(tokens[:50], "full"))).came_in()
        assert until(lambda: handle.status()["instruments"] == 50)
        assert until(lambda: len(handle.status()["readers"]) == 2)
        victim.kill()
        assert until(lambda: handle.status()["instruments"] == 1)
        assert until(lambda: len(handle.status()["readers"]) == 1)
        assert [client["pid"] for client in handle.status()["clients"]] == [os.getpid()]
        assert until(lambda: (batch := reader.read(0.1)) is not None and len(batch))
        while reader.poll() is not None:
            pass
        assert reader.lost == 0
        assert reader.delivered == reader.position
        reader.close()


@shared
@linux
def test_the_only_client_s_death_ends_it_soon(exchange, spec_of, reading, tokens, until, alive):
    spec = spec_of(exchange, {tokens[0]: "ltp"})
    only = reading(spec).came_in()
    only.kill()
    assert until(lambda: not alive(only.gateway), 5)
    assert list(Path(spec.folder).iterdir()) == []


@shared
@linux
def test_a_killed_gateway_is_told_and_the_next_start_sweeps(exchange, spec_of, reading, tokens, until):
    spec = spec_of(exchange, {tokens[0]: "ltp"})
    readers = [reading(spec).came_in() for _ in range(3)]
    gateway = readers[0].gateway
    os.kill(gateway, signal.SIGKILL)
    for one in readers:
        assert until(lambda one=one: one.word("ended"))
        assert (one.word("ended")["ended"], "died" in one.word("ended")["why"]) == ("failed", True)
        one.close()
    left = {path.name for path in Path(spec.folder).iterdir()}
    assert f"feed-{spec.name}.ring" in left
    with open_gateway(spec) as handle:
        assert not handle.joined
        assert handle.pid != gateway
        reader = attach(handle.memory, batch=64, depth=False)
        assert until(lambda: reader.read(0.1) is not None)
        reader.close()
    assert list(Path(spec.folder).iterdir()) == []


@shared
@linux
def test_a_daemon_goes_on_alone_with_what_it_was_told_to_stream(exchange, spec_of, tokens, until, alive):
    spec = spec_of(exchange, {tokens[0]: "full"}, daemon=True)
    with open_gateway(spec, client="starter") as handle:
        pid = handle.pid
    assert alive(pid)
    with open_gateway(spec_of(exchange, {tokens[1]: "ltp"})) as handle:
        assert (handle.pid, handle.joined) == (pid, True)
        assert (handle.status()["instruments"], handle.status()["kept"], handle.status()["daemon"]) == (2, 1, True)
    assert alive(pid)
    (card,) = running(Path(spec.folder))
    looking = ControlClient.reach(card, client="kite status", observer=True)
    looking.close()
    with open_gateway(spec_of(exchange)) as handle:
        assert handle.status()["instruments"] == 1
        handle.stop()
        assert end_of(handle).kind == "stopped"
    assert until(lambda: not alive(pid))
    assert list(Path(spec.folder).iterdir()) == []


@shared
def test_joining_as_a_daemon_makes_it_one(exchange, spec_of, tokens):
    with open_gateway(spec_of(exchange, {tokens[0]: "ltp"})) as first:
        with open_gateway(spec_of(exchange, {tokens[1]: "full"}, daemon=True)) as second:
            assert second.joined
        assert first.status()["kept"] == 1
    with open_gateway(spec_of(exchange)) as again:
        assert (again.joined, again.status()["instruments"]) == (True, 1)
        again.stop()


@shared
def test_a_gateway_that_waits_for_a_token_takes_the_joiner_s(exchange, spec_of, tokens, until):
    with open_gateway(spec_of(exchange, {tokens[0]: "ltp"}, access_token=Secret("stale"))) as first:
        assert until(lambda: first.status()["waits_for_token"])
        with open_gateway(spec_of(exchange)) as second:
            assert second.joined
            assert until(lambda: not first.status()["waits_for_token"])
            assert until(lambda: first.status()["connections"][0]["state"] == "live")
            assert exchange.access_token not in str(first.status())


@shared
def test_one_that_doesn_t_answer_is_an_error_and_not_a_hang(exchange, spec_of, monkeypatch):
    monkeypatch.setattr("kitecli.gateway.client.ANSWER_S", 0.5)
    monkeypatch.setattr(ControlClient.ask, "__defaults__", (0.5,))
    with open_gateway(spec_of(exchange)) as handle:
        os.kill(handle.pid, signal.SIGSTOP)
        try:
            with pytest.raises(FeedError, match="doesn't answer"):
                open_gateway(spec_of(exchange))
            with pytest.raises(FeedError, match="doesn't answer"):
                handle.status()
        finally:
            os.kill(handle.pid, signal.SIGCONT)
        assert handle.status()


@shared
@pytest.mark.parametrize("how", ["tcp", "long path"])
def test_it_is_joined_where_there_is_no_room_for_a_unix_socket(how, exchange, spec_of, tokens, tmp_path, monkeypatch):
    changes = {}
    if how == "tcp":
        monkeypatch.setenv("KITE_CONTROL", "tcp")
    else:
        changes["folder"] = str(tmp_path / ("x" * 100))
        Path(changes["folder"]).mkdir(0o700)
    spec = spec_of(exchange, {tokens[0]: "ltp"}, **changes)
    with open_gateway(spec) as first:
        card = FeedCard.read(place_of(spec).card)
        assert (card.port is not None) == (how == "tcp")
        assert place_of(spec).card.stat().st_mode & 0o777 == 0o600
        assert not place_of(spec).socket.exists()
        with open_gateway(spec) as second:
            assert second.pid == first.pid
    assert list(Path(spec.folder).iterdir()) == []
    assert card.socket is None or not Path(card.socket).parent.exists()


@shared
def test_garbage_on_the_socket_costs_no_tick(exchange, spec_of, tokens):
    """Against the exchange's own ledger, while three clients send whatever comes to mind."""
    dice, over = random.Random(3), threading.Event()
    before = exchange.ledger()["tokens"]
    spec = spec_of(exchange, dict.fromkeys(tokens, "full"))

    def pester(card):
        import socket

        while not over.is_set():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
                stranger.settimeout(5)
                try:
                    stranger.connect(card.socket)
                    for _ in range(dice.randrange(1, 20)):
                        stranger.sendall(dice.randbytes(dice.randrange(1, 100_000)))
                except OSError:
                    continue

    with open_gateway(spec) as handle:
        reader, counts = attach(handle.memory, batch=4096, depth=False), Counter()

        def read(seconds):
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if (batch := reader.read(0.05)) is not None:
                    counts.update(batch.ticks["token"].tolist())

        card = FeedCard.read(place_of(spec).card)
        pests = [threading.Thread(target=pester, args=(card,)) for _ in range(3)]
        for pest in pests:
            pest.start()
        read(2)
        over.set()
        for pest in pests:
            pest.join()
        handle.unsubscribe(tokens)
        read(0.7)
        assert reader.lost == 0
        reader.close()
    sent = Counter({int(token): sum(both) for token, both in exchange.ledger()["tokens"].items()})
    sent.subtract({int(token): sum(both) for token, both in before.items()})
    assert counts == +sent
    assert counts.total() > 2_000


@shared
def test_start_and_stop_again_and_again_leaves_nothing(exchange, spec_of, tokens):
    threads, descriptors = threading.active_count(), len(list(Path("/dev/fd").iterdir()))
    for _ in range(4):
        with open_gateway(spec_of(exchange, {tokens[0]: "ltp"})) as handle:
            reader = attach(handle.memory, batch=64, depth=False)
            reader.read(0.05)
            reader.close()
        assert not list(Path(place_of(spec_of(exchange)).folder).iterdir())
    del handle, reader
    assert threading.active_count() == threads
    assert len(list(Path("/dev/fd").iterdir())) <= descriptors + 1


def holders(folder):
    """Processes that have a file of ``folder`` open, as a gateway its lock."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(link.readlink()).startswith(f"{folder}/"):
                found.add(int(link.parts[2]))
    return found


def killing_at_random(exchange, spec_of, reading, until, tokens, kills, seed):
    """Kill gateways and readers at random moments; whoever comes next finds a clean place, and nothing stays."""
    dice, gateways, told_s, readers = random.Random(seed), set(), [], []
    spec = spec_of(exchange, {tokens[0]: "full"})
    for _ in range(kills):
        readers += [reading(spec) for _ in range(dice.randrange(1, 3))]
        if dice.random() < 0.7:
            readers[-1].came_in()
        time.sleep(dice.random() * 0.2)
        cards = running(Path(spec.folder))
        if not cards or dice.random() < 0.6:
            readers.pop(dice.randrange(len(readers))).kill()
            continue
        began = time.monotonic()
        try:
            os.kill(cards[0].pid, signal.SIGKILL)
        except ProcessLookupError:  # its last reader was killed before, and it has just ended by itself
            continue
        gateways.add(cards[0].pid)
        for one in [one for one in readers if one.first.get("gateway") == cards[0].pid]:
            assert until(lambda one=one: one.word("ended"))
            told_s.append(time.monotonic() - began)
            readers.remove(one)
            one.close()
    for one in readers:
        one.kill()
    with open_gateway(spec) as handle:
        gateways.add(handle.pid)
        reader = attach(handle.memory, batch=64, depth=False)
        assert until(lambda: reader.read(0.1) is not None)
        reader.close()
    assert list(Path(spec.folder).iterdir()) == []
    assert until(lambda: not holders(spec.folder) - {os.getpid()})
    return gateways, told_s


@shared
@linux
def test_kills_at_random_leave_no_process_lock_or_file(exchange, spec_of, reading, until, tokens):
    gateways, _ = killing_at_random(exchange, spec_of, reading, until, tokens, 8, seed=1)
    assert len(gateways) > 1


@shared
@linux
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 6))
def test_two_hundred_kills_leave_no_process_lock_or_file(exchange, spec_of, reading, until, tokens, seed):
    began = time.monotonic()
    gateways, told_s = killing_at_random(exchange, spec_of, reading, until, tokens, 50, seed=seed)
    print(
        f"\n50 kills in {time.monotonic() - began:.0f} s, {len(gateways)} gateways; readers had told of their "
        f"gateway's {max(told_s) * 1e3:.0f} ms after the kill at most ({len(told_s)} times)"
    )


@shared
def test_who_joins_hears_of_the_bars_it_cannot_have_and_of_estimates_alone(exchange, spec_of, tokens):
    with open_gateway(spec_of(exchange, {tokens[0]: "full"}, intervals=("100ms", "1m"))) as first:
        wished = ("100ms", "1m", "5m", "1s", "500t")
        with open_gateway(spec_of(exchange, {tokens[0]: "full"}, intervals=wished)) as second:
            assert first.warnings == ()
            built = "the running feed builds bars of 100ms, 1m; those of"
            assert second.warnings == (
                f"{built} 1s are put together from 100ms, whose ticks are placed by when they came",
                f"{built} 500t can't be had",
            )
