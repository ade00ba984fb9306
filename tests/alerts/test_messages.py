"""An alert in words, and as each channel wants it; without a secret but the one that is its address."""

from __future__ import annotations

import json

from kitecli.alerts.messages import TEXT_LETTERS, request_of, text_of
from kitecli.alerts.plan import Alert, AlertPlan
from kitecli.secret import MASK, Secret

AT_NS = 1_771_559_100_123_000_000  # 2026-02-20 09:15:00.123 IST
ALERT = Alert("outage", "No ticks on connection 1", "outage 3: a reset", "3461f530", AT_NS, "1", held_back=2)
PLAN = AlertPlan(
    ("telegram", "webhook"),
    telegram_root="https://api.telegram.org",
    telegram_chat="42",
    telegram_token=Secret("123456:canary-token"),
    webhook_url=Secret("https://hooks.example/canary-hook"),
)


def test_in_words_it_says_what_why_when_and_what_was_held_back():
    assert text_of(ALERT) == (
        "⚠ kite: No ticks on connection 1\noutage 3: a reset\n2026-02-20 09:15:00 IST, feed 3461f530\n"
        "(2 more were held back before this one)"
    )
    assert text_of(Alert("test", "A test", "", "", AT_NS, grave=False)) == "✓ kite: A test\n2026-02-20 09:15:00 IST"


def test_telegram_gets_the_chat_and_the_words_at_the_bots_address():
    address, body = request_of(PLAN, "telegram", ALERT)
    assert address.reveal() == "https://api.telegram.org/bot123456:canary-token/sendMessage"
    assert json.loads(body) == {"chat_id": "42", "text": text_of(ALERT)}


def test_a_webhook_gets_the_fields_and_the_words():
    address, body = request_of(PLAN, "webhook", ALERT)
    said = json.loads(body)
    assert address == PLAN.webhook_url
    assert said.pop("text") == said.pop("content") == text_of(ALERT)
    assert said == {
        "kind": "outage",
        "grave": True,
        "what": "No ticks on connection 1",
        "why": "outage 3: a reset",
        "feed": "3461f530",
        "at": "2026-02-20T09:15:00.123+05:30",
        "held_back": 2,
    }


def test_no_secret_is_in_the_words_and_no_length_too_much():
    held = Secret("canary-access-token")
    for channel in PLAN.channels:
        told = Alert("token", f"GET /?access_token={held.reveal()}", held.reveal() * 200, "", AT_NS)
        _, body = request_of(PLAN, channel, told)
        assert b"canary" not in body
        assert MASK.encode() in body
    assert len(text_of(Alert("test", "x" * 5_000, "", "", AT_NS))) == TEXT_LETTERS
