"""``KiteAuthenticator`` as its users write it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from kitecli import KiteAuthenticator
from kitecli.errors import AuthError, UsageError
from kitecli.secret import Secret
from kitecli.sim.launcher import SimProcess
from kitecli.vault import Vault, unlocking, vault_path
from tests.vault.made import quickly


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


def test_what_is_logged_is_masked_by_value(caplog: pytest.LogCaptureFixture):
    secret = Secret("canary-in-a-message")
    logging.getLogger("kitecli.auth").error("refused: %s", secret.reveal())
    assert "refused: ********" in caplog.text
    assert secret.reveal() not in caplog.text


def test_the_vault_s_session_comes_back_unless_the_broker_has_ended_it(
    exchange: SimProcess, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    """As after a restart of the machine, which empties the runtime folder."""
    quickly(monkeypatch)
    monkeypatch.setattr(unlocking, "_opened", {})
    with Vault(vault_path("sim")).create(Secret("a long enough password")) as vault:
        unlocking._opened["sim"] = vault
        auth = KiteAuthenticator("totp")
        assert auth.keys.kept() is None
        session = auth.login()
        file = auth.place.session_file(session.api_key)
        vault.set("api_key", Secret(session.api_key))

        file.unlink()
        monkeypatch.setenv("KITE_API_ROOT", "http://127.0.0.1:1")
        unheard = KiteAuthenticator().restore()
        assert unheard is not None, "who can't be asked hasn't ended it"

        monkeypatch.setenv("KITE_API_ROOT", variables["KITE_API_ROOT"])
        restored = KiteAuthenticator().current()
        assert restored is not None
        assert (restored.access_token, file.exists()) == (session.access_token, True)

        file.unlink()
        exchange.renew_token()
        assert KiteAuthenticator().current() is None
        assert (vault.token(), file.exists()) == (None, False)


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
