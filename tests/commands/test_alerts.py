"""``kite alerts test``: what came of it, channel by channel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from tests.alerts.receiving import Receiver

TOKEN = "123456:canary-token"


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KITE_TELEGRAM_TOKEN", TOKEN)
    monkeypatch.setenv("KITE_WEBHOOK_URL", f"{receiver.root}/canary-hook")
    monkeypatch.setenv("KITE_ALERTS_TELEGRAM_ROOT", receiver.root)
    monkeypatch.setenv("KITE_ALERTS_TELEGRAM_CHAT", "42")


def test_each_channel_gets_one(receiver: Receiver):
    result = CliRunner().invoke(app, ["--set", "alerts.channels=[telegram, webhook]", "alerts", "test", "--json"])
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"sent": ["telegram", "webhook"]})
    assert [path for path, _ in receiver.received] == [f"/bot{TOKEN}/sendMessage", "/canary-hook"]
    assert "canary" not in result.output


def test_one_that_refuses_is_said_and_the_others_are_sent(receiver: Receiver):
    receiver.answers = [(400, b'{"ok":false,"description":"Bad Request: chat not found"}', {})]
    result = CliRunner().invoke(app, ["--set", "alerts.channels=[telegram, webhook]", "alerts", "test"])
    assert result.exit_code == 8
    assert "Sent by webhook." in result.stderr
    assert "HTTP 400: Bad Request: chat not found" in result.stderr
    assert "canary" not in result.output


def test_without_a_channel_it_says_how_to_name_one():
    result = CliRunner().invoke(app, ["alerts", "test"])
    assert result.exit_code == 3
    assert "alerts.channels" in result.stderr
