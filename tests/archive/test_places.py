"""Days, folders and files by the name somebody gives them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kitecli.archive.places import day_at, days_in, files_at, stores_in
from kitecli.errors import DataError, UsageError
from tests.archive.stores import DAY


def test_a_day_is_found_in_the_store_by_its_folder_or_by_one_of_its_files(store: Path):
    folder = store / "2026-11-20"
    assert day_at("2026-11-20", store, DAY) == folder
    assert day_at(str(folder), Path("/nowhere"), DAY) == folder
    assert files_at("2026-11-20", store, DAY) == [folder / "0001.kseg"]
    assert files_at(str(folder / "0001.kseg"), Path("/nowhere"), DAY) == [folder / "0001.kseg"]


def test_what_there_is_instead_is_said(store: Path, tmp_path: Path):
    with pytest.raises(DataError, match="no recording of 2026-11-19") as raised:
        day_at("2026-11-19", store, DAY)
    assert "from 2026-11-20 to 2026-11-20" in raised.value.why
    with pytest.raises(DataError) as raised:
        day_at("2026-11-20", tmp_path, DAY)
    assert "none at all" in raised.value.why
    with pytest.raises(UsageError, match="neither a day nor"):
        day_at("yesterday", store, DAY)
    with pytest.raises(DataError, match="no file"):
        files_at("9999.kseg", store, DAY)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no recording"):
        day_at(str(tmp_path / "empty"), store, DAY)


def test_days_are_looked_for_in_the_stores_of_a_folder(store: Path, tmp_path: Path):
    root = tmp_path / "root"
    for name, day in (("api.kite.trade", "2026-11-20"), ("sim", "2026-11-20"), ("sim", "2026-11-18")):
        shutil.copytree(store / "2026-11-20", root / name / day)
    (root / "empty").mkdir()
    assert stores_in(root) == [root / "api.kite.trade", root / "sim"]
    assert [folder.name for folder in days_in(root)] == ["2026-11-18", "2026-11-20", "2026-11-20"]
    assert day_at("2026-11-18", root, DAY) == root / "sim" / "2026-11-18"
    assert day_at("today", root / "sim", DAY) == day_at("newest", root / "sim", DAY) == root / "sim" / "2026-11-20"
    with pytest.raises(UsageError, match="more than once") as raised:
        day_at("today", root, DAY)
    assert "api.kite.trade" in raised.value.why
    with pytest.raises(UsageError, match="more than once"):
        day_at("newest", root, DAY)
    assert stores_in(tmp_path / "missing") == []


def test_what_a_killed_import_left_is_no_store(store: Path, tmp_path: Path):
    shutil.copytree(store / "2026-11-20", tmp_path / "2026-11-20")
    shutil.copytree(store / "2026-11-20", tmp_path / ".import-2026-11-20-7" / "2026-11-20")
    assert stores_in(tmp_path) == [tmp_path]
    assert day_at("2026-11-20", tmp_path, DAY) == tmp_path / "2026-11-20"


def test_a_folder_that_is_called_like_a_day_doesnt_hide_the_day(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "2026-11-20").mkdir()
    monkeypatch.chdir(tmp_path)
    assert day_at("2026-11-20", store, DAY) == store / "2026-11-20"
