"""The log's files: appended to by any number of processes, put aside by size, seen by nobody else."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kitecli.logs.files import LogFiles, in_order

MANY = """
import sys
from pathlib import Path
from kitecli.logs.files import LogFiles
files = LogFiles(Path(sys.argv[1]), 4_000, 50)
for number in range(400):
    files.append(f"{sys.argv[2]} {number:04d} " + "x" * 40)
"""


def lines(folder: Path) -> list[str]:
    return [line for path in in_order(folder) for line in path.read_text().splitlines()]


def test_a_full_file_is_put_aside_and_the_oldest_goes(tmp_path: Path):
    files = LogFiles(tmp_path, 30, 2)
    for number in range(12):
        files.append(f"line {number:04d}")  # ten bytes each
    assert [path.name for path in in_order(tmp_path)] == ["kite.log.2", "kite.log.1", "kite.log"]
    assert lines(tmp_path) == [f"line {number:04d}" for number in range(3, 12)]


def test_none_may_be_kept(tmp_path: Path):
    files = LogFiles(tmp_path, 30, 0)
    for number in range(4):
        files.append(f"line {number:04d}")
    assert lines(tmp_path) == ["line 0003"]


def test_processes_that_write_and_put_aside_at_once_lose_and_break_no_line(tmp_path: Path):
    writers = [subprocess.Popen([sys.executable, "-c", MANY, str(tmp_path), name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = lines(tmp_path)
    assert len(in_order(tmp_path)) > 3
    assert sorted(found) == sorted(f"{name} {number:04d} " + "x" * 40 for name in "abc" for number in range(400))
    for name in "abc":
        mine = [line for line in found if line.startswith(name)]
        assert mine == sorted(mine)


@pytest.mark.skipif(sys.platform == "win32", reason="rights are of POSIX")
def test_folder_and_files_are_the_users_alone_and_a_link_is_not_followed(tmp_path: Path):
    LogFiles(tmp_path / "logs", 1_000, 1).append("mine")
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "logs" / "kite.log").stat().st_mode) == 0o600
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "kite.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"kite\.log"):
        LogFiles(tmp_path / "linked", 1_000, 1).append("theirs")
    assert not (tmp_path / "elsewhere").exists()


def test_half_a_line_on_a_full_disk_takes_no_other_with_it(small_disk: Path):
    files = LogFiles(small_disk, 10_000_000, 1)
    with pytest.raises(OSError, match="No space") as full:
        for _ in range(1_000):
            files.append("x" * 1_000)
    assert full.value.errno == errno.ENOSPC
    os.truncate(files.path, 3_500)
    files.append("whole again")
    assert lines(small_disk)[-1] == "whole again"
