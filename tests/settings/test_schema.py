"""The table of keys: complete, and consistent with the defaults and the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitecli.settings import load
from kitecli.settings.schema import ALIASES, CONTROL_VARIABLES, NOTICES, SECRET_VARIABLES, SECRETS, kinds, variables

CHECKOUT = Path(__file__).resolve().parent.parent.parent

# The contract's values.
PROMISED = {
    "performance.buffer_size": "10000",
    "performance.ring_buffer_size": "1000000",
    "performance.worker_threads": "4",
    "performance.tick_aggregation_interval": "100",
    "performance.use_mmap": "True",
    "trading.market_start": "09:15:00",
    "trading.market_end": "15:30:00",
    "trading.default_quantity": "1",
    "trading.risk_per_trade": "0.02",
    "datafeed.primary_source": "websocket",
    "datafeed.equity_mode": "quote",
    "datafeed.futures_mode": "full",
    "datafeed.store_ticks": "True",
    "datafeed.tick_storage_format": "binary",
}
OURS = {
    "performance.bar_buffer_size": "65536",
    "datafeed.bars": "('1m', '15m', 'day')",
    "datafeed.bar_grace": "1.5",
    "datafeed.store_folder": "None",
    "datafeed.store_level": "power",
    "datafeed.store_flush": "1.0",
    "datafeed.store_keep_free": "256",
    "datafeed.store_seal": "True",
}


OF_LOGS_AND_ALERTS = {
    "logging.level": "info",
    "logging.components": "()",
    "logging.console": "off",
    "logging.folder": "None",
    "logging.rotate_at": "10",
    "logging.keep": "5",
    "logging.performance_every": "60.0",
    "alerts.channels": "()",
    "alerts.on": "('outage', 'silent', 'token', 'recording', 'ended')",
    "alerts.telegram_chat": "None",
    "alerts.telegram_root": "https://api.telegram.org",
    "alerts.outage_after": "5.0",
    "alerts.repeat_after": "900.0",
    "alerts.most_per_hour": "20",
}
WHERE_AND_AS_WHOM = ("kite.environment", "kite.api_root", "kite.ws_root", "kite.access_token_file", "kite.account")
OF_THE_LOGIN = ("kite.login_url", "kite.redirect_url", "kite.static_ips")


def test_the_defaults_are_the_promised_ones():
    given = load(environ={}).given
    expected = {**PROMISED, **OURS, **OF_LOGS_AND_ALERTS}
    assert {key: str(given[key].value) for key in expected} == expected
    assert set(kinds()) == {*expected, *WHERE_AND_AS_WHOM, *OF_THE_LOGIN, *SECRETS}


def test_the_variables_of_the_secrets_are_the_promised_ones():
    assert {"KITE_API_KEY", "KITE_API_SECRET", "KITE_USER_ID", "KITE_PASSWORD", "KITE_TOTP_SECRET"} <= {
        *SECRET_VARIABLES
    }
    assert all(variables()[variable] == key for variable, key in SECRET_VARIABLES.items())


def test_every_key_has_a_variable_of_its_own():
    assert len(variables()) == len(kinds()) + len(ALIASES)
    assert variables()["KITE_PERFORMANCE_RING_BUFFER_SIZE"] == "performance.ring_buffer_size"
    assert variables()["KITE_ENVIRONMENT"] == "kite.environment"
    assert not CONTROL_VARIABLES & set(variables())


def test_notices_and_aliases_speak_of_keys_there_are():
    assert set(NOTICES) <= set(kinds())
    assert set(ALIASES.values()) <= set(kinds())


@pytest.mark.parametrize("key", [*PROMISED, *OURS, *WHERE_AND_AS_WHOM])
def test_every_key_is_documented_and_in_the_example(key: str):
    name = key.partition(".")[2]
    assert f"`{name}`" in (CHECKOUT / "docs" / "configuration.md").read_text()
    assert f"# {name}: " in (CHECKOUT / "config" / "config.yaml.example").read_text()


@pytest.mark.parametrize("variable", sorted({*SECRET_VARIABLES, *CONTROL_VARIABLES}))
def test_every_other_variable_is_documented(variable: str):
    assert f"`{variable}" in (CHECKOUT / "docs" / "configuration.md").read_text()
