"""The session ends while a feed streams, and another login begins one: real processes, as on a user's machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from kitecli.archive.outages import outages
from kitecli.hot import COMPILED
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from kitecli.store.recording import Recording
from tests.auth.exchanges import free_port, variables_of

PATIENCE_S = 40.0
OBSERVED_S = 8.0
"""A token that has worked is tried once more, after 5 to 6 s; here it would show whether anybody tries again."""

Run = Callable[..., CompletedProcess[str]]


@pytest.mark.slow
@pytest.mark.skipif(not COMPILED, reason="a feed in the background needs the compiled pass")
def test_a_new_login_reaches_a_running_feed_by_itself(run_kite: Run, tmp_path: Path):
    redirect_url = f"http://127.0.0.1:{free_port()}/kite"
    options = SimOptions(instruments=20, rate=5, rate_limits=False, faults="version: 1", redirect_url=redirect_url)
    with launch(options) as sim:
        env = variables_of(sim, tmp_path)

        def kite(*arguments: str) -> str:
            done = run_kite(*arguments, env=env)
            assert done.returncode == 0, done.stderr
            return done.stdout

        def connection() -> dict:
            return json.loads(kite("status", "--json"))["feeds"][0]["connections"][0]

        def until(state: str) -> dict:
            deadline_s = time.monotonic() + PATIENCE_S
            while (found := connection())["state"] != state:
                assert time.monotonic() < deadline_s, found
            return found

        kite("auth", "login", "--totp")
        instruments = ("NSE:INFY", "NSE:RELIANCE", "--mode", "full")
        kite("feed", "--daemon", *instruments)
        command = [sys.executable, "-m", "kitecli", "record", *instruments, "--store", str(tmp_path / "store")]
        recording = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **env})
        try:
            assert recording.stderr is not None
            assert "Recording 2 instruments" in recording.stderr.readline()
            before = until("live")
            [streamed] = sim.subscriptions().values()
            sim.renew_token()
            sim.fault("rst")
            waiting = until("auth")
            assert "login" in str(waiting["cause"])
            time.sleep(OBSERVED_S)
            waiting = connection()
            assert waiting["state"] == "auth"
            assert waiting["attempts"] - before["attempts"] <= 2, "nobody knocks on a door that is shut"
            kite("auth", "login", "--totp")
            told_s = time.time()
            again = until("live")
            print(f"streaming {again['since_ns'] / 1e9 - told_s:+.2f} s after the login's command ended")
            assert list(sim.subscriptions().values()) == [streamed]
            time.sleep(1.0)  # ticks of the new session
            recording.send_signal(signal.SIGINT)
            assert "All of it is on disk" in recording.communicate(timeout=PATIENCE_S)[1]
            assert recording.returncode == 0
        finally:
            recording.kill()
            recording.communicate()
            kite("stop", "--all")
    recorded_on_both_sides_of_an_outage(next((tmp_path / "store").glob("20*")))


def recorded_on_both_sides_of_an_outage(folder: Path) -> None:
    with Recording.open(folder) as day:
        [*_, outage] = [gap for gap in outages(day.gaps()) if gap.to_ns is not None]
        stamps = [frame.ts_recv_ns for frame in day.frames() if len(frame.payload) > 1]
    assert not [stamp for stamp in stamps if outage.from_ns < stamp < outage.to_ns]
    assert min(stamps) < outage.from_ns
    assert max(stamps) >= outage.to_ns
