"""What a new connection meets while faults last. Over sockets: test_proxy.py."""

from __future__ import annotations

import json

from kitecli.sim.faults.door import PASS, Door, tokens_in
from kitecli.sim.faults.kinds import CutHandshake, Status, Tls
from kitecli.sim.faults.truth import Deed


class Porter:
    def __init__(self, where: str = "ticker", tls: str | None = None) -> None:
        self.over: list[int] = []
        self.door = Door(where, tls, lambda deed: self.over.append(deed.id))
        self.where = where
        self.count = 0

    def begin(self, what) -> Deed:
        self.count += 1
        deed = Deed(self.count, what.kind, "", self.where, None, None, 0)
        self.door.begin(what, deed)
        return deed


def asking(token: str) -> bytes:
    return f"GET /?api_key=k&access_token={token} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_tokens_are_found_where_clients_put_them():
    assert tokens_in(asking("abc")) == {b"abc"}
    assert tokens_in(b"GET /?access_token=abc&api_key=k HTTP/1.1\r\n\r\n") == {b"abc"}
    assert tokens_in(b"GET /x HTTP/1.1\r\nauthorization: token key:abc\r\n\r\n") == {b"abc"}
    assert tokens_in(b"GET /x HTTP/1.1\r\nX: access_token=abc\r\n\r\n") == set()


def test_without_faults_everybody_passes():
    door = Porter(tls="good").door
    assert door.arrive() == ("good", False)
    assert door.request(asking("a")) == PASS


def test_the_youngest_fault_decides_and_counts_run_out():
    porter = Porter()
    porter.begin(Status(500, for_s=9.0))
    young = porter.begin(Status(429, count=2))
    codes = [porter.door.request(asking("abcd")).answer.split(b" ")[1] for _ in range(3)]
    assert codes == [b"429", b"429", b"500"]
    assert porter.over == [2]
    assert (young.hits, young.token_bytes) == (2, 8)


def test_a_fault_whose_time_is_over_is_gone():
    porter = Porter()
    deed = porter.begin(Status(500, for_s=1.0))
    porter.door.end(deed)
    assert porter.door.request(asking("a")) == PASS
    assert porter.over == [], "who ends it knows"


def test_answers_are_the_brokers_or_a_gateways():
    porter = Porter()
    porter.begin(Status(400, count=1))
    porter.begin(Status(503, count=1, body="html"))
    head, _, body = porter.door.request(asking("a")).answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"<html>" in body
    body = porter.door.request(asking("a")).answer.partition(b"\r\n\r\n")[2]
    assert json.loads(body)["error_type"] == "InputException"


def test_the_login_passes_while_old_tokens_are_refused():
    porter = Porter("rest")
    porter.begin(Status(403, until_new_token=True))
    call = b"GET /user/profile HTTP/1.1\r\nAuthorization: token k:%s\r\n\r\n"
    login = b"POST /session/token HTTP/1.1\r\n\r\napi_key=k"
    assert b" 403 " in porter.door.request(call % b"old").answer
    assert porter.door.request(login) == PASS
    assert b" 403 " in porter.door.request(b"GET /quote HTTP/1.1\r\n\r\n").answer
    assert b" 403 " in porter.door.request(call % b"old").answer
    assert porter.door.request(call % b"new") == PASS
    assert porter.over == [1]
    assert porter.door.request(call % b"old") == PASS


def test_cuts_and_other_servers():
    porter = Porter(tls="good")
    porter.begin(CutHandshake(count=1, stage="accept"))
    assert porter.door.arrive() == ("good", True)
    porter.begin(Tls("expired", count=1))
    porter.begin(CutHandshake(count=1, stage="response"))
    assert porter.door.arrive() == ("expired", False)
    assert porter.door.request(asking("a")).cut == "response"
    assert porter.door.arrive() == ("good", False)
    assert porter.door.request(asking("a")) == PASS


def test_who_comes_with_a_new_token_at_once_passes_at_once():
    porter = Porter()
    porter.door.request(asking("old"))
    porter.begin(Status(403, until_new_token=True))
    assert porter.door.request(asking("new")) == PASS
