"""The simulated exchange's login page in a real browser, with kite waiting for the redirect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kitecli.sim.launcher import SimProcess
from tests.auth.chromium import CHROMIUM, Chromium

FILL = """(fields => {
  for (const [name, value] of Object.entries(fields)) document.getElementById(name).value = value;
  document.querySelector("form:not([hidden]) button").click();
})(%s)"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_person_logs_in_on_the_page(exchange: SimProcess, variables: dict[str, str], tmp_path: Path):
    ready = exchange.ready
    login = [sys.executable, "-m", "kitecli", "auth", "login", "--json"]
    environment = {**os.environ, **variables, "BROWSER": "true"}
    waiting = subprocess.Popen(
        login, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with waiting, Chromium(tmp_path / "browser") as browser:
        said = ""
        while "http" not in said:
            said += waiting.stderr.readline()
        browser.open(said[said.index("http") :].strip())
        browser.until("document.getElementById('first') !== null")
        browser.run(FILL % json.dumps({"user_id": ready.user_id, "password": "wrong"}))
        browser.until("document.getElementById('refused').textContent.startsWith('Invalid username')")
        browser.run(FILL % json.dumps({"password": ready.password}))
        browser.until("document.getElementById('first').hidden")
        code = str(browser.run("document.body.innerText.match(/code (\\d{6})/)[1]"))
        browser.run(FILL % json.dumps({"code": code}))
        browser.until("document.body !== null && document.body.innerText.includes('Logged in')")
        out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert json.loads(out)["user_id"] == ready.user_id
