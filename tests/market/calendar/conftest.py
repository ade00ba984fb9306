"""The shipped calendar, with the hours that nobody published filled in so that every day can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitecli.market.calendar import Calendar
from kitecli.market.calendar.files import read_calendar
from kitecli.settings.calendars import calendar_folders

MUHURAT_2026 = """
sources: {guess: for tests alone}
days:
  - date: 2026-11-08
    name: Muhurat trading
    sessions:
      equity: [18:00-19:00 continuous Muhurat]
      currency: [18:00-19:00 continuous Muhurat]
      commodity: [18:00-19:00 continuous Muhurat]
    source: [guess]
"""


@pytest.fixture(scope="session")
def shipped() -> Calendar:
    return read_calendar(calendar_folders()[:1])


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Calendar:
    mine: Path = tmp_path_factory.mktemp("calendars")
    (mine / "muhurat.yaml").write_text(MUHURAT_2026)
    return read_calendar([calendar_folders()[0], mine])
