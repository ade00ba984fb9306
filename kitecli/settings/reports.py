"""What the settings say of the log and of alerts, as processes are told it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from kitecli.alerts.plan import AlertPlan
from kitecli.errors import ConfigError
from kitecli.folders import data_dir
from kitecli.logs.plan import LogPlan
from kitecli.secret import Secret
from kitecli.settings.layers import Settings

_MEGABYTE: Final = 1_000_000
_OF_CHANNEL: Final = {"telegram": "telegram_token", "webhook": "webhook_url"}


def log_folder(settings: Settings) -> Path:
    return Path(settings.logging.folder or Path(data_dir()) / "logs").absolute()


def log_plan(settings: Settings) -> LogPlan | None:
    """None where nothing is to be logged."""
    chosen = settings.logging
    if chosen.level == "off":
        return None
    return LogPlan(
        folder=str(log_folder(settings)),
        level=chosen.level,
        levels=dict(pair.split(": ") for pair in chosen.components),
        rotate_bytes=chosen.rotate_at * _MEGABYTE,
        keep=chosen.keep,
        console=chosen.console,
        performance_s=chosen.performance_every,
    )


def alert_plan(settings: Settings, find: Callable[[str], Secret | None]) -> AlertPlan | None:
    """None where no channel is named; ``find`` gives secrets by name. Raises :class:`ConfigError` where one lacks."""
    chosen = settings.alerts
    if not chosen.channels:
        return None
    secrets = {name: find(name) if channel in chosen.channels else None for channel, name in _OF_CHANNEL.items()}
    for channel in chosen.channels:
        if not secrets[_OF_CHANNEL[channel]]:
            raise _lacking(channel, _OF_CHANNEL[channel].upper())
    if "telegram" in chosen.channels and not chosen.telegram_chat:
        raise ConfigError(
            "alerts.channels names telegram, and alerts.telegram_chat is not set",
            why="a bot writes into a chat",
            hint="set it to the chat's number, or @NAME of a channel; docs/logs.md says how to find it",
        )
    return AlertPlan(
        channels=chosen.channels,
        kinds=chosen.on,
        telegram_root=chosen.telegram_root or "",
        telegram_chat=chosen.telegram_chat or "",
        outage_after_s=chosen.outage_after,
        repeat_after_s=chosen.repeat_after,
        most_per_hour=chosen.most_per_hour,
        **secrets,
    )


def _lacking(channel: str, name: str) -> ConfigError:
    return ConfigError(
        f"alerts.channels names {channel}, and there is no {name.lower()}",
        why=f"neither KITE_{name} nor the vault has it",
        hint=f"kite creds set {name.lower()}, or set KITE_{name} in the environment; or leave the channel out",
    )
