"""A vault on disk: opening, changing, refusing; what another process did meanwhile."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kitecli.errors import AuthError, EnvironmentProblem, NoVault, TooManyTries, UsageError, VaultDamaged, WrongPassword
from kitecli.secret import Secret
from kitecli.vault import AccessToken, Vault
from kitecli.vault import vault as vaults
from kitecli.vault.layout import ARGON2ID, ARGON2ID_ID, PBKDF2, Kdf
from tests.vault.made import NOON, OTHER, PASSWORD, SIX, clock_at, filled, quick, quick_vault


def names(vault: Vault) -> list[str]:
    return sorted(path.name for path in vault.path.parent.iterdir())


CHEAP = Kdf(ARGON2ID_ID, passes=2, memory_kib=19 * 1024, lanes=1)


def test_what_was_put_there_is_there_after_unlocking(tmp_path: Path):
    vault = filled(tmp_path)
    with vault.unlock(Secret(PASSWORD)) as opened:
        assert opened.get("api_key") == Secret("the-key")
        assert opened.get("totp_secret") is None
        assert opened.token() == AccessToken("AB1234", Secret("the-token"), SIX)
        assert opened.names() == ("api_key", "api_secret", "access_token")


def test_with_the_real_derivations_too(tmp_path: Path):
    for kdf in (ARGON2ID, PBKDF2):
        vault = Vault(tmp_path / kdf.name / "a.vault")
        with vault.create(Secret(PASSWORD), kdf) as opened:
            opened.set("api_key", Secret("the-key"))
        with vault.unlock(Secret(PASSWORD)) as opened:
            assert opened.get("api_key") == Secret("the-key")
        assert vault.sealed().kdf == kdf


def test_no_secret_stands_in_the_file(tmp_path: Path):
    content = filled(tmp_path).path.read_bytes()
    assert not any(word in content for word in (b"the-key", b"the-secret", b"the-token", b"api_key", b"AB1234"))


def test_no_vault_a_wrong_password_and_damage_are_three_things(tmp_path: Path):
    vault = quick_vault(tmp_path)
    with pytest.raises(NoVault):
        vault.unlock(Secret(PASSWORD))
    vault = filled(tmp_path)
    with pytest.raises(WrongPassword):
        vault.unlock(Secret(OTHER))
    content = bytearray(vault.path.read_bytes())
    content[20] ^= 1
    vault.path.write_bytes(content)
    with pytest.raises(VaultDamaged, match="password is not to blame"):
        vault.unlock(Secret(PASSWORD))


def test_a_second_vault_in_one_place_is_refused_and_the_first_stays(tmp_path: Path):
    vault = filled(tmp_path)
    before = vault.path.read_bytes()
    with pytest.raises(UsageError, match="There is a vault"):
        vault.create(Secret(OTHER))
    assert vault.path.read_bytes() == before


@pytest.mark.parametrize("password", ["", "eleven char"])
def test_short_passwords_are_refused(tmp_path: Path, password: str):
    with pytest.raises(UsageError, match="12"):
        quick_vault(tmp_path).create(Secret(password))
    with filled(tmp_path).unlock(Secret(PASSWORD)) as opened, pytest.raises(UsageError, match="12"):
        opened.change_password(Secret(password))


def test_a_changed_password_wraps_the_same_data_key(tmp_path: Path):
    vault = filled(tmp_path)
    before = vault.sealed()
    with vault.unlock(Secret(PASSWORD)) as opened:
        opened.change_password(Secret(OTHER), PBKDF2)
        assert opened.get("api_key") == Secret("the-key")
    after = vault.sealed()
    assert (after.key_id, after.kdf) == (before.key_id, PBKDF2)
    assert after.salt != before.salt
    with pytest.raises(WrongPassword):
        vault.unlock(Secret(PASSWORD))
    with vault.unlock(Secret(OTHER)) as opened:
        assert opened.get("api_secret") == Secret("the-secret")


def test_rotation_takes_another_data_key_and_keeps_password_and_contents(tmp_path: Path):
    vault = filled(tmp_path)
    before = vault.sealed().key_id
    with vault.unlock(Secret(PASSWORD)) as opened:
        opened.rotate()
    assert vault.sealed().key_id != before
    with vault.unlock(Secret(PASSWORD)) as opened:
        assert opened.names() == ("api_key", "api_secret", "access_token")


@pytest.mark.parametrize("weak", [CHEAP, replace(ARGON2ID, passes=2), replace(ARGON2ID, lanes=1)])
def test_an_old_derivation_is_replaced_at_the_next_unlock(tmp_path: Path, weak: Kdf):
    vault = quick_vault(tmp_path)
    with vault.create(Secret(PASSWORD), weak) as opened:
        opened.set("api_key", Secret("the-key"))
    for _ in range(2):
        with vault.unlock(Secret(PASSWORD)) as opened:
            assert opened.get("api_key") == Secret("the-key")
        assert vault.sealed().kdf == ARGON2ID


def test_a_stronger_one_than_ours_is_kept(tmp_path: Path):
    vault, strong = quick_vault(tmp_path), replace(ARGON2ID, memory_kib=1 << 20)
    vault.create(Secret(PASSWORD), strong).close()
    vault.unlock(Secret(PASSWORD)).close()
    assert vault.sealed().kdf == strong


def test_what_is_stronger_about_a_weaker_one_is_kept(tmp_path: Path):
    vault = quick_vault(tmp_path)
    vault.create(Secret(PASSWORD), Kdf(ARGON2ID_ID, passes=10, memory_kib=256 * 1024, lanes=1)).close()
    vault.unlock(Secret(PASSWORD)).close()
    assert vault.sealed().kdf == Kdf(ARGON2ID_ID, passes=10, memory_kib=256 * 1024, lanes=4)


def test_a_password_too_short_for_today_opens_a_vault_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    vault = quick_vault(tmp_path)
    vault.create(Secret(PASSWORD), CHEAP).close()
    monkeypatch.setattr(vaults, "PASSWORD_LENGTH_MIN", 99)
    vault.unlock(Secret(PASSWORD)).close()
    assert vault.sealed().kdf == ARGON2ID


# --- the daily token ---


def test_the_token_is_dropped_when_its_session_ends(tmp_path: Path):
    clock = clock_at(SIX - timedelta(seconds=1))
    vault = filled(tmp_path, clock)
    with vault.unlock(Secret(PASSWORD)) as opened:
        assert opened.token() is not None
        clock.advance(1)
        assert opened.token() is None
        assert opened.names() == ("api_key", "api_secret")


def test_an_ended_one_is_gone_from_the_file_by_unlocking_alone(tmp_path: Path):
    clock = clock_at(NOON)
    vault = filled(tmp_path, clock)
    long = vault.path.stat().st_size
    clock.advance(24 * 3600)
    vault.unlock(Secret(PASSWORD)).close()
    assert vault.path.stat().st_size < long


def test_a_new_token_takes_the_old_one_s_place_and_logout_removes_it(tmp_path: Path):
    with filled(tmp_path).unlock(Secret(PASSWORD)) as opened:
        opened.set_token(AccessToken("CD5678", Secret("newer"), SIX))
        token = opened.token()
        assert token is not None
        assert (token.user_id, token.value) == ("CD5678", Secret("newer"))
        opened.remove("access_token")
        assert opened.token() is None


# --- several processes ---


def test_what_another_process_put_there_is_seen_by_one_that_is_open(tmp_path: Path):
    vault = filled(tmp_path)
    with vault.unlock(Secret(PASSWORD)) as one, vault.unlock(Secret(PASSWORD)) as other:
        one.set("user_id", Secret("AB1234"))
        other.set_token(AccessToken("AB1234", Secret("newer"), SIX))
        one.rotate()
        assert other.get("user_id") == Secret("AB1234")
        token = one.token()
        assert token is not None
        assert token.value == Secret("newer")


def test_who_holds_the_old_password_is_out(tmp_path: Path):
    vault = filled(tmp_path)
    with vault.unlock(Secret(PASSWORD)) as one, vault.unlock(Secret(PASSWORD)) as other:
        one.change_password(Secret(OTHER))
        with pytest.raises(WrongPassword):
            other.get("api_key")
        with pytest.raises(WrongPassword):
            other.set("api_key", Secret("x"))
        assert one.get("api_key") == Secret("the-key")


def test_a_mistake_in_one_of_several_changes_nothing(tmp_path: Path):
    vault = filled(tmp_path)
    before = vault.path.read_bytes()
    with vault.unlock(Secret(PASSWORD)) as opened, pytest.raises(UsageError):
        opened.update({"api_key": Secret("x"), "nonsense": Secret("y")})
    assert vault.path.read_bytes() == before


# --- keys in memory ---


def test_closed_it_is_overwritten_and_says_so(tmp_path: Path):
    with filled(tmp_path).unlock(Secret(PASSWORD)) as opened:
        key = opened._key
        assert any(key)
    assert key == bytes(32)
    with pytest.raises(AuthError, match="closed"):
        opened.get("api_key")


def test_a_wrong_password_s_key_and_a_replaced_one_are_overwritten(tmp_path: Path):
    keys = []

    def noting(kdf: Kdf, password: Secret, salt: bytes) -> bytearray:
        keys.append(quick(kdf, password, salt))
        return keys[-1]

    vault = Vault(filled(tmp_path).path, clock=clock_at(NOON), derive=noting)
    with pytest.raises(WrongPassword):
        vault.unlock(Secret(OTHER))
    with vault.unlock(Secret(PASSWORD)) as opened:
        opened.change_password(Secret(OTHER))
        assert [any(key) for key in keys] == [False, False, True]
    assert not any(map(any, keys))


def test_it_opens_by_its_key_alone_and_takes_it_over(tmp_path: Path):
    vault = filled(tmp_path)
    with vault.unlock(Secret(PASSWORD)) as opened:
        key = opened.copy_of_key()
    with vault.unlock_by_key(key) as opened:
        assert opened.get("api_key") == Secret("the-key")
    assert key == bytes(32)
    with pytest.raises(WrongPassword):
        vault.unlock_by_key(bytearray(32))


# --- wrong passwords ---


def test_the_sixth_try_in_a_row_has_to_wait_and_the_right_password_too(tmp_path: Path):
    clock = clock_at(NOON)
    vault = filled(tmp_path, clock)
    for _ in range(5):
        with pytest.raises(WrongPassword):
            vault.unlock(Secret(OTHER))
    with pytest.raises(TooManyTries):
        Vault(vault.path, clock=clock, derive=quick).unlock(Secret(PASSWORD))  # as another process would
    clock.advance(1)
    vault.unlock(Secret(PASSWORD)).close()
    with pytest.raises(WrongPassword):
        vault.unlock(Secret(OTHER))  # counted from one again


def test_nothing_is_derived_while_it_has_to_wait(tmp_path: Path):
    vault = filled(tmp_path)
    for _ in range(5):
        with pytest.raises(WrongPassword):
            vault.unlock(Secret(OTHER))

    def never(kdf: Kdf, password: Secret, salt: bytes) -> bytearray:
        raise AssertionError

    with pytest.raises(TooManyTries):
        Vault(vault.path, clock=clock_at(NOON), derive=never).unlock(Secret(PASSWORD))


def test_the_right_password_leaves_nothing_but_the_vault(tmp_path: Path):
    vault = filled(tmp_path)
    with pytest.raises(WrongPassword):
        vault.unlock(Secret(OTHER))
    assert names(vault) == ["default.tries", "default.vault"]
    vault.unlock(Secret(PASSWORD)).close()
    assert names(vault) == ["default.vault"]


# --- the end of it, and back ---


def test_destroyed_it_is_gone_with_its_tries(tmp_path: Path):
    vault = filled(tmp_path)
    with pytest.raises(WrongPassword):
        vault.unlock(Secret(OTHER))
    vault.destroy()
    assert (names(vault), vault.exists()) == ([], False)
    with pytest.raises(NoVault):
        vault.destroy()


def test_wrong_passwords_at_the_same_time_wait_as_those_one_by_one_do(tmp_path: Path):
    """A thread stands for a process: each opens the folder's lock for itself."""
    path, derived, all_there = filled(tmp_path).path, [], threading.Barrier(8)

    def counting(kdf: Kdf, password: Secret, salt: bytes) -> bytearray:
        derived.append(password)
        return quick(kdf, password, salt)

    def guess(_: int) -> type[Exception]:
        all_there.wait(20)
        with pytest.raises((WrongPassword, TooManyTries)) as refused:
            Vault(path, clock=clock_at(NOON), derive=counting).unlock(Secret(OTHER))
        return refused.type

    with ThreadPoolExecutor(8) as guessers:
        refusals = list(guessers.map(guess, range(8)))
    assert (refusals.count(WrongPassword), len(derived)) == (5, 5)


def test_what_a_backup_refuses_counts_too(tmp_path: Path):
    vault = filled(tmp_path)
    backup = vault.sealed()
    for _ in range(5):
        with pytest.raises(WrongPassword):
            vault.restore(backup, Secret(OTHER))
    for attempt in (lambda: vault.restore(backup, Secret(PASSWORD)), lambda: vault.unlock(Secret(PASSWORD))):
        with pytest.raises(TooManyTries, match="5 wrong"):
            attempt()


def test_no_folder_is_made_for_a_vault_that_isn_t_there(tmp_path: Path):
    with pytest.raises(NoVault):
        quick_vault(tmp_path).unlock(Secret(PASSWORD))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_destroyed_as_far_as_it_can_be(tmp_path: Path):
    vault = quick_vault(tmp_path)
    vault.path.parent.mkdir(mode=0o700)
    os.mkfifo(vault.path)
    vault.destroy()
    assert not vault.exists()
    vault.path.mkdir()
    with pytest.raises(EnvironmentProblem, match="can't be removed"):
        vault.destroy()


def test_destroying_a_link_leaves_what_it_points_to(tmp_path: Path):
    vault = quick_vault(tmp_path)
    vault.path.parent.mkdir(mode=0o700)
    (tmp_path / "elsewhere").write_text("mine")
    vault.path.symlink_to(tmp_path / "elsewhere")
    vault.destroy()
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert not vault.exists()


def test_a_backup_is_restored_only_by_its_password(tmp_path: Path):
    vault = filled(tmp_path)
    backup = vault.sealed()
    with vault.unlock(Secret(PASSWORD)) as opened:
        opened.change_password(Secret(OTHER))
        opened.remove("api_key")
    before = vault.path.read_bytes()
    keys = []

    def noting(kdf: Kdf, password: Secret, salt: bytes) -> bytearray:
        keys.append(quick(kdf, password, salt))
        return keys[-1]

    with pytest.raises(WrongPassword):
        Vault(vault.path, derive=noting).restore(backup, Secret(OTHER))
    assert not any(keys[0]), "it is overwritten"
    assert vault.path.read_bytes() == before
    vault.restore(backup, Secret(PASSWORD))
    with vault.unlock(Secret(PASSWORD)) as opened:
        assert opened.get("api_key") == Secret("the-key")
