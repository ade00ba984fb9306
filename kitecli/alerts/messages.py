"""An alert in words, and as each channel wants it. Sans I/O.

Telegram's Bot API is ``POST <root>/bot<token>/sendMessage`` with ``chat_id`` and ``text``. A webhook gets the
fields, and the words twice: as ``text``, which Slack and Mattermost show, and as ``content``, which Discord does.
"""

from __future__ import annotations

import json
from typing import Final

from kitecli.alerts.plan import Alert, AlertPlan
from kitecli.clock import NS_PER_S, ist
from kitecli.secret import Secret, redacted

TEXT_LETTERS: Final = 1_000
"""Telegram takes 4,096, Discord 2,000."""


def text_of(alert: Alert) -> str:
    """A few lines for people, without a secret of this process."""
    lines = [
        f"{'⚠' if alert.grave else '✓'} kite: {alert.what}",
        *([alert.why] if alert.why else []),
        f"{ist(alert.at_ns // NS_PER_S):%Y-%m-%d %H:%M:%S} IST" + (f", feed {alert.feed}" if alert.feed else ""),
        *([f"({alert.held_back} more were held back before this one)"] if alert.held_back else []),
    ]
    return redacted("\n".join(lines))[:TEXT_LETTERS]


def request_of(plan: AlertPlan, channel: str, alert: Alert) -> tuple[Secret, bytes]:
    """The address to post to, which holds the secret, and what to post."""
    if channel == "telegram":
        token = plan.telegram_token.reveal() if plan.telegram_token else ""
        address = Secret(f"{plan.telegram_root}/bot{token}/sendMessage")
        return address, _json({"chat_id": plan.telegram_chat, "text": text_of(alert)})
    return plan.webhook_url or Secret(""), _json(_fields(alert))


def _fields(alert: Alert) -> dict[str, object]:
    text = text_of(alert)
    return {
        "text": text,
        "content": text,
        "kind": alert.kind,
        "grave": alert.grave,
        "what": redacted(alert.what),
        "why": redacted(alert.why),
        "feed": alert.feed,
        "at": ist(alert.at_ns / NS_PER_S).isoformat(timespec="milliseconds"),
        "held_back": alert.held_back,
    }


def _json(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()
