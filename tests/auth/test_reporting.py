"""Where the secrets of alerts come from, and whose feeds alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitecli.auth.reporting import alerts_of, reporting
from kitecli.errors import ConfigError
from kitecli.secret import Secret
from kitecli.settings import load
from kitecli.vault import Vault, unlocking, vault_path
from tests.vault.made import PASSWORD, quickly


def test_the_environment_has_the_secrets_and_a_simulation_alerts_nobody():
    environ = {"KITE_WEBHOOK_URL": "https://hooks.example/x", "KITE_ALERTS_CHANNELS": "webhook"}
    settings = load(environ=environ)
    alerts = alerts_of(settings)
    assert alerts is not None
    assert alerts.webhook_url == settings.kite.webhook_url
    assert reporting(settings, simulated=False)["alerts"] == alerts
    told = reporting(settings, simulated=True)
    assert told["alerts"] is None
    assert told["logs"] is not None


def test_the_vault_has_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    quickly(monkeypatch)
    monkeypatch.setattr(unlocking, "_opened", {})
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    (tmp_path / "kite-password-default").write_text(PASSWORD)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    kept = {"telegram_token": Secret("123456:the-bot"), "webhook_url": Secret("https://hooks.example/x")}
    with Vault(vault_path()).create(Secret(PASSWORD)) as vault:
        vault.update(kept)
    environ = {"KITE_ALERTS_CHANNELS": "[telegram, webhook]", "KITE_ALERTS_TELEGRAM_CHAT": "42"}
    alerts = alerts_of(load(environ=environ))
    assert alerts is not None
    assert {"telegram_token": alerts.telegram_token, "webhook_url": alerts.webhook_url} == kept


def test_where_neither_environment_nor_vault_has_them_it_is_said():
    with pytest.raises(ConfigError, match="webhook_url"):
        alerts_of(load(environ={"KITE_ALERTS_CHANNELS": "webhook"}))
