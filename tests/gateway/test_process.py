"""The gateway as a child: how it starts, how it ends, what it leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kitecli.gateway.spec import STOP_REQUEST, GatewayEvent, GatewaySpec
from kitecli.hot import COMPILED
from kitecli.secret import Secret

pytestmark = pytest.mark.skipif(not COMPILED, reason="a feed process needs the compiled pass")


@pytest.fixture
def child(exchange, tmp_path):
    """A gateway process and the first event it said."""
    url = f"{exchange.ws_url}?api_key={exchange.api_key}&access_token={exchange.access_token}"
    spec = GatewaySpec(Secret(url), {256265: "full"}, 1024, str(tmp_path / "a.ring"))
    process = subprocess.Popen(
        [sys.executable, "-m", "kitecli.gateway"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(spec.to_line() + "\n")
    process.stdin.flush()
    assert GatewayEvent.from_line(process.stdout.readline()).kind == "ready"
    yield process
    process.kill()
    process.communicate()


def rest_of(process):
    out, complaints = process.communicate(timeout=10)
    assert complaints == ""
    return [GatewayEvent.from_line(line) for line in out.splitlines()]


def test_it_stops_when_asked(child, tmp_path):
    child.stdin.write(STOP_REQUEST + "\n")
    child.stdin.flush()
    assert rest_of(child)[-1].kind == "stopped"
    assert (child.returncode, list(tmp_path.iterdir())) == (0, [])


def test_it_stops_when_its_parent_is_gone(child, tmp_path):
    child.stdin.close()
    child.stdin = None
    assert rest_of(child)[-1].kind == "stopped"
    assert list(tmp_path.iterdir()) == []


def test_it_stops_on_sigterm_and_leaves_ctrl_c_to_its_parent(child, tmp_path):
    os.kill(child.pid, signal.SIGINT)
    time.sleep(0.2)
    assert child.poll() is None
    os.kill(child.pid, signal.SIGTERM)
    assert rest_of(child)[-1].kind == "stopped"
    assert list(tmp_path.iterdir()) == []


def test_the_token_is_in_neither_argv_nor_environment(child, exchange):
    folder = Path(f"/proc/{child.pid}")
    if not folder.is_dir():
        pytest.skip("no /proc here")
    for name in ("cmdline", "environ"):
        assert exchange.access_token.encode() not in (folder / name).read_bytes()


def test_a_failure_is_its_last_word(tmp_path):
    spec = GatewaySpec(Secret("ws://127.0.0.1:1"), {256265: "full"}, 1024, str(tmp_path / "a.ring"))
    done = subprocess.run(
        [sys.executable, "-m", "kitecli.gateway"],
        input=spec.to_line() + "\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    # its input has ended, which asks it to stop; whichever it notices first, it says one of the two
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["kind"], done.returncode) in (("failed", 5), ("stopped", 0))
    assert list(tmp_path.iterdir()) == []


def test_without_a_word_it_ends_quietly():
    done = subprocess.run(
        [sys.executable, "-m", "kitecli.gateway"], input="", capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
