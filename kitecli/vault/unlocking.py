"""How a vault is opened: with nobody at the terminal, or by asking.

Quietly, the first of these that is there decides: a file descriptor (``KITE_VAULT_FD``), a systemd credential
(``kite-password-ACCOUNT`` in ``$CREDENTIALS_DIRECTORY``), the keyring.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import Final, TypeVar

from kitecli import stdin
from kitecli.errors import AuthError, EnvironmentProblem, KiteError, UsageError, WrongPassword
from kitecli.secret import Secret, is_text
from kitecli.vault import keystore
from kitecli.vault.location import DEFAULT_PROFILE, vault_path
from kitecli.vault.vault import OpenVault, Vault

FD_VARIABLE: Final = "KITE_VAULT_FD"
CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
LINE_BYTES_MAX: Final = 4096
Outcome = TypeVar("Outcome")

_opened: dict[str, OpenVault] = {}


def unlock_quietly(profile: str = DEFAULT_PROFILE, *, by_password: bool = False) -> OpenVault | None:
    """Open the account's vault without asking; None where there is none, or nothing to open it with.

    ``by_password``: not by the keyring, which has the key alone. Raises as :meth:`Vault.unlock`, :class:`UsageError`
    where what was named can't be read, and :class:`EnvironmentProblem` for a locked keyring; at a terminal that is
    said, and None: somebody can be asked.
    """
    vault = Vault(vault_path(profile))
    if not vault.exists():
        return None
    password = _password_at_hand(profile)
    if password is not None:
        return unlocked(vault, password)
    key = None if by_password else _key_in_keyring(vault)
    return _by_keyring(vault, key) if key is not None else None


def at_hand(profile: str = DEFAULT_PROFILE) -> OpenVault | None:
    """The account's vault for the rest of this process, opened when first asked for: quietly, else at the terminal.

    None where there is none, or no way to open it. Raises as :meth:`Vault.unlock`. Closed when the process ends.
    """
    if profile not in _opened:
        opened = unlock_quietly(profile)
        if opened is None and Vault(vault_path(profile)).exists() and stdin.at_terminal():
            opened = unlock_by_prompt(profile)
        if opened is None:
            return None
        _opened[profile] = opened
    return _opened[profile]


def unlock_by_prompt(profile: str = DEFAULT_PROFILE) -> OpenVault:
    """Open it with the password that is typed. Raises as :meth:`Vault.unlock`, and :class:`AuthError` where nobody is
    at a terminal.
    """
    vault = Vault(vault_path(profile))
    vault.sealed()  # what is wrong with the file is said before anybody types
    return unlocked(vault, ask(f"Password of the vault {profile!r}: "))


def ask(prompt: str) -> Secret:
    """Something typed without being shown.

    Raises :class:`AuthError` where there is no terminal, or Ctrl-D is typed, :class:`UsageError` for no UTF-8.
    """
    if not stdin.at_terminal():
        raise nobody_to_ask()
    try:
        return Secret(getpass(prompt))
    except UnicodeDecodeError:
        raise stdin.not_text() from None
    except EOFError:
        sys.stderr.write("\n")  # the prompt's line is still open
        raise AuthError("Nothing was typed", why="the input ended instead (Ctrl-D)", hint="try again") from None


def nobody_to_ask() -> AuthError:
    """The error for a vault that only somebody at a terminal could open."""
    return AuthError(
        "The vault's password is needed, and there is no terminal to ask at",
        hint=f"name a file descriptor ({FD_VARIABLE}=N) or use a systemd credential; the keyring does, too, except to "
        "change the password: docs/vault.md",
    )


def credential_path(profile: str) -> Path | None:
    """What systemd put there for this service (``LoadCredential=``, ``LoadCredentialEncrypted=``), if it did."""
    folder = os.environ.get(CREDENTIALS_VARIABLE)
    path = Path(folder, f"kite-password-{profile}") if folder else None
    return path if path is not None and path.is_file() else None


def read_line(descriptor: int) -> Secret:
    """The first line behind a file descriptor. One byte at a time: what follows may be for somebody else.

    Raises :class:`UsageError` where nothing can be read there.
    """
    where = f"file descriptor {descriptor}"
    try:
        return _line(descriptor, where)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "there are no such numbers"
        raise UsageError(f"{where.capitalize()} can't be read", why=why, hint="open it for kite") from error


def _line(descriptor: int, where: str) -> Secret:
    line = bytearray()
    while (byte := os.read(descriptor, 1)) not in {b"", b"\n"}:
        if len(line) == LINE_BYTES_MAX:
            raise UsageError(
                f"{where.capitalize()} holds no password", why=f"its line has over {LINE_BYTES_MAX:,} bytes"
            )
        line += byte
    line = line.removesuffix(b"\r")
    if not line:
        raise UsageError(f"There is no password behind {where}", why="the line is empty, or read")
    if not is_text(line):
        raise UsageError(f"{where.capitalize()} holds no password", why="it isn't UTF-8", hint="save the file as UTF-8")
    return Secret(line)


def _password_at_hand(profile: str) -> Secret | None:
    if text := os.environ.get(FD_VARIABLE):
        if not (text.isascii() and text.isdigit()):  # "²" is a digit, too, and no number
            raise UsageError(f"{FD_VARIABLE} is {text!r}", why="it is the number of an open file descriptor")
        return read_line(int(text))
    credential = credential_path(profile)
    return _first_line_of(credential) if credential else None


def _first_line_of(credential: Path) -> Secret:
    try:
        with credential.open("rb", buffering=0) as file:
            return _line(file.fileno(), str(credential))
    except OSError as error:
        raise UsageError(f"{credential} can't be read", why=error.strerror or str(error)) from error


def _key_in_keyring(vault: Vault) -> bytearray | None:
    try:
        return keystore.kept(vault.path)
    except EnvironmentProblem as locked:
        if not stdin.at_terminal():
            raise
        sys.stderr.write(f"kite: {locked.what.lower()} ({locked.why}), so the vault's password is needed\n")
        return None


def _by_keyring(vault: Vault, key: bytearray) -> OpenVault:
    try:
        return vault.unlock_by_key(key)
    except WrongPassword as error:
        raise WrongPassword(
            "The keyring's key doesn't open the vault",
            why="the vault's password was changed elsewhere, or a backup was restored",
            hint="give the keyring the new key: kite creds keyring",
        ) from error


def unlocked(vault: Vault, password: Secret) -> OpenVault:
    """Open it and overwrite the password. Raises as :meth:`Vault.unlock`."""
    return with_either_form(vault.unlock, password)


def composed(password: Secret) -> Secret:
    """In Unicode's form NFC, as new vaults have it: systems differ in whether ü is one character or two."""
    from unicodedata import normalize

    text = password.reveal()
    return password if text == (one := normalize("NFC", text)) else Secret(one)


def with_either_form(use: Callable[[Secret], Outcome], password: Secret) -> Outcome:
    """Use it as new vaults have it, else as it was typed, which older ones may have; and overwrite it.

    Where a defect of ours ends it the password stays: what the defect quotes is masked by the values of secrets.
    """
    form = composed(password)
    try:
        outcome = _in_either(use, form, password)
    except (KiteError, KeyboardInterrupt):
        _wipe(form, password)
        raise
    _wipe(form, password)
    return outcome


def _wipe(*passwords: Secret) -> None:
    for one in passwords:
        one.wipe()


def _in_either(use: Callable[[Secret], Outcome], form: Secret, password: Secret) -> Outcome:
    try:
        return use(form)
    except WrongPassword:
        if form is password:
            raise
        return use(password)
