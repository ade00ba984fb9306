"""A simulated exchange to stream from, and feeds on it."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

KINDS = ["embedded", pytest.param("shared", marks=pytest.mark.skipif(not COMPILED, reason="needs the compiled pass"))]


@pytest.fixture(scope="session")
def exchange():
    """One simulated exchange for all tests: 300 instruments, ten updates a second each."""
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
    def run(sim, modes, *, from_oldest=True, **changes):
        if request.param == "embedded":
            changes["folder"] = None
        handle = open_gateway(spec_of(sim, modes, **changes))
        events = []
        reader = attach(handle.memory, batch=4096, depth=True, from_oldest=from_oldest)
        feed = Feed(handle, reader, events.append)
        feed.events, feed.handle = events, handle
        with feed:
            yield feed

    return run


def until(condition, seconds=15.0):
    """Wait for ``condition()``; returns what it says in the end."""
    deadline = time.monotonic() + seconds
    while not (said := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return said
