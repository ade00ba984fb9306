"""Where the calendar's files are looked for."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from kitecli.settings.calendars import calendar_folders, load_calendar

YEAR = """
covers: {from: 2027-01-01, to: 2027-12-31}
sources: {list: a circular}
days:
  - {date: 2027-01-26, name: Republic Day, closed: [equity], source: [list]}
"""


def test_the_users_folder_is_the_one_for_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    mine = calendar_folders()[1]
    assert mine == tmp_path / "kite" / "calendars"
    mine.mkdir(parents=True)
    (mine / "2027.yaml").write_text(YEAR)
    assert load_calendar().last == date(2027, 12, 31)


def test_without_one_the_shipped_files_serve(tmp_path: Path):
    shipped, mine = calendar_folders({"XDG_CONFIG_HOME": str(tmp_path), "APPDATA": str(tmp_path)})
    assert (shipped / "hours.yaml").is_file()
    assert not mine.exists()
    assert load_calendar().last >= date(2026, 12, 31)
