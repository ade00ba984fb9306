"""``kite stats`` in its forms, at a feed that stands still."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from tests.conformance.vectors import INFY_QUOTE, message
from tests.stats.standing import StandingFeed


@pytest.fixture
def standing(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path / "data"))
    feed = StandingFeed(folder)
    feed.frames.ingest(message(INFY_QUOTE, INFY_QUOTE), 70, 0)
    yield feed
    feed.end()


def kite(*arguments):
    return CliRunner().invoke(app, ["stats", *arguments])


def test_once_as_json(standing):
    done = kite("--once", "--json", "--watch", "0.05")
    plain = json.loads(done.stdout)
    assert (done.exit_code, plain["feed"]["name"], plain["counters"]["ticks"]) == (0, "0123abcd", 2)
    assert plain["over_s"] >= 0.05


def test_once_for_programs_that_read_lines(standing):
    done = kite("0123", "--watch", "0.05")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows[0][:2] == ["feed", "feed"]
    assert {row[0] for row in rows} == {"feed", "connection", "slowest"}
    assert next(row[1] for row in rows if row[0] == "slowest") == "408065"


def test_json_goes_on_until_the_feed_ends(standing, monkeypatch):
    """Which it does while the third look is waited for."""
    waits = iter((lambda: None, lambda: None, standing.end))
    monkeypatch.setattr("time.sleep", lambda _: next(waits)())
    done = kite("--json")
    assert len(done.stdout.splitlines()) == 2
    assert done.exit_code == 5
    assert json.loads(done.stderr)["error"] == "gateway-gone"


def test_memory(standing):
    plain = json.loads(kite("--memory", "--json").stdout)
    assert plain["shared"]["ring and board"] >= standing.memory.layout.total_bytes
    assert "total\tshared\t" in kite("--memory").stdout


def test_the_metrics_once(standing):
    done = kite("--prometheus")
    assert 'kite_ticks_total{feed="0123abcd"} 2\n' in done.stdout
    assert done.stdout.endswith("\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is a signal")
def test_the_metrics_served_until_ctrl_c(standing):
    command = [sys.executable, "-m", "kitecli", "stats", "--prometheus", "--listen", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ, text=True) as process:
        url = process.stderr.readline().split()[4]
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert b'kite_feed_up{feed="0123abcd"} 1' in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    "options",
    [
        ("--listen", "9712"),
        ("--prometheus", "--once"),
        ("--prometheus", "--json"),
        ("--memory", "--once"),
        ("--prometheus", "--listen", "nowhere"),
    ],
    ids=" ".join,
)
def test_options_that_would_do_nothing_are_refused(options):
    assert kite(*options).exit_code == 2


def test_without_a_feed_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path))
    for form in ((), ("--memory",), ("--prometheus",)):
        done = kite(*form)
        assert (done.exit_code, "No feed is running" in done.stderr) == (5, True)
