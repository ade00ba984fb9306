"""Sends an alert to see whether it arrives."""

from __future__ import annotations

import time

from kitecli.alerts.plan import Alert, AlertPlan
from kitecli.errors import ConfigError, KiteError


def send_test(plan: AlertPlan | None) -> tuple[list[str], KiteError | None]:
    """The channels that took it, and why the first of the others didn't. Raises :class:`ConfigError` without any."""
    from kitecli.alerts.delivery import Post, Undelivered

    if plan is None:
        raise ConfigError(
            "No alerts are configured",
            why="alerts.channels is empty",
            hint="set it to [telegram], [webhook] or both; docs/logs.md says what each needs",
        )
    alert = Alert("test", "This is a test", "alerts arrive here", "", time.time_ns(), grave=False)
    post, sent, failures = Post(), list[str](), list[KiteError]()
    for channel in plan.channels:
        try:
            post.deliver(plan, channel, alert)
            sent.append(channel)
        except Undelivered as failure:
            failures.append(failure.error)
    return sent, failures[0] if failures else None
