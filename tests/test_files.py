"""A file is the old one or the new one, never half of either."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from kitecli.errors import EnvironmentProblem
from kitecli.files import replacing, write_whole


def test_a_file_appears_whole_in_a_folder_that_is_made(tmp_path: Path):
    path = tmp_path / "deep" / "er" / "a.bin"
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"
    write_whole(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert [one.name for one in path.parent.iterdir()] == ["a.bin"]


def test_what_fails_midway_leaves_the_old_one_and_no_draft(tmp_path: Path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="rights are kept elsewhere there")
@pytest.mark.parametrize(("umask", "mode"), [(0o027, 0o640), (0o777, 0o000)])
def test_kites_own_files_are_private_and_a_users_are_as_he_likes(tmp_path: Path, umask: int, mode: int):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "ours", b"")
        with replacing(tmp_path / "theirs", given=True):
            pass
    finally:
        os.umask(before)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    assert modes == {"ours": 0o600, "theirs": mode}


@pytest.mark.parametrize(("given", "hint"), [(False, "KITE_DATA_DIR"), (True, "another folder")])
def test_where_nothing_can_be_written_it_says_so(tmp_path: Path, given: bool, hint: str):
    (tmp_path / "file").touch()
    with (
        pytest.raises(EnvironmentProblem, match="can't be written") as raised,
        replacing(tmp_path / "file" / "a", given=given),
    ):
        pass
    assert hint in raised.value.hint
