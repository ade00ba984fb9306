"""Where the secrets of alerts come from, and whose feeds alert."""

from __future__ import annotations

import pytest

from kitecli.auth.reporting import alerts_of, reporting
from kitecli.errors import ConfigError
from kitecli.settings import load


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


def test_where_neither_environment_nor_vault_has_them_it_is_said():
    with pytest.raises(ConfigError, match="webhook_url"):
        alerts_of(load(environ={"KITE_ALERTS_CHANNELS": "webhook"}))
