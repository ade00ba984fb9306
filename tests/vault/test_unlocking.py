"""Opening a vault with nobody at the terminal: descriptor, systemd credential, keyring, in that order."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kitecli.errors import AuthError, EnvironmentProblem, NoVault, UsageError, WrongPassword
from kitecli.secret import Secret, redacted
from kitecli.vault import Vault, unlock_by_prompt, unlock_quietly, unlocking, vault_path
from kitecli.vault.layout import Kdf
from kitecli.vault.unlocking import at_hand, read_line, unlocked
from tests.vault.keyring_of_tests import forget_modules, write_keyring
from tests.vault.made import OTHER, PASSWORD, quickly


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(unlocking, "_opened", {})
    quickly(monkeypatch)


@pytest.fixture
def vault() -> Vault:
    made = Vault(vault_path())
    with made.create(Secret(PASSWORD)) as opened:
        opened.set("api_key", Secret("the-key"))
    return made


@pytest.fixture
def behind() -> Iterator[Callable[[str], int]]:
    """A descriptor with text behind it, as a shell's ``3<<<text`` makes it."""
    ends = []

    def make(text: str) -> int:
        reading, writing = os.pipe()
        os.write(writing, text.encode())
        os.close(writing)
        ends.append(reading)
        return reading

    yield make
    for end in ends:
        os.close(end)


def test_without_a_vault_or_a_way_in_it_is_none(tmp_path: Path):
    assert unlock_quietly() is None
    assert at_hand() is None


def test_with_a_vault_and_no_way_in_it_is_none(vault: Vault):
    assert unlock_quietly() is None


def test_a_file_descriptor_opens_it(vault: Vault, behind, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_VAULT_FD", str(behind(PASSWORD + "\nrest")))
    opened = unlock_quietly()
    assert opened is not None
    with opened:
        assert opened.get("api_key") == Secret("the-key")


def test_a_systemd_credential_opens_its_account_s_vault_alone(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert unlock_quietly() is None
    (folder / "kite-password-second").write_text(PASSWORD)
    assert unlock_quietly() is None
    (folder / "kite-password-default").write_text(PASSWORD + "\n")
    opened = unlock_quietly()
    assert opened is not None
    opened.close()


def test_a_descriptor_wins_over_a_credential_and_a_wrong_one_is_said(
    vault: Vault, tmp_path: Path, behind, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "kite-password-default").write_text(PASSWORD)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("KITE_VAULT_FD", str(behind(OTHER)))
    with pytest.raises(WrongPassword):
        unlock_quietly()


@pytest.mark.parametrize("number", ["three", "-1", "9999", "²", "9" * 20])
def test_a_descriptor_that_isn_t_one_is_said(vault: Vault, number: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_VAULT_FD", number)
    with pytest.raises(UsageError):
        unlock_quietly()


def test_a_line_is_read_and_what_follows_is_left(behind):
    end = behind("first\r\nsecond\n\n")
    assert read_line(end) == Secret("first")
    assert read_line(end) == Secret("second")
    for _ in range(2):
        with pytest.raises(UsageError, match="no password"):
            read_line(end)


@pytest.mark.parametrize("line", [b"correct horse b\xe9ttery\n", b"x" * 5000])
def test_a_line_that_can_t_be_a_password_is_said(line: bytes):
    reading, writing = os.pipe()
    os.write(writing, line)
    os.close(writing)
    with pytest.raises(UsageError, match="holds no password"):
        read_line(reading)
    os.close(reading)


def test_an_empty_credential_is_said_by_its_name(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "kite-password-default").touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(UsageError, match="kite-password-default"):
        unlock_quietly()


def test_ctrl_d_at_the_prompt_is_no_password(vault: Vault, monkeypatch: pytest.MonkeyPatch):
    def ended(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(unlocking, "getpass", ended)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with pytest.raises(AuthError, match="Nothing was typed"):
        unlock_by_prompt()
    assert [path.name for path in vault.path.parent.iterdir()] == ["default.vault"], "it counts as no try"


def test_the_keyring_opens_it_by_its_key_and_an_old_key_is_explained(vault: Vault, monkeypatch: pytest.MonkeyPatch):
    with vault.unlock(Secret(PASSWORD)) as opened:
        key = opened.copy_of_key()
    monkeypatch.setattr(unlocking.keystore, "kept", lambda path: bytearray(key) if path == vault.path else None)
    opened_by_it = unlock_quietly()
    assert opened_by_it is not None
    with opened_by_it as opened:
        opened.change_password(Secret(OTHER))
    with pytest.raises(WrongPassword) as raised:
        unlock_quietly()
    assert "kite creds keyring" in raised.value.hint


@pytest.fixture
def locked_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget_modules()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (write_keyring(tmp_path / "site") / "locked").touch()
    yield
    forget_modules()


def test_with_a_locked_keyring_the_password_is_asked_for_at_a_terminal(
    vault: Vault, locked_keyring: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(unlocking, "getpass", lambda _: PASSWORD)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    opened = at_hand()
    assert opened is not None
    with opened:
        assert opened.get("api_key") == Secret("the-key")
    assert "the keyring is locked (nobody unlocked it)" in capsys.readouterr().err


def test_with_a_locked_keyring_and_no_terminal_it_is_said_what_to_do(vault: Vault, locked_keyring: None):
    with pytest.raises(EnvironmentProblem, match="keyring is locked") as raised:
        at_hand()
    assert "unlock it" in raised.value.hint
    assert "KITE_VAULT_FD" in raised.value.hint


def test_a_locked_keyring_is_not_asked_where_a_descriptor_is_named(
    vault: Vault, locked_keyring: None, behind, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KITE_VAULT_FD", str(behind(PASSWORD)))
    opened = unlock_quietly()
    assert opened is not None
    opened.close()


def test_for_a_process_it_is_opened_once(vault: Vault, behind, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_VAULT_FD", str(behind(PASSWORD)))  # a pipe can be read only once
    first = at_hand()
    assert first is not None
    assert at_hand() is first
    first.close()


def test_afterwards_the_password_is_overwritten(vault: Vault):
    right, wrong = Secret(PASSWORD), Secret(OTHER)
    unlocked(vault, right).close()
    with pytest.raises(WrongPassword):
        unlocked(vault, wrong)
    assert not right
    assert not wrong


def test_what_a_defect_quotes_of_it_can_be_masked(vault: Vault):
    def odd(_kdf: Kdf, password: Secret, _salt: bytes) -> bytearray:
        raise RuntimeError(password.reveal())

    with pytest.raises(RuntimeError, match=PASSWORD) as raised:
        unlocked(Vault(vault.path, derive=odd), Secret(PASSWORD))
    assert PASSWORD not in redacted(str(raised.value))


def test_without_a_terminal_nobody_is_asked(vault: Vault, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
    with pytest.raises(AuthError) as raised:
        unlock_by_prompt()
    assert "KITE_VAULT_FD" in raised.value.hint


def test_what_is_wrong_with_the_file_is_said_before_anybody_types():
    with pytest.raises(NoVault):
        unlock_by_prompt("second")
