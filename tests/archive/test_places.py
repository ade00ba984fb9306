"""Days, folders and files by the name somebody gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitecli.archive.places import day_at, default_store, files_at
from kitecli.errors import DataError, UsageError


def test_a_day_is_found_in_the_store_by_its_folder_or_by_one_of_its_files(store: Path):
    folder = store / "2026-11-20"
    assert day_at("2026-11-20", store) == folder
    assert day_at(str(folder), Path("/nowhere")) == folder
    assert files_at("2026-11-20", store) == [folder / "0001.kseg"]
    assert files_at(str(folder / "0001.kseg"), Path("/nowhere")) == [folder / "0001.kseg"]


def test_what_there_is_instead_is_said(store: Path, tmp_path: Path):
    with pytest.raises(DataError, match="no recording of 2026-11-19") as raised:
        day_at("2026-11-19", store)
    assert "from 2026-11-20 to 2026-11-20" in raised.value.why
    with pytest.raises(DataError) as raised:
        day_at("2026-11-20", tmp_path)
    assert "none at all" in raised.value.why
    with pytest.raises(UsageError, match="neither a day nor"):
        day_at("yesterday", store)
    with pytest.raises(DataError, match="no file"):
        files_at("9999.kseg", store)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no recording"):
        day_at(str(tmp_path / "empty"), store)


def test_the_store_stands_with_the_other_data(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_DATA_DIR", "/data")
    assert default_store() == Path("/data/recordings")
