"""Dated facts about the broker: where its servers are (config/endpoints.yaml) and what it allows (config/limits.yaml).

They stand in files because the broker changes them: orders a day went 2,000, 3,000, 5,000 in three years.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from kitecli.errors import ConfigError
from kitecli.settings.layers import defaults_dir
from kitecli.settings.schema import KiteSettings

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """One environment's servers. ``route_prefix`` stands before every REST path not in ``unprefixed_routes``."""

    api_root: str
    ws_root: str
    login_url: str
    ip_url: str
    route_prefix: str
    unprefixed_routes: tuple[str, ...]
    ws_needs_user_id: bool
    order_types: tuple[str, ...]
    shared_api_key: str | None
    source: str

    def route(self, path: str) -> str:
        """The path to ask this environment for, given Kite's documented one."""
        bare = any(path == route or path.startswith(f"{route}/") for route in self.unprefixed_routes)
        return path if bare else self.route_prefix + path


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """``connections`` per api_key."""

    connections: int
    instruments_per_connection: int


@dataclass(frozen=True, slots=True)
class RestLimits:
    """Requests per calendar second, orders per minute and day, instruments per call."""

    quote_requests_per_s: int
    historical_requests_per_s: int
    order_requests_per_s: int
    other_requests_per_s: int
    orders_per_minute: int
    orders_per_day: int
    modifications_per_order: int
    instruments_per_quote: int
    instruments_per_ltp: int


@dataclass(frozen=True, slots=True)
class HistoricalLimits:
    """``days_per_request``: how far one request may reach, by interval."""

    days_per_request: Mapping[str, int]


def load_endpoints(kite: KiteSettings) -> Endpoints:
    """The servers of ``kite.environment``, at other addresses where the settings give them."""
    endpoints = _facts(Endpoints, _read("endpoints.yaml")["environments"][kite.environment])
    api_root = kite.api_root or endpoints.api_root
    return replace(
        endpoints,
        api_root=api_root,
        ws_root=kite.ws_root or endpoints.ws_root,
        login_url=kite.login_url or _at(api_root, endpoints.login_url),
        ip_url=_at(api_root, endpoints.ip_url),
    )


def _at(root: str, where: str) -> str:
    return root + where if where.startswith("/") else where


def load_feed_limits() -> FeedLimits:
    """What one api_key may stream."""
    return _facts(FeedLimits, _read("limits.yaml")["feed"])


def load_rest_limits() -> RestLimits:
    """What one api_key may ask over REST."""
    return _facts(RestLimits, _read("limits.yaml")["rest"])


def load_historical_limits() -> HistoricalLimits:
    """What one request for candles may ask."""
    return _facts(HistoricalLimits, _read("limits.yaml")["historical"])


# Any: what YAML holds; _facts gives it a type.
def _read(name: str) -> dict[str, Any]:
    import yaml

    document: dict[str, Any] = yaml.safe_load((defaults_dir() / name).read_text(encoding="utf-8"))
    return document


def _facts(cls: type[Facts], values: Mapping[str, Any]) -> Facts:
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return cls(**known)
    except TypeError as error:
        raise ConfigError(
            "the broker's data shipped with kite is damaged", why=str(error), hint="reinstall it"
        ) from error
