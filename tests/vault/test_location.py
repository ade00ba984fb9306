"""Where vaults stand: private, whole, and refused where somebody else could have a hand in them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kitecli.errors import EnvironmentProblem, NoVault, UsageError, VaultDamaged
from kitecli.vault import vault_path
from kitecli.vault.location import drafts_of, locked, read_private, replace_private, shred

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights are kept elsewhere there")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault" / "a.vault"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_each_account_has_a_vault_below_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    assert vault_path() == tmp_path / "vault" / "default.vault"
    assert vault_path("second") == tmp_path / "vault" / "second.vault"


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-a", "a" * 65, "a\n"])
def test_a_name_can_t_lead_elsewhere(name: str):
    with pytest.raises(UsageError):
        vault_path(name)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_file_and_folder_are_private_whatever_the_umask(path: Path, umask: int):
    path.parent.parent.chmod(0o777)
    before = os.umask(umask)
    try:
        replace_private(path, b"content")
        replace_private(path, b"content")
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert read_private(path) == b"content"


def test_nothing_there_is_no_vault(path: Path):
    with pytest.raises(NoVault):
        read_private(path)


@pytest.mark.parametrize("rights", [0o640, 0o604, 0o620, 0o602, 0o660])
def test_a_file_that_others_may_touch_is_refused(path: Path, rights: int):
    replace_private(path, b"content")
    path.chmod(rights)
    with pytest.raises(EnvironmentProblem) as raised:
        read_private(path)
    assert f"chmod 600 {path}" in raised.value.hint


@pytest.mark.parametrize("rights", [0o750, 0o701, 0o777])
def test_a_folder_that_others_may_look_into_is_refused(path: Path, rights: int):
    replace_private(path, b"content")
    path.parent.chmod(rights)
    for attempt in (lambda: read_private(path), lambda: replace_private(path, b"more")):
        with pytest.raises(EnvironmentProblem) as raised:
            attempt()
        assert "chmod 700" in raised.value.hint


def test_links_are_refused_for_the_file_and_the_folder(path: Path, tmp_path: Path):
    replace_private(tmp_path / "real" / "a.vault", b"content")
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "real" / "a.vault")
    with pytest.raises(EnvironmentProblem) as raised:
        read_private(path)
    assert "link" in raised.value.why
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(tmp_path / "real")
    for attempt in (lambda: read_private(path), lambda: replace_private(path, b"more")):
        with pytest.raises(EnvironmentProblem) as raised:
            attempt()
        assert "link" in raised.value.why


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_foreign_owner_s_are_refused(path: Path, what: str):
    replace_private(path, b"content")
    os.chown(path if what == "file" else path.parent, 12345, -1)
    with pytest.raises(EnvironmentProblem) as raised:
        read_private(path)
    assert "another user" in raised.value.why


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused(path: Path, kind: str):
    path.parent.mkdir(mode=0o700)
    if kind == "folder":
        path.mkdir(mode=0o700)
    else:
        os.mkfifo(path, 0o600)
    with pytest.raises(EnvironmentProblem):
        read_private(path)


def test_a_file_of_gigabytes_isn_t_read(path: Path):
    replace_private(path, b"")
    os.truncate(path, 1 << 40)
    with pytest.raises(VaultDamaged):
        read_private(path)


def test_who_writes_sweeps_the_drafts_of_the_dead_and_no_other_account_s(path: Path):
    replace_private(path, b"content")
    mine, tries, other = (
        path.parent / name for name in (".a.vault.0011aabb", ".a.tries.0011aabb", ".ab.vault.0011aabb")
    )
    for draft in (mine, tries, other):
        draft.touch(0o600)
    assert sorted(drafts_of(path)) == sorted([mine, tries])
    with locked(path):
        pass
    assert sorted(one.name for one in path.parent.iterdir()) == [other.name, path.name]


def test_one_writes_at_a_time_and_the_lock_leaves_no_file(path: Path):
    order = []

    def second() -> None:
        with locked(path):
            order.append("second")

    with locked(path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert list(path.parent.iterdir()) == []


def test_a_lock_that_stays_taken_is_said(path: Path):
    with locked(path), pytest.raises(EnvironmentProblem, match="another process"), locked(path, patience_s=0.05):
        pass


def test_the_dead_hold_no_lock(path: Path):
    code = f"""
import os, pathlib
from kitecli.vault.location import locked
with locked(pathlib.Path({str(path)!r})):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == -9
    with locked(path, patience_s=0.1):
        pass


def test_a_shredded_file_is_overwritten_before_it_is_removed(path: Path):
    replace_private(path, b"canary" * 100)
    with path.open("rb") as held:
        shred(path)
        assert not path.exists()
        assert b"canary" not in held.read()
    shred(path)
