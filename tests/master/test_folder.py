from __future__ import annotations

import os
from pathlib import Path

import pytest

from kitecli.master.folder import data_dir, instruments_dir, newest_index


def test_the_data_folder_is_the_one_chosen_else_the_user_s(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_DATA_DIR", "/somewhere")
    assert data_dir() == "/somewhere"
    monkeypatch.delenv("KITE_DATA_DIR")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert data_dir() == os.path.join("/data", "kite")  # noqa: PTH118
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert data_dir() == "/home/me/.local/share/kite"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert data_dir() == os.path.join("/local", "kite")  # noqa: PTH118


def test_the_newest_index_is_the_latest_day_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    assert newest_index("there") is None
    folder = Path(instruments_dir("there"))
    folder.mkdir(parents=True)
    for name in ("2026-11-19.bb.index", "2026-11-20.aa.index", "2026-11-21.csv.gz"):
        (folder / name).touch()
    assert newest_index("there") == str(folder / "2026-11-20.aa.index")
