"""The search for leaks finds one that is planted in each channel. Without this its silence would mean nothing."""

from __future__ import annotations

import base64
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.leaks.canaries import CANARIES, Hit, Seen, Watched, forms, leaks
from tests.leaks.socket_talk import everything, said_by

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

SECRET = CANARIES["api_secret"]
CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.3)'{argv}]{env})"


def planted(code: str) -> tuple[str, ...]:
    """A program that leaks. It puts the secret together: its own command line must be innocent."""
    half = len(SECRET) // 2
    return (sys.executable, "-c", f"secret = {SECRET[:half]!r} + {SECRET[half:]!r}\n{code}")


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ("stdout", "print(secret)"),
        ("stderr", "raise ValueError(f'GET /?token={secret}')"),
        ("file", "import pathlib; pathlib.Path('debug.log').write_text('x' * 5000 + secret)"),
        ("file", "import tempfile; open(tempfile.mktemp(), 'w').write(secret)"),
        ("file", "import os, pathlib; pathlib.Path(os.environ['HOME'], '.history').write_text(secret)"),
        ("argv", CHILD.format(argv=", secret", env="")),
        ("environ", CHILD.format(argv="", env=", env={'LEAK': secret}")),
    ],
)
def test_a_planted_leak_is_found(tmp_path: Path, channel: str, code: str):
    hits = leaks(Watched(tmp_path).run(program=planted(code)))
    assert {(hit.secret, hit.channel) for hit in hits} == {("api_secret", channel)}


def test_a_feed_that_said_it_on_its_control_socket_would_be_found(tmp_path: Path):
    def talk(server: socket.socket) -> None:
        link, _ = server.accept()
        with link, link.makefile("r") as asked:
            for number, line in enumerate(asked, 1):
                echoed = {"id": number, "ok": False, "error": {"why": f"odd request: {line}"}}
                link.sendall(json.dumps(echoed).encode() + b"\n")

    path = tmp_path / "feed.sock"
    with socket.socket(socket.AF_UNIX) as server, ThreadPoolExecutor() as pool:
        server.bind(str(path))
        server.listen()
        pool.submit(talk, server)
        seen = Seen()
        seen.add("socket", "", said_by(path, everything(SECRET)))
    assert leaks(seen) == [Hit("api_secret", "socket")]


def test_its_own_command_line_is_looked_at_too(tmp_path: Path):
    hits = leaks(Watched(tmp_path).run(program=(sys.executable, "-c", "import time; time.sleep(0.2)", SECRET)))
    assert hits == [Hit("api_secret", "argv")]


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_encoded_it_is_found_wherever_it_begins(before: str):
    text = (before + SECRET + "and more").encode()
    for encoded in (text, text.hex().encode(), base64.b64encode(text)):
        assert any(form in encoded for form in forms(SECRET.encode()))


def test_what_leaks_nothing_is_innocent(tmp_path: Path):
    assert leaks(Watched(tmp_path).run(program=planted("print('nothing')"))) == []
