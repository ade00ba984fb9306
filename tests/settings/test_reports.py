"""What the settings say of the log and of alerts."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitecli.errors import ConfigError
from kitecli.secret import Secret
from kitecli.settings import Settings, load
from kitecli.settings.reports import alert_plan, log_folder, log_plan

SECRETS = {"telegram_token": Secret("123456:token"), "webhook_url": Secret("https://hooks.example/x")}


def settings_of(**flags: str) -> Settings:
    return load(environ={}, flags={name.replace("__", "."): value for name, value in flags.items()})


def test_the_log_stands_in_the_data_folder_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    plan = log_plan(settings_of())
    assert plan is not None
    assert (plan.folder, plan.level, plan.levels) == (str(tmp_path / "logs"), "info", {})
    assert (plan.rotate_bytes, plan.keep, plan.console, plan.performance_s) == (10_000_000, 5, "off", 60.0)
    assert log_folder(settings_of(logging__folder="/var/log/kite")) == Path("/var/log/kite")


def test_levels_of_components_and_none_at_all():
    plan = log_plan(settings_of(logging__level="warning", logging__components="{feed: debug, sim: error}"))
    assert plan is not None
    assert (plan.level, plan.levels) == ("warning", {"feed": "debug", "sim": "error"})
    assert log_plan(settings_of(logging__level="off")) is None


def test_no_channel_is_no_plan_and_asks_for_no_secret():
    def never(name: str) -> Secret | None:
        raise AssertionError(name)

    assert alert_plan(settings_of(), never) is None


def test_only_the_secrets_of_channels_that_are_named_are_taken():
    plan = alert_plan(settings_of(alerts__channels="webhook", alerts__on="[token, ended]"), SECRETS.get)
    assert plan is not None
    assert (plan.channels, plan.kinds, plan.webhook_url) == (("webhook",), ("token", "ended"), SECRETS["webhook_url"])
    assert plan.telegram_token is None


def test_telegram_needs_a_chat_too():
    plan = alert_plan(settings_of(alerts__channels="telegram", alerts__telegram_chat="-10042"), SECRETS.get)
    assert plan is not None
    assert (plan.telegram_chat, plan.telegram_root) == ("-10042", "https://api.telegram.org")
    with pytest.raises(ConfigError, match="telegram_chat"):
        alert_plan(settings_of(alerts__channels="telegram"), SECRETS.get)


@pytest.mark.parametrize(("channel", "name"), [("telegram", "KITE_TELEGRAM_TOKEN"), ("webhook", "KITE_WEBHOOK_URL")])
def test_a_secret_that_lacks_is_said_with_where_to_put_it(channel: str, name: str):
    with pytest.raises(ConfigError) as lacking:
        alert_plan(settings_of(alerts__channels=channel), lambda _: None)
    assert name in lacking.value.hint


def test_secrets_are_refused_in_yaml_and_flags(tmp_path: Path):
    for key in ("alerts.telegram_token", "kite.telegram_token", "alerts.webhook_url"):
        with pytest.raises(ConfigError, match="secret"):
            load(environ={}, flags={key: "123456:token"})
    (tmp_path / "config.yaml").write_text("alerts:\n  webhook_url: https://hooks.example/canary\n")
    with pytest.raises(ConfigError, match=r"config.yaml:2.*secret") as refused:
        load(path=tmp_path / "config.yaml", environ={})
    assert "canary" not in str(refused.value)
    assert "KITE_WEBHOOK_URL" in refused.value.hint


def test_a_file_may_spell_levels_as_a_section(tmp_path: Path):
    (tmp_path / "config.yaml").write_text("logging:\n  components:\n    feed: debug\n    sim: error\n")
    assert load(path=tmp_path / "config.yaml", environ={}).logging.components == ("feed: debug", "sim: error")
