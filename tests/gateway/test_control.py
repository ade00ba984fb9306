"""The control socket as a client meets it, byte by byte: who is let in, what is refused, what nobody can disturb."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import stat
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from kitecli.errors import EnvironmentProblem, FeedError
from kitecli.gateway import control
from kitecli.gateway.control import ControlServer
from kitecli.gateway.lock import FALLBACK_PREFIX, FeedPlace
from kitecli.gateway.messages import LINE_BYTES, Hello, Stop, Subscribe, request_line
from kitecli.gateway.spec import GatewayEvent
from kitecli.secret import Secret

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses Unix sockets beside TCP")
HELLO = request_line(1, Hello("test", 1))


def loops():
    yield pytest.param(asyncio.new_event_loop, id="asyncio")
    try:
        import uvloop
    except ImportError:
        return
    yield pytest.param(uvloop.new_event_loop, id="uvloop")


@pytest.fixture(params=loops())
def server(request, listening):
    return listening(request.param)


class Raw:
    """A client of bare bytes."""

    def __init__(self, card, greet=True):
        family, address = (socket.AF_UNIX, card.socket) if card.socket else (socket.AF_INET, ("127.0.0.1", card.port))
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(15)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rb")
        if greet:
            self.send(request_line(1, Hello("test", 1, token=card.token)))
            self.welcome, self.first = self.read(), self.read()

    def send(self, data):
        self.socket.sendall(data)

    def read(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def raw():
    """``raw(card)``: a client, closed at the end."""
    opened = []

    def connect(card, **how):
        opened.append(Raw(card, **how))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


def test_hello_is_answered_and_followed_by_how_things_stand(server, raw):
    client = raw(server.card)
    assert client.welcome == {"v": 1, "id": 1, "ok": True, "result": {"number": 1, "pid": 1}}
    assert client.first == {"v": 1, "event": "ready", "data": "here"}
    assert server.desk.members == {1: Hello("test", 1)}


def test_requests_are_answered_in_order_and_events_reach_everybody(server, raw):
    clients = [raw(server.card) for _ in range(3)]
    for client in clients:
        client.send(b"".join(request_line(number, Subscribe({number: "ltp"})) for number in range(2, 12)))
        assert [client.read()["id"] for _ in range(10)] == list(range(2, 12))
    server.tell(GatewayEvent("connection", 0, "live", 5))
    for client in clients:
        assert client.read() == {"v": 1, "event": "connection", "connection": 0, "state": "live", "since_ns": 5}


def test_a_client_s_end_is_known_however_it_came_about(server, raw, until):
    first, second = raw(server.card), raw(server.card)
    first.close()
    assert until(lambda: server.desk.left == [1])
    second.socket.shutdown(socket.SHUT_WR)
    assert until(lambda: server.desk.left == [1, 2])


@pytest.mark.parametrize(
    ("bytes_", "said"),
    [
        (b"GET / HTTP/1.1\r\n", "no request"),
        (b"\xff\xfe\x00\n", "no request"),
        (b"x" * (LINE_BYTES + 2), "too long"),
        (b"[" * 100_000 + b"\n", "no request"),
        (request_line(9, Stop()), "says hello first"),
        (HELLO.replace(b'"v":1', b'"v":2'), "different versions"),
        (HELLO.replace(b'"pid":1', b'"pid":"x"'), "can't be used"),
    ],
    ids=lambda value: repr(value[:16]),
)
def test_who_doesn_t_speak_the_protocol_is_told_and_hung_up_on(server, raw, until, bytes_, said):
    client = raw(server.card, greet=False)
    client.send(bytes_)
    answer = client.read()
    assert not answer["ok"]
    assert said in answer["error"]["what"]
    assert client.read() is None
    assert (server.desk.asked, server.desk.members) == ([], {})


def test_garbage_ends_only_who_sent_it_and_lets_go_of_what_it_held(server, raw, until):
    good, bad = raw(server.card), raw(server.card)
    bad.send(b"garbage\n" + request_line(2, Stop()))
    assert "no request" in bad.read()["error"]["what"]
    assert bad.read() is None
    assert server.desk.left == [2]
    good.send(request_line(2, Subscribe({1: "ltp"})))
    assert good.read()["ok"]
    assert [request for _, request in server.desk.asked] == [Subscribe({1: "ltp"})]


def test_what_the_gateway_refuses_is_answered_and_the_client_stays(server, raw):
    client = raw(server.card)
    server.desk.refuse = FeedError("not today", why="a reason", hint="a way out")
    client.send(request_line(2, Stop()) + b'{"v":1,"id":3,"do":"dance"}\n')
    assert client.read()["error"] == server.desk.refuse.as_dict()
    assert client.read()["error"]["error"] == "usage"
    server.desk.refuse = None
    client.send(request_line(4, Stop()))
    assert client.read()["ok"]


def test_a_defect_met_by_a_request_is_its_answer_and_shows_no_secret(server, raw):
    client = raw(server.card)
    server.desk.refuse = ZeroDivisionError("wss://x?access_token=t0p")
    client.send(request_line(2, Stop()))
    said = client.read()["error"]
    assert "ZeroDivisionError" in said["why"]
    assert "t0p" not in str(said)
    server.desk.refuse = None
    client.send(request_line(3, Stop()))
    assert client.read()["ok"]


def test_hello_is_said_once(server, raw):
    client = raw(server.card)
    client.send(HELLO)
    assert "hello once" in client.read()["error"]["what"]
    assert client.read() is None


def test_who_says_nothing_is_hung_up_on(server, raw, monkeypatch):
    monkeypatch.setattr(control, "HELLO_S", 0.05)
    client = raw(server.card, greet=False)
    assert "said nothing" in client.read()["error"]["what"]
    assert client.read() is None


def test_more_clients_than_there_is_room_for_are_refused(listening, raw, until, monkeypatch):
    monkeypatch.setattr(control, "CLIENTS_MOST", 64)
    server = listening()
    clients = [raw(server.card) for _ in range(64)]
    late = raw(server.card, greet=False)
    late.send(HELLO)
    assert "64 clients" in late.read()["error"]["what"]
    clients[0].close()
    assert until(lambda: server.desk.left)
    assert raw(server.card).welcome["ok"]


def test_who_sends_too_fast_waits_and_loses_nothing(server, raw):
    """Five times the pace, from a client that reads only when it has sent everything."""
    client, count = raw(server.card), 3_000
    began = time.monotonic()
    client.send(b"".join(request_line(number, Stop()) for number in range(2, count + 2)))
    assert [client.read()["id"] for _ in range(count)] == list(range(2, count + 2))
    assert time.monotonic() - began > (count - control.BURST) / control.REQUESTS_PER_S * 0.9
    assert len(server.desk.asked) == count


def test_who_sends_far_too_much_is_held_back_by_its_own_socket(server, raw):
    client = raw(server.card)
    client.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.send(request_line(2, Stop()) * 500_000)
    (paused,) = server.server._clients.values()
    assert len(paused._lines._bytes) < 1 << 19


def test_while_one_floods_others_are_answered(server, raw):
    flooding, good = raw(server.card), raw(server.card)
    flooding.send(b"".join(request_line(number, Stop()) for number in range(2, 3000)))
    for number in range(2, 22):
        good.send(request_line(number, Stop()))
        assert good.read()["id"] == number
    flooded = sum(client == 1 for client, _ in server.desk.asked)
    assert flooded < 2998  # it was still at it
    assert [flooding.read()["id"] for _ in range(2998)][-1] == 2999


def test_who_doesn_t_read_is_cut_off_and_others_hear_everything(server, raw, until, monkeypatch):
    monkeypatch.setattr(control, "UNREAD_BYTES", 1 << 18)
    raw(server.card)  # which never reads
    good = raw(server.card)
    events = 0
    while 1 in server.desk.members:
        server.tell(GatewayEvent("message", 0, "text", data="x" * 10_000))
        assert good.read()["event"] == "message"
        events += 1
        assert events < 1_000
    assert events > 20
    assert until(lambda: server.desk.left == [1])


def test_the_socket_is_its_owner_s_alone_whatever_the_umask(listening):
    former = os.umask(0)
    try:
        server = listening()
    finally:
        os.umask(former)
    status = server.place.socket.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600


def test_a_path_too_long_for_a_socket_is_stood_in_for_by_a_short_one(listening, raw, tmp_path, monkeypatch):
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    (tmp_path / "t").mkdir()
    with tempfile.TemporaryDirectory(prefix="k") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        server = listening(folder=deep)
        path = Path(server.card.socket)
        assert path.parent.parent == Path(short)
        assert path.parent.name.startswith(FALLBACK_PREFIX)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert raw(server.card).welcome["ok"]
        server.do(server.server.stop_listening)
        assert list(Path(short).iterdir()) == []


def test_what_keeps_it_from_listening_is_said(tmp_path):
    with pytest.raises(EnvironmentProblem, match=r"can't be opened.*KITE_CONTROL=tcp"):
        asyncio.run(ControlServer().listen(None, FeedPlace(tmp_path / "missing", "a")))


def test_without_unix_sockets_it_listens_on_loopback_and_asks_for_the_card_s_token(listening, raw, monkeypatch):
    monkeypatch.setenv("KITE_CONTROL", "tcp")
    server = listening()
    assert server.card.socket is None
    assert len(server.card.token.reveal()) == 64
    for token in (None, Secret("wrong"), Secret(""), Secret("\ud800")):  # the last is no text that could be encoded
        stranger = raw(server.card, greet=False)
        stranger.send(request_line(1, Hello("stranger", 1, token=token)) + request_line(2, Stop()))
        answer = stranger.read()
        assert (answer["ok"], answer["error"]["error"]) == (False, "auth")
        assert server.card.token.reveal() not in str(answer)
        assert stranger.read() is None
    assert server.desk.asked == []
    friend = raw(server.card)
    friend.send(request_line(2, Stop()))
    assert friend.read()["ok"]
    with closing(socket.socket()) as elsewhere:
        elsewhere.bind(("127.0.0.2", 0))
        elsewhere.settimeout(2)
        with pytest.raises(OSError):
            elsewhere.connect(("127.0.0.2", server.card.port))


def test_closing_says_the_last_word_first(server, raw):
    client = raw(server.card)
    for at in range(50):
        server.tell(GatewayEvent("message", 0, "text", data=f"{at}" * 1000))
    server.tell(GatewayEvent("stopped", data="done"))
    server.wait(server.server.close())
    for _ in range(50):
        assert client.read()["event"] == "message"
    assert client.read()["event"] == "stopped"
    assert client.read() is None
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        raw(server.card)


def test_random_bytes_in_random_pieces_end_nobody_else(server, raw):
    dice, good = random.Random(7), raw(server.card)
    for turn in range(40):
        bad = raw(server.card, greet=turn % 2 == 0)
        noise = dice.randbytes(dice.randrange(1, 4000)) + b"\n"
        at = 0
        while at < len(noise):
            size = dice.randrange(1, 1000)
            bad.send(noise[at : at + size])
            at += size
        answer = bad.read()
        assert answer is None or not answer["ok"]
        bad.close()
        good.send(request_line(turn + 2, Stop()))
        assert good.read()["id"] == turn + 2
    assert {client for client, _ in server.desk.asked} == {1}
