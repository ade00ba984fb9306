"""A simulated exchange in a process of its own: it comes up, tells why if not, and never outlives us."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from kitecli.errors import ConfigError, DataError, EnvironmentProblem, UsageError
from kitecli.sim.launcher import DIRECT, launch
from kitecli.sim.options import SimOptions


def is_gone(pid: int, timeout_s: float = 10) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_it_listens_when_it_returns_and_is_gone_afterwards(tmp_path):
    report = tmp_path / "ledger.json"
    with launch(SimOptions(instruments=70, ledger=str(report))) as sim:
        assert sim.status()["state"] == "running"
        assert sim.ledger()["totals"]["live"] == 0
        assert (sim.ready.instruments, sim.pid) == (70, sim.ready.pid)
        assert urllib.request.urlopen(sim.api_url + "/instruments/BSE").status == 200
    assert is_gone(sim.pid, 0.1)
    assert json.loads(report.read_text())["tokens"] == {}
    sim.stop()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (SimOptions(source="nothing.csv"), DataError),
        (SimOptions(rate=99), UsageError),
        (SimOptions(faults="version: 0"), ConfigError),
    ],
)
def test_what_it_refuses_is_raised_here(options: SimOptions, error: type[Exception]):
    with pytest.raises(error):
        launch(options)


def test_a_token_is_renewed():
    with launch(SimOptions(instruments=3)) as sim:
        old = sim.access_token
        new = sim.renew_token()
        assert old != new == sim.access_token
        assert sim.subscriptions() == {}


def test_faults_are_done_and_told():
    with launch(SimOptions(instruments=3, faults="version: 1")) as sim:
        assert sim.fault("rst", connections=[0]) == [], "there is no connection"
        [line] = sim.fault("status", code=500, for_s=0.05, where="rest")
        assert (line["kind"], line["detail"], line["to_ns"]) == ("status", "500", None)
        with pytest.raises(urllib.error.HTTPError, match="500"):
            urllib.request.urlopen(sim.api_url + "/instruments")
        deadline = time.monotonic() + 10
        while (found := sim.faults())["faults"][0]["to_ns"] is None:
            assert time.monotonic() < deadline
        assert (found["counts"], found["outages"]) == ({"status": 1}, [])
        with pytest.raises(ConfigError, match="do can't be 'explode'"):
            sim.fault("explode")
        with pytest.raises(UsageError, match="plain connection"):
            sim.fault("tls", form="expired")


def test_an_exchange_without_a_script_has_no_faults():
    with launch(SimOptions(instruments=3)) as sim:
        for ask in (sim.faults, lambda: sim.fault("rst")):
            with pytest.raises(UsageError, match="no fault proxy"):
                ask()


def test_it_is_asked_directly_whatever_proxy_others_need(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with launch(SimOptions(instruments=3)) as sim:
        assert sim.status()["instruments"] == 3


def test_an_exchange_that_died_is_an_error_of_ours():
    with launch(SimOptions(instruments=3)) as sim:
        os.kill(sim.pid, signal.SIGKILL)
        with pytest.raises(EnvironmentProblem, match="exchange died") as died:
            sim.status()
        assert "ended with code -9" in died.value.why
    with pytest.raises(EnvironmentProblem, match="exchange died"):
        sim.ledger()


@pytest.mark.skipif(sys.platform == "win32", reason="a process can't be halted there")
def test_an_exchange_that_hangs_does_not_answer(monkeypatch):
    monkeypatch.setattr("kitecli.sim.launcher.ANSWER_S", 0.3)
    with launch(SimOptions(instruments=3)) as sim:
        os.kill(sim.pid, signal.SIGSTOP)
        try:
            with pytest.raises(EnvironmentProblem, match="doesn't answer"):
                sim.status()
        finally:
            os.kill(sim.pid, signal.SIGCONT)


def test_silence_is_told_with_what_it_last_complained_of(monkeypatch):
    with pytest.raises(EnvironmentProblem, match=r"said nothing for 0\.001 s"):
        launch(SimOptions(), timeout_s=0.001)
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(EnvironmentProblem, match="ended with code"):
        launch(SimOptions())


def test_it_ends_when_whoever_started_it_is_killed():
    script = (
        "from kitecli.sim.launcher import DIRECT, launch\n"
        "from kitecli.sim.options import SimOptions\n"
        "import os, signal\n"
        "sim = launch(SimOptions(instruments=10))\n"
        "print(sim.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == -9
    assert is_gone(int(result.stdout))


def test_what_the_console_says_of_the_app_can_be_changed():
    with launch(SimOptions(instruments=3, redirect_url="http://127.0.0.1:9/x")) as sim:
        assert sim.change_app()["redirect_url"] == "http://127.0.0.1:9/x"
        assert sim.change_app(market_data=False) == {
            "redirect_url": "http://127.0.0.1:9/x",
            "linked": True,
            "market_data": False,
        }
        for wrong in ({"colour": 1}, {"linked": "yes"}):
            with pytest.raises(UsageError, match="The app has no"):
                sim.change_app(**wrong)
        with DIRECT.open(sim.ready.login_url + "?api_key=" + sim.api_key) as page:
            assert sim.ready.password in page.read().decode()
            assert page.headers["Date"].endswith("GMT")
