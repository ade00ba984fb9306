"""The gateway as a process: how it is spoken to, how it ends, what it leaves, what it doesn't load."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kitecli.gateway.client import ControlClient
from kitecli.gateway.lock import FeedCard, FeedPlace
from kitecli.gateway.messages import Status, Stop, Subscribe
from kitecli.hot import COMPILED

pytestmark = pytest.mark.skipif(not COMPILED, reason="a feed process needs the compiled pass")
COMMAND = [sys.executable, "-m", "kitecli.gateway"]


@pytest.fixture
def child(exchange, spec_of):
    """A gateway process that listens, and a client that keeps it alive."""
    spec = spec_of(exchange)
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(spec.to_line().encode() + b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == {"start": "ready"}
    process.place = FeedPlace(Path(spec.folder), spec.name)
    process.client = ControlClient.reach(FeedCard.read(process.place.card))
    yield process
    process.kill()
    process.client.close()
    process.communicate()


def ended(process):
    """Its exit code; it has said nothing more and left nothing."""
    out, complaints = process.communicate(timeout=60)
    assert (out, complaints) == (b"", b"")
    assert list(process.place.folder.iterdir()) == []
    return process.returncode


def last_word(client):
    while (event := client.events.get(timeout=60)).kind not in ("stopped", "failed"):
        pass
    return event


def test_it_stops_when_asked(child):
    child.client.ask(Stop())
    assert last_word(child.client).kind == "stopped"
    assert ended(child) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_order_on_a_signal(child, number):
    os.kill(child.pid, number)
    event = last_word(child.client)
    assert (event.kind, event.data) == ("stopped", f"signal {number.name}")
    assert ended(child) == 0


def test_it_goes_on_when_its_starter_is_gone_and_ends_with_its_last_client(child):
    child.stdin.close()
    child.stdin = None
    child.client.ask(Status())
    child.client.close()
    assert ended(child) == 0


def test_when_a_client_sees_the_end_the_name_is_free_and_the_folder_empty(child):
    child.client.ask(Stop())
    child.client._listener.join(10)
    assert list(child.place.folder.iterdir()) == []
    assert not child.place.held()


def test_nothing_python_heavy_is_loaded_beside_the_feed(exchange, spec_of):
    """The modules of a gateway that streams, told by an exit hook."""
    code = (
        "import atexit, sys\n"
        "from kitecli.gateway.process import main\n"
        "atexit.register(lambda: print(*sys.modules, sep='\\n', file=open(sys.argv[1], 'w')))\n"
        "sys.exit(main())\n"
    )
    spec = spec_of(exchange)
    told = Path(spec.folder).parent / "modules"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(told)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdin.write(spec.to_line() + "\n")
    process.stdin.flush()
    assert process.stdout.readline()
    client = ControlClient.reach(FeedCard.read(FeedPlace(Path(spec.folder), spec.name).card))
    client.ask(Subscribe({408065: "full"}))
    client.ask(Status())
    client.ask(Stop())
    client.close()
    process.communicate(timeout=60)
    loaded = {name.partition(".")[0] for name in told.read_text().split()}
    assert "picows" in loaded
    heavy = {
        "kiteconnect",
        "requests",
        "yaml",
        "twisted",
        "typer",
        "rich",
        "cryptography",
        "pyotp",
        "urllib3",
        "pandas",
    }
    assert not loaded & heavy


def test_without_a_word_it_ends_quietly():
    done = subprocess.run(COMMAND, input="", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_spec_it_can_t_use_is_its_first_and_last_word():
    done = subprocess.run(COMMAND, input='{"t0p": 1}\n', capture_output=True, text=True, timeout=60, check=False)
    word = json.loads(done.stdout)
    assert (done.returncode, word["error"], done.stderr) == (5, "feed", "")
    assert "t0p" not in done.stdout
