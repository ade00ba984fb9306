from __future__ import annotations

from pathlib import Path

import pytest

from kitecli.master.folder import instruments_dir, newest_index


def test_the_newest_index_is_the_latest_day_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    assert newest_index("there") is None
    folder = Path(instruments_dir("there"))
    folder.mkdir(parents=True)
    for name in ("2026-11-19.bb.index", "2026-11-20.aa.index", "2026-11-21.csv.gz"):
        (folder / name).touch()
    assert newest_index("there") == str(folder / "2026-11-20.aa.index")
