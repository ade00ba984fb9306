"""Every setting there is: its section, its type, what it may be, and what is to be said about it.

The defaults stand in config/default.yaml, which ``kite config show`` and docs/configuration.md quote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import time
from functools import cache
from types import MappingProxyType
from typing import Annotated, Final, get_type_hints

from kitecli.alerts.plan import CHANNELS, KINDS
from kitecli.logs.plan import COMPONENTS, LEVELS
from kitecli.market.modes import MODES
from kitecli.secret import ALERTING, CREDENTIALS, VARIABLES_OF_SECRETS, Secret
from kitecli.settings.values import (
    Account,
    Addresses,
    Choice,
    FileName,
    FolderName,
    Fraction,
    Hidden,
    Intervals,
    Kind,
    Pairs,
    Root,
    Seconds,
    Switch,
    TimeOfDay,
    Whole,
    Word,
    Words,
)

ENVIRONMENTS: Final = ("prod", "sandbox", "sim")


@dataclass(frozen=True, slots=True)
class KiteSettings:
    """Which servers to talk to, and as whom. The secrets come from the environment, else from the vault."""

    environment: Annotated[str, Choice(ENVIRONMENTS)]
    api_root: Annotated[str | None, Root("https", "http")]
    ws_root: Annotated[str | None, Root("wss", "ws")]
    api_key: Annotated[Secret | None, Hidden()]
    api_secret: Annotated[Secret | None, Hidden()]
    user_id: Annotated[Secret | None, Hidden()]
    password: Annotated[Secret | None, Hidden()]
    totp_secret: Annotated[Secret | None, Hidden()]
    access_token: Annotated[Secret | None, Hidden()]
    telegram_token: Annotated[Secret | None, Hidden()]
    webhook_url: Annotated[Secret | None, Hidden()]
    access_token_file: Annotated[str | None, FileName()]
    login_url: Annotated[str | None, Root("https", "http")]
    redirect_url: Annotated[str | None, Root("https", "http")]
    static_ips: Annotated[tuple[str, ...], Addresses()]
    account: Annotated[str | None, Account()]

    @property
    def vault(self) -> str:
        """The vault's name. Each environment has one of its own: the broker's token is nothing for its sandbox."""
        return self.account or ("default" if self.environment == "prod" else self.environment)


@dataclass(frozen=True, slots=True)
class PerformanceSettings:
    """``ring_buffer_size`` and ``buffer_size`` in ticks, ``bar_buffer_size`` in closed bars of each interval.

    ``tick_aggregation_interval``: milliseconds of the finest bars; 0: none.
    """

    buffer_size: Annotated[int, Whole(1, 1_000_000)]
    ring_buffer_size: Annotated[int, Whole(64, 2**24)]
    worker_threads: Annotated[int, Whole(1, 256)]
    bar_buffer_size: Annotated[int, Whole(64, 2**22)]
    tick_aggregation_interval: Annotated[int, Whole(0, 60_000)]
    use_mmap: Annotated[bool, Switch()]


@dataclass(frozen=True, slots=True)
class TradingSettings:
    """Times are Indian; ``risk_per_trade`` is a fraction of capital."""

    market_start: Annotated[time, TimeOfDay()]
    market_end: Annotated[time, TimeOfDay()]
    default_quantity: Annotated[int, Whole(1, 10_000_000)]
    risk_per_trade: Annotated[float, Fraction()]


@dataclass(frozen=True, slots=True)
class DatafeedSettings:
    """The modes are those used where a subscription names none. ``bar_grace``: seconds a bar waits for late ticks.

    ``store_folder``: where days are recorded; None: the data folder. ``store_level``: what records are to survive;
    ``store_flush``: the seconds before a power cut that it may cost. ``store_keep_free``: megabytes left to others.
    ``store_seal``: whether what is ended is packed while it is recorded.
    """

    primary_source: Annotated[str, Choice(("websocket",))]
    equity_mode: Annotated[str, Choice(MODES)]
    futures_mode: Annotated[str, Choice(MODES)]
    bars: Annotated[tuple[str, ...], Intervals()]
    bar_grace: Annotated[float, Seconds(60)]
    store_ticks: Annotated[bool, Switch()]
    tick_storage_format: Annotated[str, Choice(("binary",))]
    store_folder: Annotated[str | None, FolderName()]
    store_level: Annotated[str, Choice(("power", "process"))]
    store_flush: Annotated[float, Seconds(60)]
    store_keep_free: Annotated[int, Whole(0, 1_000_000)]
    store_seal: Annotated[bool, Switch()]


@dataclass(frozen=True, slots=True)
class LoggingSettings:
    """``folder``: None: ``logs`` in the data folder. ``rotate_at`` in megabytes, ``keep`` in files,
    ``performance_every`` in seconds (0: never). ``components``: levels of those that differ, as ``feed: debug``.
    """

    level: Annotated[str, Choice(("off", *LEVELS))]
    components: Annotated[tuple[str, ...], Pairs(COMPONENTS, LEVELS)]
    console: Annotated[str, Choice(("off", "text", "json"))]
    folder: Annotated[str | None, FolderName()]
    rotate_at: Annotated[int, Whole(1, 10_000)]
    keep: Annotated[int, Whole(0, 100)]
    performance_every: Annotated[float, Seconds(86_400)]


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Times in seconds. What a channel needs that is secret is ``kite.telegram_token`` or ``kite.webhook_url``."""

    channels: Annotated[tuple[str, ...], Words(CHANNELS)]
    on: Annotated[tuple[str, ...], Words(KINDS)]
    telegram_chat: Annotated[str | None, Word()]
    telegram_root: Annotated[str | None, Root("https", "http")]
    outage_after: Annotated[float, Seconds(3_600)]
    repeat_after: Annotated[float, Seconds(86_400)]
    most_per_hour: Annotated[int, Whole(1, 1_000)]


SECTIONS: Final = MappingProxyType(
    {
        "kite": KiteSettings,
        "performance": PerformanceSettings,
        "trading": TradingSettings,
        "datafeed": DatafeedSettings,
        "logging": LoggingSettings,
        "alerts": AlertSettings,
    }
)

SECRETS: Final = tuple(f"kite.{name}" for name in (*CREDENTIALS, "access_token", *ALERTING))
SECRET_VARIABLES: Final = MappingProxyType(dict(zip(VARIABLES_OF_SECRETS, SECRETS, strict=True)))

ALIASES: Final = MappingProxyType({"performance.store_ticks": "datafeed.store_ticks"})

# Steer kite itself rather than set a value; the last two belong to the build and to the tests.
CONTROL_VARIABLES: Final = frozenset(
    {"KITE_CONFIG", "KITE_PROFILE", "KITE_DEBUG", "KITE_PURE", "KITE_RUNTIME_DIR", "KITE_DATA_DIR", "KITE_VAULT_FD"}
    | {"KITE_REPLAY", "KITE_REQUIRE_C", "KITE_MARKET_DATA"}
)

NOTICES: Final = MappingProxyType(
    {
        "performance.worker_threads": (
            "has no effect: one event loop serves all three sockets and the compiled pass decodes every frame whole; "
            "Python threads beside it would delay it"
        ),
        "trading.market_start": "has no effect yet: it will narrow the hours in which strategies may trade",
        "trading.market_end": "has no effect yet: it will narrow the hours in which strategies may trade",
        "trading.default_quantity": "has no effect yet: it will be the quantity of an order that names none",
        "trading.risk_per_trade": "has no effect yet: it will bound a single order's risk as a fraction of capital",
        "datafeed.primary_source": (
            "websocket is the one live source; for a file of ticks run kite feed --sim --source FILE"
        ),
    }
)
"""What is said about keys that do less than their name promises."""


@cache
def kinds() -> Mapping[str, Kind]:
    """Every key as ``section.name``, in the order of the sections, with what its value may be."""
    return MappingProxyType(
        {
            f"{section}.{field.name}": hints[field.name].__metadata__[0]
            for section, cls in SECTIONS.items()
            for hints in [get_type_hints(cls, include_extras=True)]
            for field in fields(cls)
        }
    )


@cache
def variables() -> Mapping[str, str]:
    """The environment variables that set a value, each with its key: ``KITE_PERFORMANCE_BUFFER_SIZE`` and so on.

    The section ``kite`` isn't said twice: ``KITE_ENVIRONMENT``.
    """
    names = {}
    for key in (*kinds(), *ALIASES):
        section, _, name = key.partition(".")
        names["KITE_" + (name if section == "kite" else f"{section}_{name}").upper()] = key
    return MappingProxyType(names)
