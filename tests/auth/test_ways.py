"""The three ways, each against the exchange, without the command line."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kitecli.auth.hold import Hold
from kitecli.auth.keys import GivenKeys
from kitecli.auth.steps import page_url
from kitecli.auth.ways import by_browser, by_paste, by_totp
from kitecli.errors import AuthError, BrokerUnavailable, KiteError, LoginHeldBack, PasswordRefused
from kitecli.secret import Secret
from kitecli.sim.launcher import SimProcess
from tests.auth.exchanges import HERE, free_port

Capture = pytest.CaptureFixture[str]
NAMES = ("user_id", "password", "totp_secret")


def page_of(exchange: SimProcess) -> str:
    return page_url(exchange.ready.login_url, exchange.api_key, "n")


def keys_of(exchange: SimProcess, **other: str) -> GivenKeys:
    return GivenKeys({name: getattr(exchange.ready, name) for name in NAMES} | other)


def test_by_browser(exchange: SimProcess, browsing: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    for name, value in browsing.items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    assert by_browser(exchange.ready.redirect_url, said.append, 30)(page_of(exchange), "n")
    assert page_of(exchange) in said[0]


def test_by_browser_no_process_shows_the_login_s_word_and_none_writes_here(
    exchange: SimProcess, browsing: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
):
    """Any user of a machine may read the command lines of all its processes."""
    shown, script = tmp_path / "shown", tmp_path / "browser.py"
    script.write_text(
        "import os, pathlib, sys\n"
        "lines = [' '.join(sys.argv)]\n"
        "if sys.platform == 'linux': lines.append(pathlib.Path(f'/proc/{os.getppid()}/cmdline').read_text())\n"
        f"pathlib.Path({str(shown)!r}).write_text('\\n'.join(lines))\n"
        "print('noise', flush=True); print('noise', file=sys.stderr, flush=True)\n"
        f"os.execv(sys.executable, [sys.executable, {str(HERE / 'fake_browser.py')!r}, sys.argv[1]])\n"
    )
    monkeypatch.setenv("BROWSER", f"{sys.executable} {script} %s")
    monkeypatch.setenv("SIM_LOGIN", browsing["SIM_LOGIN"])
    page = page_url(exchange.ready.login_url, exchange.api_key, "w0rd-of-this-login")
    assert by_browser(exchange.ready.redirect_url, lambda _: None, 60)(page, "w0rd-of-this-login")
    assert "http://127.0.0.1:" in shown.read_text()
    assert not [word for word in ("w0rd-of-this-login", exchange.api_key) if word in shown.read_text()]
    assert capfd.readouterr() == ("", "")


def test_by_browser_nobody_logs_in(exchange: SimProcess, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BROWSER", "true")
    with pytest.raises(AuthError, match="No login came back"):
        by_browser(f"http://127.0.0.1:{free_port()}/kite", str, 0.2)(page_of(exchange), "n")


def test_by_paste(exchange: SimProcess, browsing: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []

    def read_line() -> str:
        page = said[0].split()[-1]
        script = [sys.executable, str(HERE / "fake_browser.py"), "--stop", page]
        return subprocess.run(script, env=browsing, capture_output=True, text=True, check=True).stdout

    assert by_paste(read_line, said.append)(page_of(exchange), "n")


def test_by_totp_once_refused_is_not_tried_again(exchange: SimProcess, tmp_path: Path):
    hold, said = Hold(tmp_path, Secret("SIM001")), []
    wrong = keys_of(exchange, password="wrong")
    with pytest.raises(PasswordRefused):
        by_totp(wrong, hold, said.append)(page_of(exchange), "n")
    with pytest.raises(LoginHeldBack):
        by_totp(keys_of(exchange), hold, said.append)(page_of(exchange), "n")
    assert by_totp(keys_of(exchange), hold, said.append, retry=True)(page_of(exchange), "n")
    assert by_totp(keys_of(exchange), hold, said.append)(page_of(exchange), "n")
    assert len(said) == 1, "the broker's position is said once"


def test_by_totp_three_at_once_send_one_password(exchange: SimProcess, tmp_path: Path):
    wrong, page, ended, all_there = keys_of(exchange, password="wrong"), page_of(exchange), [], threading.Barrier(3)

    def log_in() -> None:
        all_there.wait(20)
        try:
            by_totp(wrong, Hold(tmp_path, Secret("SIM001")), lambda _: None)(page, "n")
        except KiteError as error:
            ended.append(type(error))

    logins = [threading.Thread(target=log_in) for _ in range(3)]
    for login in logins:
        login.start()
    for login in logins:
        login.join(60)
    assert sorted(ended, key=str) == [LoginHeldBack, LoginHeldBack, PasswordRefused]


def test_a_broker_that_is_away_holds_nothing_back(exchange: SimProcess, tmp_path: Path):
    hold = Hold(tmp_path, Secret("SIM001"))
    with pytest.raises(BrokerUnavailable):
        by_totp(keys_of(exchange), hold, str)("http://127.0.0.1:1/connect/login?v=3", "n")
    hold.check()
