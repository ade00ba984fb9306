"""Where a store's files stand."""

from datetime import date
from pathlib import Path

from kitecli.store.folder import day_folder, day_folders, disk_bytes, segment_path, segment_paths


def test_segments_in_the_order_they_were_written(tmp_path):
    for number in (10_000, 2, 1, 9_999):
        segment_path(tmp_path, number).touch()
    for other in ("master-0.csv.gz", "0002.damaged", "x.kseg"):
        (tmp_path / other).touch()
    assert [path.name for path in segment_paths(tmp_path)] == ["0001.kseg", "0002.kseg", "9999.kseg", "10000.kseg"]


class Busy(type(Path())):
    """A folder whose segment is packed as soon as something was looked for in it."""

    def glob(self, pattern):
        found = list(super().glob(pattern))
        if (raw := self / "0001.kseg").exists():
            raw.rename(self / "0001.kpak")
        return iter(found)


def test_a_segment_that_is_packed_while_it_is_looked_for_is_met(tmp_path):
    segment_path(tmp_path, 1).write_bytes(b"12345")
    (path,) = segment_paths(Busy(tmp_path))
    assert path.stem == "0001"
    assert not path.exists()
    assert disk_bytes(path) == 5
    path.with_suffix(".kpak").unlink()
    assert disk_bytes(path) == 0


def test_days_are_folders_named_by_days(tmp_path):
    for name in ("2026-11-20", "2026-01-05", "2026-13-01", "a-folder!!"):
        (tmp_path / name).mkdir()
    (tmp_path / "2026-11-21").touch()
    assert [path.name for path in day_folders(tmp_path)] == ["2026-01-05", "2026-11-20"]
    assert day_folder(Path("s"), date(2026, 11, 20)) == Path("s/2026-11-20")
