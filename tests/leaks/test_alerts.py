"""The secrets of alerts stay in the address they are sent to: not in output, in the log, or in what is sent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.alerts.receiving import Receiver
from tests.leaks.canaries import CANARIES, Watched, leaks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


def test_nothing_leaks_from_alerts_whether_or_not_they_arrive(tmp_path: Path, receiver: Receiver):
    environ = {
        "KITE_TELEGRAM_TOKEN": CANARIES["telegram_token"],
        "KITE_WEBHOOK_URL": f"{receiver.root}/{CANARIES['webhook_url']}",
        "KITE_ALERTS_CHANNELS": "[webhook, telegram]",
        "KITE_ALERTS_TELEGRAM_CHAT": "42",
        "KITE_ALERTS_TELEGRAM_ROOT": receiver.root,
        "KITE_DEBUG": "1",
    }
    answer = f'{{"description":"no bot {CANARIES["telegram_token"]}"}}'.encode()
    receiver.answers = [(200, b"", {}), (401, answer, {})]
    seen = Watched(tmp_path).run("alerts", "test", environ=environ)
    assert seen.exit_code == 8, seen.text("stderr")
    assert "kite alerts test failed" not in seen.text("stdout")
    assert (tmp_path / "data" / "logs" / "kite.log").read_text().count("alerts test failed") == 1
    assert leaks(seen) == []
    assert [path.split("/")[1] for path, _ in receiver.received] == ["canary-hook-Xe19", "bot123456:canary-bot-Wq77"]
    assert "canary" not in str([body for _, body in receiver.received])
