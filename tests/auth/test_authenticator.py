"""``KiteAuthenticator`` as its users write it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from kitecli import KiteAuthenticator
from kitecli.errors import AuthError, UsageError
from kitecli.sim.launcher import SimProcess


@pytest.fixture(autouse=True)
def _as_a_user(variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_authenticate_and_get_the_token(exchange: SimProcess):
    auth = KiteAuthenticator()
    assert auth.get_access_token() is None
    assert auth.authenticate() is True
    token = auth.get_access_token()
    assert token
    assert KiteAuthenticator().authenticate() is True
    assert KiteAuthenticator().get_access_token() == token, "a session that lasts is used"
    exchange.renew_token()
    assert KiteAuthenticator().authenticate() is True
    assert KiteAuthenticator().get_access_token() != token, "one that was ended is not"


def test_what_is_expected_to_fail_is_false_and_logged_without_secrets(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("KITE_PASSWORD", "canary-password")
    with caplog.at_level(logging.DEBUG):
        assert KiteAuthenticator().authenticate() is False
    assert "refused user ID or password" in caplog.text
    assert "canary-password" not in caplog.text
    with pytest.raises(AuthError):
        KiteAuthenticator().login()


def test_the_way_is_chosen_by_what_there_is(monkeypatch: pytest.MonkeyPatch):
    assert KiteAuthenticator().way_of_login() == "totp"
    assert KiteAuthenticator("paste").way_of_login() == "paste"
    monkeypatch.setenv("BROWSER", "true")
    assert KiteAuthenticator("browser").way_of_login() == "browser"
    monkeypatch.delenv("KITE_PASSWORD")
    assert KiteAuthenticator().way_of_login() == "browser"
    monkeypatch.setenv("KITE_REDIRECT_URL", "https://example.com/kite")
    assert KiteAuthenticator("browser").way_of_login() == "paste"
    with pytest.raises(UsageError, match="browser, paste, totp"):
        KiteAuthenticator("sms")


def test_at_a_simulated_exchange(exchange: SimProcess):
    auth = KiteAuthenticator("totp", simulated=exchange.ready)
    session = auth.login()
    assert session.user_id == "SIM001"
    assert auth.logout() == session
    with pytest.raises(AuthError, match="Nobody"):
        auth.logout()
