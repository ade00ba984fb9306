"""A vault in a folder that can't be written, or not be looked into: what is said, and that nothing is harmed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from kitecli.errors import EnvironmentProblem, WrongPassword
from kitecli.machine import check_disk, check_vault
from kitecli.secret import Secret
from kitecli.vault import Vault
from kitecli.vault.layout import ARGON2ID
from tests.vault.made import NOON, OTHER, PASSWORD, bound_by_rights, clock_at, filled, quick

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights are kept elsewhere there")

Become = Callable[[int], None]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Below no folder that is private to root, as tmp_path is."""
    with TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def vault(folder: Path) -> Vault:
    return filled(folder, clock_at(NOON))


@pytest.fixture
def with_rights(vault: Vault, folder: Path) -> Iterator[Become]:
    """Be the vault's owner, who has taken rights from its folder."""

    def take(rights: int) -> None:
        become_owner(folder)
        vault.path.parent.chmod(rights)

    with bound_by_rights() as become_owner:
        yield take
    vault.path.parent.chmod(0o700)


def test_a_wrong_password_is_one_also_where_it_can_t_be_noted(
    vault: Vault, with_rights: Become, caplog: pytest.LogCaptureFixture
):
    with_rights(0o500)
    with pytest.raises(WrongPassword):
        vault.unlock(Secret(OTHER))
    assert "default.tries can't be written" in caplog.text


def test_the_right_one_opens_it_although_nothing_can_be_tidied_up(
    vault: Vault, with_rights: Become, caplog: pytest.LogCaptureFixture
):
    with pytest.raises(WrongPassword):
        vault.unlock(Secret(OTHER))
    (vault.path.parent / ".default.vault.0011aabb").touch(0o600)
    with_rights(0o500)
    tomorrow = clock_at(NOON)
    tomorrow.advance(24 * 3600)
    with Vault(vault.path, clock=tomorrow, derive=quick).unlock(Secret(PASSWORD)) as opened:
        assert opened.get("api_key") == Secret("the-key")
        assert opened.token() is None, "it has ended, and stands in the file"
        key = opened.copy_of_key()
    Vault(vault.path, clock=tomorrow, derive=quick).unlock_by_key(key).close()
    assert "default.tries" in caplog.text
    assert "default.vault" in caplog.text
    with pytest.raises(EnvironmentProblem, match="can't be written"), vault.unlock(Secret(PASSWORD)) as opened:
        opened.set("api_key", Secret("another"))


def test_an_old_derivation_stays_where_it_can_t_be_replaced(
    vault: Vault, with_rights: Become, monkeypatch: pytest.MonkeyPatch
):
    from kitecli.vault import vault as vaults

    stronger = ARGON2ID.raised_to(type(ARGON2ID)(ARGON2ID.number, 4))
    monkeypatch.setitem(vaults.DEFAULTS, "argon2id", stronger)
    with_rights(0o500)
    with vault.unlock(Secret(PASSWORD)) as opened:
        assert opened.get("api_key") == Secret("the-key")
    assert vault.sealed().kdf == ARGON2ID


def test_a_folder_that_can_t_be_looked_into_isn_t_an_absent_vault(vault: Vault, with_rights: Become):
    with_rights(0)
    for attempt in (vault.exists, vault.sealed, lambda: vault.unlock(Secret(PASSWORD)), vault.destroy):
        with pytest.raises(EnvironmentProblem, match="Permission denied") as refused:
            attempt()
        assert "chmod" in refused.value.hint


def test_doctor_says_what_to_do(vault: Vault, with_rights: Become, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_DATA_DIR", str(folder))
    with_rights(0o700)
    vault.path.chmod(0)
    for rights in (0o700, 0):
        vault.path.parent.chmod(rights)
        check = check_vault("default")
        assert check.state == "fail"
        assert "chmod" in check.advice


def test_doctor_finds_no_room_where_nothing_can_be_written(
    vault: Vault, with_rights: Become, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KITE_DATA_DIR", str(folder))
    with_rights(0o700)
    for rights in (0o500, 0):
        folder.chmod(rights)
        check = check_disk(None)
        folder.chmod(0o700)
        assert (check.state, "can't be written" in check.found) == ("fail", True)
        assert "KITE_DATA_DIR" in check.advice


def test_a_folder_that_can_be_entered_and_not_read_takes_no_lock(vault: Vault, with_rights: Become):
    with_rights(0o300)
    with pytest.raises(EnvironmentProblem, match="Permission denied"):
        vault.unlock(Secret(PASSWORD))


def test_what_can_t_be_removed_isn_t_overwritten(vault: Vault, with_rights: Become):
    before = vault.path.read_bytes()
    with_rights(0o500)
    with pytest.raises(EnvironmentProblem, match="can't be removed"):
        vault.destroy()
    assert vault.path.read_bytes() == before
