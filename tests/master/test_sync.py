"""Once a day, by one process, and never a worse master than the one there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kitecli.clock import IST, ManualClock
from kitecli.errors import BrokerError, BrokerUnavailable, DataError, KiteError
from kitecli.market.instruments import format_instruments
from kitecli.master.store import MasterStore
from kitecli.master.sync import Master, is_due, master_day, todays_master
from tests.market.masters import share


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=IST).timestamp()) * 10**9


def csv(*names: str) -> bytes:
    return format_instruments([share(f"NSE:{name}", n << 8 | 1) for n, name in enumerate(names, 1)]).encode()


@dataclass
class Answer:
    body: bytes | None
    etag: str = ""
    last_modified: str = ""


@dataclass
class Server:
    """What the broker would answer, and what it was asked."""

    answers: list[Answer | KiteError]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, etag: str, last_modified: str) -> Answer:
        self.asked.append((etag, last_modified))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, KiteError):
            raise answer
        return answer


@dataclass
class Desk:
    """A folder, a clock and a server."""

    store: MasterStore
    clock: ManualClock
    waited: list[float] = field(default_factory=list)

    def ask(self, *answers: Answer | KiteError, when: str, **options: bool) -> tuple[Master, Server]:
        self.clock.set(at(when))
        server = Server(list(answers))
        return todays_master(self.store, server, self.clock, self.waited.append, **options), server


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(MasterStore(tmp_path), ManualClock())


def names(master: Master) -> list[str]:
    return [row.tradingsymbol for row in master.book]


DOWN = BrokerUnavailable("The broker refused /instruments", why="HTTP 502", hint="Try again")


@pytest.mark.parametrize(
    ("now", "day"),
    [("2026-11-20 08:29:59", "2026-11-19"), ("2026-11-20 08:30", "2026-11-20"), ("2026-11-21 00:10", "2026-11-20")],
)
def test_before_half_past_eight_yesterday_s_is_right(now: str, day: str):
    assert str(master_day(at(now))) == day


@pytest.mark.parametrize(
    ("checked", "now", "due"),
    [
        ("2026-11-20 08:31", "2026-11-20 23:00", False),
        ("2026-11-20 08:31", "2026-11-21 08:29", False),
        ("2026-11-20 08:31", "2026-11-21 08:30", True),
        ("2026-11-20 08:29", "2026-11-20 08:30", True),
        ("2026-11-20 07:00", "2026-11-20 08:00", False),
        ("2026-11-20 12:00", "2026-11-20 11:00", True),  # the clock was set back
    ],
)
def test_it_is_asked_for_once_between_two_mornings(desk: Desk, checked: str, now: str, due: bool):
    master, _ = desk.ask(Answer(csv("A")), when=checked)
    assert is_due(master.state, at(now)) == due


def test_a_day_s_first_fetches_and_the_others_use_it(desk: Desk):
    first, server = desk.ask(Answer(csv("A"), '"v1"', "Fri"), when="2026-11-20 09:00")
    assert (first.how, str(first.day), names(first), len(server.asked)) == ("fetched", "2026-11-20", ["A"], 1)
    assert first.report.rows == 1
    second, server = desk.ask(DOWN, when="2026-11-20 15:00")
    assert (second.how, names(second), server.asked) == ("kept", ["A"], [])
    third, server = desk.ask(Answer(csv("B")), when="2026-11-21 09:00")
    assert (third.how, names(third), server.asked) == ("fetched", ["B"], [('"v1"', "Fri")])


@pytest.mark.parametrize("answer", [Answer(None, '"v1"'), Answer(csv("A"), '"v2"')])
def test_what_is_not_newer_is_not_kept_twice(desk: Desk, answer: Answer):
    desk.ask(Answer(csv("A"), '"v1"'), when="2026-11-20 09:00")
    master, _ = desk.ask(answer, when="2026-11-21 10:00")
    assert (master.how, str(master.day)) == ("unchanged", "2026-11-20")
    assert len(desk.store.days()) == 1
    assert desk.ask(DOWN, when="2026-11-21 18:00")[1].asked == []


def test_a_late_server_is_asked_again_until_the_market_opens(desk: Desk):
    desk.ask(Answer(csv("A")), when="2026-11-19 09:00")
    assert desk.ask(Answer(csv("A")), when="2026-11-20 08:31")[0].how == "unchanged"
    assert desk.ask(Answer(csv("B")), when="2026-11-20 08:40")[0].how == "kept"
    assert desk.ask(Answer(csv("B")), when="2026-11-20 08:42")[0].how == "fetched"


@pytest.mark.parametrize(
    "answer",
    [
        DOWN,
        BrokerError("The broker refused /instruments", why="HTTP 404"),
        Answer(b"<html><title>502 Bad Gateway</title></html>"),
        Answer(b'{"status":"error","message":"Too many requests"}'),
        Answer(csv("B", "C")[:-9]),
        Answer(b""),
    ],
)
def test_whatever_goes_wrong_yesterday_s_is_kept_and_said_to_be_old(desk: Desk, answer: Answer | KiteError):
    desk.ask(Answer(csv("A")), when="2026-11-19 09:00")
    master, _ = desk.ask(answer, when="2026-11-20 09:00")
    assert (master.how, str(master.day), names(master)) == ("stale", "2026-11-19", ["A"])
    assert master.problem is not None
    assert desk.ask(Answer(csv("B")), when="2026-11-20 09:01")[0].how == "fetched"
    with pytest.raises(KiteError):
        desk.ask(answer, when="2026-11-21 09:00", fallback=False)


def test_with_nothing_to_fall_back_on_it_is_an_error(desk: Desk):
    with pytest.raises(BrokerUnavailable):
        desk.ask(DOWN, when="2026-11-20 09:00")
    with pytest.raises(DataError):
        desk.ask(Answer(None), when="2026-11-20 09:00")


def test_what_may_work_in_a_moment_is_tried_again(desk: Desk):
    master, server = desk.ask(DOWN, DOWN, Answer(csv("A")), when="2026-11-20 09:00")
    assert (master.how, len(server.asked), desk.waited) == ("fetched", 3, [1.0, 3.0])
    _, server = desk.ask(BrokerError("HTTP 404"), when="2026-11-21 09:00")
    assert len(server.asked) == 1


def test_a_kept_master_that_can_t_be_read_is_fetched_whole(desk: Desk):
    desk.ask(Answer(csv("A"), '"v1"'), when="2026-11-20 09:00")
    for path in [*desk.store.folder.glob("*.gz"), *desk.store.folder.glob("*.index")]:
        path.write_bytes(b"damaged")
    master, server = desk.ask(Answer(None), Answer(csv("A"), '"v1"'), when="2026-11-20 10:00")
    assert (master.how, names(master)) == ("fetched", ["A"])
    assert server.asked == [('"v1"', ""), ("", "")]


def test_asked_for_again_it_is_fetched_again(desk: Desk):
    desk.ask(Answer(csv("A")), when="2026-11-20 09:00")
    master, _ = desk.ask(Answer(csv("B")), when="2026-11-20 09:30", always=True)
    assert (master.how, names(master), len(desk.store.days())) == ("fetched", ["B"], 1)


FETCH = """
import json, os, sys, time, urllib.request
from pathlib import Path
from kitecli.clock import SystemClock
from kitecli.broker.rest import BrokerSession, download_master
from kitecli.master.store import MasterStore
from kitecli.master.sync import todays_master
session = BrokerSession(sys.argv[2])
sys.stdin.readline()
store = MasterStore(Path(sys.argv[1]))
master = todays_master(store, lambda *known: download_master(session, *known), SystemClock(), time.sleep)
print(json.dumps([master.how, len(master.book)]))
"""


@pytest.fixture
def slow_server() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    body = csv(*(f"S{n}" for n in range(500)))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            time.sleep(0.5)
            self.send_response(200)
            self.send_header("Content-Type", "text/csv")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_four_processes_that_need_it_at_once_make_one_download(tmp_path: Path, slow_server: tuple[str, list[str]]):
    root, asked = slow_server
    command = [sys.executable, "-c", FETCH, str(tmp_path), root]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": {**os.environ}}
    processes = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    told = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert sorted(told) == [["fetched", 500], ["kept", 500], ["kept", 500], ["kept", 500]]
    assert asked == ["/instruments"]
