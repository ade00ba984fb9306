"""Starting a gateway: what its starter is told when that goes wrong."""

import os
import signal
import subprocess
import sys

import pytest

from kitecli.errors import EnvironmentProblem, FeedError, TooManyInstruments
from kitecli.gateway.handle import ChildGateway, EmbeddedGateway, ring_path
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import COMPILED
from kitecli.secret import Secret

NOWHERE = Secret("ws://127.0.0.1:1")
compiled = pytest.mark.skipif(not COMPILED, reason="a feed process needs the compiled pass")


@pytest.mark.parametrize("kind", [EmbeddedGateway, pytest.param(ChildGateway, marks=compiled)])
def test_a_bad_spec_is_raised_here(kind, tmp_path):
    path = str(tmp_path / "a.ring") if kind is ChildGateway else None
    with pytest.raises(TooManyInstruments):
        kind(GatewaySpec(NOWHERE, dict.fromkeys(range(1, 9002), "ltp"), 1024, path))


@compiled
def test_a_gateway_that_is_killed_is_told_and_its_ring_swept(start, exchange, request, tmp_path):
    if "embedded" in request.node.name:
        pytest.skip("there is no process to kill")
    with start(exchange, {256265: "full"}) as feed:
        os.kill(feed.gateway_pid, signal.SIGKILL)
        with pytest.raises(FeedError, match="died"):
            for _ in feed.batches(10):
                pass
    assert list((tmp_path / "run").iterdir()) == []


@compiled
def test_a_gateway_that_somebody_else_stops_is_told(start, exchange, request):
    if "embedded" in request.node.name:
        pytest.skip("there is no process to stop")
    with start(exchange, {256265: "full"}) as feed:
        for _ in feed.batches(10):
            if feed.connections.get(0) in ("live", "quiet"):
                break
        os.kill(feed.gateway_pid, signal.SIGTERM)
        with pytest.raises(FeedError, match="stopped"):
            for _ in feed.batches(10):
                pass


@pytest.mark.skipif(COMPILED, reason="there is an extension")
def test_without_the_extension_there_is_no_feed_process(tmp_path):
    with pytest.raises(EnvironmentProblem, match="compiled"):
        ChildGateway(GatewaySpec(NOWHERE, {}, 1024, str(tmp_path / "a.ring")))


def test_rings_of_dead_processes_are_swept_and_others_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name in (f"feed-{gone.pid}.ring", f"feed-{gone.pid}.seats", f"feed-{os.getpid()}.ring", "other.ring"):
        (tmp_path / name).touch()
    assert ring_path("7") == tmp_path / "feed-7.ring"
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {f"feed-{os.getpid()}.ring", "other.ring"}
