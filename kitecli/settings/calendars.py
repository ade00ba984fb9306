"""Where the market's calendar is read from. Nothing is read before somebody asks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kitecli.market.calendar import Calendar
from kitecli.market.calendar.files import read_calendar
from kitecli.settings.layers import defaults_dir, user_dir


def load_calendar() -> Calendar:
    """The shipped calendar with what the user says of it. Raises :class:`~kitecli.errors.ConfigError`."""
    return read_calendar(calendar_folders())


def calendar_folders(environ: Mapping[str, str] | None = None) -> tuple[Path, Path]:
    """The shipped folder, and the user's."""
    return defaults_dir() / "calendars", user_dir(os.environ if environ is None else environ) / "calendars"
