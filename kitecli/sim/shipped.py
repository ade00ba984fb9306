"""The simulator's data files that come with kite."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kitecli.market.calendar import Calendar


def shipped_file(name: str) -> Path:
    """Where ``name`` stands: in a wheel in kitecli/defaults, in a checkout in config/. Raises FileNotFoundError."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "defaults", package.parent / "config"):
        if (file := folder / name).is_file():
            return file
    raise FileNotFoundError(f"{name} is neither in {package / 'defaults'} nor in {package.parent / 'config'}")


@cache
def shipped_calendar() -> Calendar:
    """The market's sessions and holidays. Without the user's own additions: the exchange reads no configuration."""
    from kitecli.market.calendar.files import read_calendar

    return read_calendar([shipped_file("limits.yaml").parent / "calendars"])
