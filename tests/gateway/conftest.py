"""A simulated exchange to stream from, and feeds on it."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from kitecli.gateway.control import ControlServer
from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.lock import FeedCard, FeedPlace
from kitecli.gateway.messages import Bye
from kitecli.gateway.spec import GatewayEvent, GatewaySpec
from kitecli.hot import COMPILED
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from tests.gateway.reading import Reading

KINDS = ["embedded", pytest.param("shared", marks=pytest.mark.skipif(not COMPILED, reason="needs the compiled pass"))]


@pytest.fixture(scope="module")
def exchange():
    """One simulated exchange for all tests of a file: 300 instruments, ten updates a second each."""
    with launch(SimOptions(instruments=300, rate=10, rate_limits=False)) as sim:
        yield sim


@pytest.fixture
def spec_of(tmp_path):
    """``spec_of(sim, {token: mode}, **changes)``: the spec of a feed whose files stand in a folder of the test's."""

    def make(sim, modes=(), **changes):
        folder = tmp_path / "run"
        folder.mkdir(mode=0o700, exist_ok=True)
        settled = {
            "ws_root": sim.ws_url,
            "api_key": sim.api_key,
            "access_token": Secret(sim.access_token),
            "modes": dict(modes),
            "ring_size": 1 << 16,
            "folder": str(folder),
        }
        return GatewaySpec(**{**settled, **changes})

    return make


@pytest.fixture(params=KINDS)
def start(request, spec_of):
    """``with start(sim, {token: mode}) as feed``: a feed in a process of its own, or in this one."""

    @contextmanager
    def run(sim, modes, *, from_oldest=True, wanted=None, **changes):
        if request.param == "embedded":
            changes["folder"] = None
        handle = open_gateway(spec_of(sim, modes, **changes))
        events = []
        reader = attach(handle.memory, batch=4096, depth=True, from_oldest=from_oldest)
        feed = Feed(handle, reader, events.append, wanted=wanted)
        feed.events, feed.handle = events, handle
        with feed:
            yield feed

    return run


@pytest.fixture
def until():
    """``until(condition)``: wait for it to hold; returns what it said in the end."""

    def wait(condition, seconds=60.0):
        deadline = time.monotonic() + seconds
        while not (said := condition()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return said

    return wait


class Desk:
    """Answers requests as a gateway would, without a feed: a control server's other side."""

    def __init__(self):
        self.members = {}
        self.asked = []
        self.left = []
        self.refuse = None

    def join(self, client, hello):
        if self.refuse:
            raise self.refuse
        self.members[client] = hello
        return {"number": client, "pid": 1}

    def greetings(self):
        return [GatewayEvent("ready", data="here")]

    def answer(self, client, request):
        if self.refuse:
            raise self.refuse
        self.asked.append((client, request))
        if isinstance(request, Bye):
            self.leave(client)
            return {"ends": False}
        return {"n": len(self.asked)}

    def leave(self, client):
        if self.members.pop(client, None) is not None:
            self.left.append(client)


class Listening:
    """A control server on a loop of its own thread. ``do`` calls something there; ``card`` says where it is."""

    def __init__(self, folder, loop):
        self.desk = Desk()
        self._loop = loop
        self._thread = threading.Thread(target=loop.run_forever)
        self._thread.start()
        self.server = self.do(ControlServer)
        self.place = FeedPlace(folder, "desk0001")
        door = self.wait(self.server.listen(self.desk, self.place))
        socket = str(door.socket) if door.socket else None
        self.card = FeedCard(1, self.place.name, 1, "", 1, "", socket, door.port, door.token)

    def do(self, call, *arguments):
        async def called():
            return call(*arguments)

        return self.wait(called())

    def wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def tell(self, event):
        self.do(self.server.broadcast, event)

    def stop(self):
        self.wait(self.server.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def listening(tmp_path):
    """``listening()``: a control server with a desk that has no feed, on a Unix socket unless KITE_CONTROL says tcp."""
    started = []

    def start(loop_factory=asyncio.new_event_loop, folder=tmp_path):
        started.append(Listening(folder, loop_factory()))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def reading():
    """``reading(spec)``: a process that holds that gateway and reads; killed at the end."""
    started = []

    def start(spec):
        started.append(Reading(spec))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def alive():
    """``alive(pid)``: whether that process runs, and is no zombie."""

    def look(pid):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state not in "ZX"

    return look
