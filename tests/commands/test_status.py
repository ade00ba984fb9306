"""``kite feed --daemon``, ``kite status`` and ``kite stop``, as a user runs them: one feed, several terminals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from kitecli.hot import COMPILED
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

pytestmark = pytest.mark.skipif(not COMPILED, reason="a feed in the background needs the compiled pass")


@pytest.fixture
def kite(run_kite, tmp_path):
    """``kite(ARGUMENTS…)`` in a runtime folder of the test's own; whatever still runs is ended."""
    environment = {"KITE_RUNTIME_DIR": str(tmp_path / "run")}
    yield lambda *arguments: run_kite(*arguments, env=environment)
    run_kite("stop", "--all", env=environment)


def test_a_feed_in_the_background_is_joined_looked_at_and_ended(kite, tmp_path):
    began = json.loads(kite("feed", "--sim", "--daemon", "INFY", "TCS", "--json").stdout)
    assert began["joined"] is False
    assert began["state"] in ("live", "quiet")

    more = json.loads(kite("feed", "--sim", "--daemon", "SBIN", "--json").stdout)
    assert (more["name"], more["pid"], more["joined"]) == (began["name"], began["pid"], True)

    joined = kite("feed", "--sim", "RELIANCE", "--duration", "1", "--json")
    assert {json.loads(line)["instrument"] for line in joined.stdout.splitlines()} == {"NSE:RELIANCE"}

    (feed,) = json.loads(kite("status", "--json").stdout)["feeds"]
    assert (feed["pid"], feed["daemon"], feed["kept"], feed["instruments"]) == (began["pid"], True, 3, 3)
    assert [connection["state"] for connection in feed["connections"]] in (["live"], ["quiet"])
    assert kite("status", feed["name"][:3]).stdout.splitlines()[0].startswith(f"feed\tfeed\t{feed['name']}")

    ended = kite("stop", "--json")
    assert json.loads(ended.stdout) == {"stopped": [{"name": began["name"], "pid": began["pid"]}]}
    assert [path.name for path in (tmp_path / "run").iterdir() if path.suffix not in (".lock", ".json")] == []
    none = kite("status")
    assert (none.returncode, none.stdout) == (5, "")
    assert "No feed is running" in none.stderr


def test_mistakes_are_said_with_what_to_do(kite):
    wrong = kite("feed", "--sim", "--daemon", "--duration", "3")
    assert wrong.returncode == 2
    assert "--daemon only has them streamed" in wrong.stderr
    nobody = kite("stop", "abc", "--json")
    assert nobody.returncode == 5
    assert json.loads(nobody.stderr)["error"] == "no-feed"


def test_a_second_exchange_in_the_background_is_refused(kite):
    assert kite("feed", "--sim", "--daemon", "INFY").returncode == 0
    other = kite("feed", "--sim", "--daemon", "--instruments", "300")
    assert other.returncode == 2
    assert "runs in the background already" in other.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a process is stopped by a signal")
def test_a_feed_that_hangs_keeps_nobody_from_seeing_the_others(kite, run_kite, tmp_path):
    assert kite("feed", "--sim", "--daemon", "INFY").returncode == 0
    with launch(SimOptions(instruments=100, rate_limits=False)) as sim:
        other = {
            "KITE_RUNTIME_DIR": str(tmp_path / "run"),
            "KITE_ENVIRONMENT": "sim",
            "KITE_WS_ROOT": sim.ws_url,
            "KITE_API_ROOT": sim.api_url,
            "KITE_API_KEY": sim.api_key,
            "KITE_ACCESS_TOKEN": sim.access_token,
        }
        hung = json.loads(run_kite("feed", "--daemon", "INFY", "--json", env=other).stdout)
        os.kill(hung["pid"], signal.SIGSTOP)
        try:
            seen = kite("status", "--json")
        finally:
            os.kill(hung["pid"], signal.SIGCONT)
    (answered,) = json.loads(seen.stdout)["feeds"]
    assert (seen.returncode, answered["name"] != hung["name"]) == (5, True)
    assert f"{hung['name']}, process {hung['pid']}" in json.loads(seen.stderr)["why"]


def test_readers_are_told_that_a_feed_was_stopped(kite, tmp_path):
    kite("feed", "--sim", "--daemon", "INFY")
    reader = subprocess.Popen(
        [sys.executable, "-m", "kitecli", "feed", "--sim", "INFY", "--json"],
        env={**os.environ, "KITE_RUNTIME_DIR": str(tmp_path / "run")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert json.loads(reader.stdout.readline())["instrument"] == "NSE:INFY"
    kite("stop")
    _, said = reader.communicate(timeout=60)
    assert reader.returncode == 5
    assert "was stopped" in said
    assert "kite stop" in said
