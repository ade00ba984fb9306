"""A simulated exchange to stream from, and a feed on it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import ChildGateway, EmbeddedGateway, attach, ring_path
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

KINDS = ["embedded", pytest.param("child", marks=pytest.mark.skipif(not COMPILED, reason="needs the compiled pass"))]


@pytest.fixture(scope="session")
def exchange():
    """One simulated exchange for all tests: 300 instruments, ten updates a second each."""
    with launch(SimOptions(instruments=300, rate=10, rate_limits=False)) as sim:
        yield sim


@pytest.fixture(params=KINDS)
def start(request, tmp_path, monkeypatch):
    """``with start(sim, {token: mode}) as feed``: a feed in a process of its own, or in this one."""
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))

    @contextmanager
    def run(sim, modes, *, token=None, at_least=1, ring_size=1 << 16, from_oldest=True, **url):
        path = str(ring_path("1")) if request.param == "child" else None
        ws_url = url.get("ws_url") or f"{sim.ws_url}?api_key={sim.api_key}&access_token={token or sim.access_token}"
        spec = GatewaySpec(Secret(ws_url), modes, ring_size, path, at_least=at_least)
        handle = (ChildGateway if path else EmbeddedGateway)(spec)
        events = []
        reader = attach(handle.memory, batch=4096, depth=True, from_oldest=from_oldest)
        feed = Feed(handle, reader, events.append)
        feed.events, feed.handle = events, handle
        with feed:
            yield feed

    return run
