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


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there, and pipes are something else")
def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path):
    (tmp_path / "inner").mkdir()
    target, link = tmp_path / "inner" / "target.csv", tmp_path / "link.csv"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with replacing(link, given=True) as file:
        file.write(b"new")
    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are something else there")
def test_a_pipe_is_written_to_and_stays(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with replacing(pipe, given=True) as file:
            file.write(b"streamed")
        assert (pipe.is_fifo(), os.read(reader, 100)) == (True, b"streamed")
    finally:
        os.close(reader)
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_a_device_that_takes_nothing_says_so_and_stays(tmp_path: Path):
    link = tmp_path / "full"  # a link: if this test goes red, no machine loses a device
    link.symlink_to("/dev/full")
    with pytest.raises(EnvironmentProblem, match="can't be written"), replacing(link, given=True) as file:
        file.write(b"x")
    assert link.is_symlink()


def test_a_folder_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(EnvironmentProblem, match="can't be written"), replacing(tmp_path, given=True):
        raise AssertionError
