"""Where one logs in, by the settings."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kitecli.auth.place import place_of, todays_session
from kitecli.secret import Secret
from kitecli.session import DaySession, session_end_s, write_session
from kitecli.settings import load
from kitecli.settings.schema import KiteSettings


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))


def kite(**variables: str) -> KiteSettings:
    return load(environ={f"KITE_{name.upper()}": value for name, value in variables.items()}).kite


def put(settings: KiteSettings, api_key: str) -> DaySession:
    session = DaySession(api_key, "AB1234", Secret(f"t-{api_key}"), int(time.time()), session_end_s(time.time()))
    write_session(place_of(settings).session_file(api_key), session)
    return session


def test_each_environment_has_its_page():
    assert place_of(kite()).login_url == "https://kite.zerodha.com/connect/login"
    sim = kite(environment="sim", api_root="http://127.0.0.1:9")
    assert place_of(sim).login_url == "http://127.0.0.1:9/connect/login"
    assert place_of(kite(login_url="http://127.0.0.1:9/x")).login_url == "http://127.0.0.1:9/x"
    assert place_of(kite(environment="sandbox")).route_prefix == "/oms"


def test_the_session_is_the_accounts_at_that_server_and_of_that_app():
    session = put(kite(), "key")
    now_s = time.time()
    assert todays_session(kite(), now_s) == session
    assert todays_session(kite(api_key="key"), now_s) == session
    assert todays_session(kite(api_key="other"), now_s) is None
    assert todays_session(kite(account="second"), now_s) is None
    assert todays_session(kite(environment="sandbox"), now_s) is None


def test_without_a_runtime_folder_there_is_no_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(blocked / "below"))
    assert todays_session(kite(), time.time()) is None
