from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from kitecli.errors import EnvironmentProblem
from kitecli.ring.location import free_bytes, runtime_dir

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="about owners and permission bits")


@pytest.fixture(autouse=True)
def _no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KITE_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_a_chosen_folder_is_made_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "a" / "b"))
    assert runtime_dir() == tmp_path / "a" / "b"
    assert mode(tmp_path / "a" / "b") == 0o700
    assert runtime_dir() == tmp_path / "a" / "b"


def test_the_session_s_folder_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_dir() == tmp_path / "kite"
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "mine"))
    assert runtime_dir() == tmp_path / "mine"


def test_else_shared_memory_or_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = runtime_dir()
    assert folder.name == f"kite-{os.getuid()}"
    assert folder.parent in {Path("/dev/shm"), tmp_path}
    assert mode(folder) == 0o700


def test_a_folder_of_ours_that_others_may_enter_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    open_to_all = tmp_path / "open"
    open_to_all.mkdir(mode=0o755)
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(open_to_all))
    runtime_dir()
    assert mode(open_to_all) == 0o700


def test_a_shared_folder_is_refused_and_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(shared))
    with pytest.raises(EnvironmentProblem, match=f"everybody's.*{shared}/kite"):
        runtime_dir()
    assert mode(shared) == 0o1777


def test_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "link"))
    with pytest.raises(EnvironmentProblem, match="is not yours"):
        runtime_dir()


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root can give a folder away")
def test_somebody_else_s_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 65534, 65534)
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(theirs))
    with pytest.raises(EnvironmentProblem, match="is not yours"):
        runtime_dir()


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")], ids=["a file", "a dead link"])
def test_what_stands_in_the_way_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make):
    make(tmp_path / "taken")
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "taken"))
    with pytest.raises(EnvironmentProblem, match=r"can't be made.*File exists"):
        runtime_dir()


def test_free_bytes_are_the_file_system_s(tmp_path: Path):
    status = os.statvfs(tmp_path)
    assert free_bytes(tmp_path) == pytest.approx(status.f_bavail * status.f_frsize, rel=0.05)
