"""The session ends while a feed streams, and another login begins one: real processes, as on a user's machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from kitecli.hot import COMPILED
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
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
        kite("feed", "--daemon", "NSE:INFY", "NSE:RELIANCE", "--mode", "full")
        try:
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
        finally:
            kite("stop", "--all")
