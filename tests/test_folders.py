"""Where data is kept."""

from __future__ import annotations

import os

import pytest

from kitecli.folders import data_dir
from kitecli.master import folder


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


def test_masters_and_vaults_are_below_one_folder():
    assert folder.data_dir is data_dir
