"""A plan of alerts goes through the pipe with its secrets, and shows them nowhere else."""

from __future__ import annotations

import json

from kitecli.alerts.plan import AlertPlan
from kitecli.secret import Secret

PLAN = AlertPlan(
    ("telegram", "webhook"),
    telegram_root="https://api.telegram.org",
    telegram_chat="42",
    telegram_token=Secret("123456:canary-token"),
    webhook_url=Secret("https://hooks.example/canary"),
    outage_after_s=1.5,
)


def test_it_survives_the_way_through_json():
    again = AlertPlan.from_plain(json.loads(json.dumps(PLAN.as_plain())))
    assert again == PLAN
    assert again.telegram_token is not None
    assert again.telegram_token.reveal() == "123456:canary-token"


def test_without_secrets_too():
    plan = AlertPlan(("webhook",))
    assert AlertPlan.from_plain(plan.as_plain()) == plan


def test_it_shows_no_secret():
    assert "canary" not in repr(PLAN)
