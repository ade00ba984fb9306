"""The settings in force as rows for people: value, origin, and what is to be said about a key."""

from __future__ import annotations

import os
from dataclasses import dataclass

from kitecli.secret import MASK, Secret
from kitecli.settings.layers import Settings, search_path
from kitecli.settings.schema import NOTICES, kinds
from kitecli.settings.values import Value


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of ``kite config show``. A secret's ``value`` is the mask; None where nothing is set."""

    key: str
    value: bool | int | float | str | None
    origin: str
    notice: str

    @property
    def text(self) -> str:
        """The value as a file would spell it."""
        if self.value is None:
            return "not set"
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)


def setting_rows(settings: Settings) -> list[SettingRow]:
    """Every key in the order of the sections."""
    return [
        SettingRow(key, _shown(given.value), str(given.origin), _notice(key, given.value))
        for key, given in ((key, settings.given[key]) for key in kinds())
    ]


def as_document(settings: Settings) -> dict[str, object]:
    """What ``kite config show --json`` prints."""
    return {
        "file": settings.file and str(settings.file),
        "profile": settings.profile,
        "settings": {
            row.key: {"value": row.value, "origin": row.origin, "notice": row.notice} for row in setting_rows(settings)
        },
        "warnings": list(settings.warnings),
    }


def places() -> list[str]:
    """Where the configuration file is looked for, in order."""
    return ["--config FILE", "$KITE_CONFIG", *map(str, search_path(os.environ))]


def _shown(value: Value) -> bool | int | float | str | None:
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return value if value is None or isinstance(value, bool | int | float | str) else value.isoformat()


def _notice(key: str, value: Value) -> str:
    if key in ("performance.ring_buffer_size", "performance.bar_buffer_size") and isinstance(value, int):
        from kitecli.ring.layout import round_up

        capacity = round_up(value)
        return "" if capacity == value else f"rounded up to {capacity}, a power of two, so that a slot is a mask away"
    return NOTICES.get(key, "")
