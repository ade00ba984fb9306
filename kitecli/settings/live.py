"""``from kitecli import config``: the process's settings, read when first needed, changeable until a service starts.

::

    config.performance.ring_buffer_size = 500_000   # before start; checked like any other layer
    config.kite.api_key                             # a Secret: prints as ********

A change after :meth:`LiveConfig.freeze` is a :class:`~kitecli.errors.ConfigError`: what a ring was sized by
can't be changed under it.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

from kitecli.errors import ConfigError
from kitecli.secret import Secret
from kitecli.settings.layers import Given, Origin, Settings, build, load, parse
from kitecli.settings.schema import ALIASES, NOTICES, SECRETS, kinds


class ConfigWarning(UserWarning):
    """A setting that does less than its name promises, with what replaced it."""


class LiveSection:
    """One section with attribute access: values are read from, and changes made to, the settings it belongs to."""

    __slots__ = ("_config", "_name")

    def __init__(self, config: LiveConfig, name: str) -> None:
        object.__setattr__(self, "_config", config)
        object.__setattr__(self, "_name", name)

    # Any: each key has a type of its own; what a script assigns is checked when it runs.
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)  # what copy and inspect ask for; no reason to read files
        key = f"{self._name}.{name}"
        section, _, attribute = ALIASES.get(key, key).partition(".")
        try:
            return getattr(getattr(self._config.settings, section), attribute)
        except AttributeError:
            raise AttributeError(f"there is no setting {key}") from None

    def __setattr__(self, name: str, value: object) -> None:
        self._config.change(f"{self._name}.{name}", value)

    def __dir__(self) -> list[str]:
        return [key.partition(".")[2] for key in kinds() if key.startswith(f"{self._name}.")]

    def __repr__(self) -> str:
        return repr(getattr(self._config.settings, self._name))


class LiveConfig:
    """Settings that are loaded on first use and can be changed until :meth:`freeze`."""

    def __init__(self, source: Callable[[], Settings] = load) -> None:
        self._source = source
        self._settings: Settings | None = None
        self._holders = 0
        self._lock = threading.Lock()
        self.kite = LiveSection(self, "kite")
        self.performance = LiveSection(self, "performance")
        self.trading = LiveSection(self, "trading")
        self.datafeed = LiveSection(self, "datafeed")
        self.logging = LiveSection(self, "logging")
        self.alerts = LiveSection(self, "alerts")

    @property
    def settings(self) -> Settings:
        """The settings as they stand. Raises :class:`ConfigError` when the layers hold a mistake."""
        if self._settings is None:
            self._settings = self._source()
            for text in self._settings.warnings:
                warnings.warn(text, ConfigWarning, stacklevel=3)
        return self._settings

    def change(self, key: str, value: object) -> None:
        """Set ``section.name``, checked as if it stood in a file. Raises :class:`ConfigError`."""
        if self._holders:
            raise ConfigError(
                f"{key} can't be changed now",
                why="the feed has started, and its ring and connections were made from the settings",
                hint="set it before start(), or stop the service and make a new one",
            )
        name, given = _given(key, value)
        settings = self.settings
        self._settings = build({**settings.given, name: given}, file=settings.file, profile=settings.profile)
        if name in NOTICES:
            warnings.warn(f"{key} {NOTICES[name]}", ConfigWarning, stacklevel=3)

    def freeze(self) -> Settings:
        """What a service calls when it starts: the settings, from now on unchangeable."""
        settings = self.settings
        with self._lock:
            self._holders += 1
        return settings

    def thaw(self) -> None:
        """What each that froze them calls when it has stopped; after the last they can be changed again."""
        with self._lock:
            self._holders = max(0, self._holders - 1)


def _given(key: str, value: object) -> tuple[str, Given]:
    origin = Origin("code")
    if key in SECRETS and isinstance(value, Secret | None):
        return parse(key, value.reveal() if value else "", origin)
    if isinstance(value, Secret):
        raise ConfigError(f"{key} is no secret", hint="give it a plain value")
    return parse(key, str(value), origin)


config = LiveConfig()
