"""What a feed writes down and whom it alerts, with the secrets for it: the environment's, else the vault's."""

from __future__ import annotations

from typing import TypedDict

from kitecli.alerts.plan import AlertPlan
from kitecli.auth.keys import AccountKeys
from kitecli.logs.plan import LogPlan
from kitecli.settings import Settings
from kitecli.settings.reports import alert_plan, log_plan


class Reporting(TypedDict):
    """As a gateway's spec has them."""

    logs: LogPlan | None
    alerts: AlertPlan | None


def reporting(settings: Settings, *, simulated: bool) -> Reporting:
    """Of a simulation nobody is alerted. Raises :class:`ConfigError` where a secret lacks, and as a vault does."""
    return Reporting(logs=log_plan(settings), alerts=None if simulated else alerts_of(settings))


def alerts_of(settings: Settings) -> AlertPlan | None:
    """None where no channel is named. Raises as :func:`reporting`."""
    return alert_plan(settings, AccountKeys(settings.kite).find)
