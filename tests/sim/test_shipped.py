"""Data files are found in a checkout; test_packaging.py looks into a wheel."""

from __future__ import annotations

from datetime import date

import pytest

from kitecli.sim.shipped import shipped_calendar, shipped_file


def test_a_file_is_found_or_said_to_be_missing():
    assert "stocks" in shipped_file("sim.yaml").read_text(encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"nothing\.yaml is neither in"):
        shipped_file("nothing.yaml")


def test_the_calendar_is_the_shipped_one(monkeypatch: pytest.MonkeyPatch):
    assert shipped_calendar().is_trading_day("NSE", date(2026, 11, 20))
    assert shipped_calendar() is shipped_calendar()
