"""What the verbs of ``kite creds`` share: how passwords and values are asked for, and what is told about a vault."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from kitecli.commands._shared import say
from kitecli.errors import EnvironmentProblem, UsageError
from kitecli.secret import ALERTING, CREDENTIALS, MASK, VARIABLES_OF_SECRETS, Secret, wipe

if TYPE_CHECKING:
    from kitecli.vault import OpenVault, Vault
    from kitecli.vault.layout import Kdf, Sealed

PasswordFd: TypeAlias = Annotated[
    int | None, typer.Option("--password-fd", help="Read the vault's password from this file descriptor.")
]
NewPasswordFd: TypeAlias = Annotated[
    int | None, typer.Option("--new-password-fd", help="Read the new password from this file descriptor.")
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Don't ask.")]

ACCESS_TOKEN: Final = "access_token"  # noqa: S105 - its name
_WHAT: Final = {
    "api_key": "api_key, from your app's page at developers.kite.trade",
    "api_secret": "api_secret, from the same page",
    "user_id": "user_id, as AB1234",
    "password": "password of your Kite account; only kite auth login --totp needs it",
    "totp_secret": "totp_secret, the key behind the QR code; only kite auth login --totp needs it",
}


def opened(profile: str, password_fd: int | None, *, by_password: bool = False) -> OpenVault:
    """The vault, by the descriptor's password, else without asking, else by asking. ``by_password``: by no key."""
    from kitecli.vault import Vault, unlock_by_prompt, unlock_quietly, vault_path
    from kitecli.vault.unlocking import read_line, unlocked

    vault = Vault(vault_path(profile))
    vault.sealed()
    if password_fd is not None:
        return unlocked(vault, read_line(password_fd))
    return unlock_quietly(profile, by_password=by_password) or unlock_by_prompt(profile)


def opened_if_wanted(profile: str, password_fd: int | None) -> OpenVault | None:
    """The vault, or None where nothing opens it and nobody wants to."""
    from kitecli.vault import Vault, unlock_quietly, vault_path
    from kitecli.vault.unlocking import ask, unlocked

    if password_fd is not None:
        return opened(profile, password_fd)
    if (quietly := unlock_quietly(profile)) or not sys.stdin.isatty():
        return quietly
    password = ask(f"Password of the vault {profile!r} (Enter: leave it locked): ")
    return unlocked(Vault(vault_path(profile)), password) if password else None


def opened_or_made(profile: str, password_fd: int | None) -> AbstractContextManager[OpenVault]:
    """The vault, a new one where there is none."""
    from kitecli.vault import Vault, vault_path
    from kitecli.vault.layout import ARGON2ID

    vault = Vault(vault_path(profile))
    return opened(profile, password_fd) if vault.exists() else made(vault, new_password(password_fd), ARGON2ID)


@contextmanager
def made(vault: Vault, password: Secret, kdf: Kdf) -> Iterator[OpenVault]:
    """A new vault. Where it can't be filled none is left, which would be in the way of the next try."""
    with vault.create(password, kdf) as inside:
        try:
            yield inside
        except BaseException:
            vault.destroy()
            raise


def given_password(prompt: str, password_fd: int | None) -> Secret:
    """The password of something that is no vault of ours yet."""
    from kitecli.vault.unlocking import ask, read_line

    return ask(prompt) if password_fd is None else read_line(password_fd)


def new_password(descriptor: int | None) -> Secret:
    """A password to be: read once, or typed twice. Raises :class:`UsageError` where the two differ."""
    from kitecli.vault.unlocking import ask, read_line
    from kitecli.vault.vault import check_strength

    if descriptor is not None:
        return read_line(descriptor)
    password = ask("New password of the vault (12 characters or more): ")
    check_strength(password)
    if ask("The same again: ") != password:
        raise UsageError("The two passwords differ", why="nothing was changed", hint="try again")
    return password


def typed_values() -> dict[str, Secret]:
    """The five credentials: asked for at a terminal, where Enter passes one over, else lines of stdin as in a .env."""
    from kitecli.vault.unlocking import ask

    if sys.stdin.isatty():
        say("Enter passes one over. Nothing is shown while you type.")
        typed = {name: ask(f"{what}: ") for name, what in _WHAT.items()}
        return {name: value for name, value in typed.items() if value}
    return lines_of_stdin()


def lines_of_stdin() -> dict[str, Secret]:
    """``KITE_API_KEY=…`` and so on, by name."""
    from kitecli.settings.dotenv import secrets_in

    return by_name(secrets_in(sys.stdin.read()))


def one_value(name: str, descriptor: int | None) -> Secret:
    """A credential's value: from a file descriptor, typed, or stdin's first line."""
    from kitecli.vault.unlocking import ask, read_line

    if descriptor is not None:
        return read_line(descriptor)
    if sys.stdin.isatty():
        return ask(f"{_WHAT.get(name, name)}: ")
    return Secret(sys.stdin.readline().rstrip("\r\n"))


def by_name(variables: Mapping[str, str]) -> dict[str, Secret]:
    """Environment variables as credentials."""
    return {name.removeprefix("KITE_").lower(): Secret(value) for name, value in variables.items()}


def in_the_open(dotenv: Path) -> dict[str, Secret]:
    """The credentials that the environment and a ``.env`` hold. Raises :class:`UsageError` where there are none."""
    from kitecli.settings.dotenv import read_dotenv

    found = {**read_dotenv(dotenv), **{name: os.environ[name] for name in VARIABLES_OF_SECRETS if os.environ.get(name)}}
    if not found:
        raise UsageError(
            "There is nothing to import",
            why=f"neither the environment nor {dotenv} sets {VARIABLES_OF_SECRETS[0]} or such",
        )
    return by_name(found)


def keep(into: OpenVault, values: Mapping[str, Secret]) -> list[str]:
    """Put credentials into the vault; an access token as a session that began now. Returns their names."""
    from kitecli.clock import NS_PER_S, ist
    from kitecli.session import session_end_s
    from kitecli.vault import AccessToken

    into.update({name: value for name, value in values.items() if name in (*CREDENTIALS, *ALERTING)})
    if token := values.get(ACCESS_TOKEN):
        user_id = into.get("user_id")
        until = ist(session_end_s(into.vault.clock.now_ns() / NS_PER_S))
        into.set_token(AccessToken(user_id.reveal() if user_id else "", token, until))
    for value in values.values():
        value.wipe()
    return list(values)


def check_name(name: str) -> None:
    """Raises :class:`UsageError` for what can't be kept, before anybody types a password."""
    if name not in (names := (*CREDENTIALS, *ALERTING, ACCESS_TOKEN)):
        raise UsageError(f"There is no credential {name!r}", hint=f"the names are {', '.join(names)}")


def kdf_named(name: str) -> Kdf:
    """Raises :class:`UsageError`."""
    from kitecli.vault.layout import DEFAULTS

    if name not in DEFAULTS:
        raise UsageError(f"There is no key derivation {name!r}", hint=f"the choice is {' or '.join(DEFAULTS)}")
    return DEFAULTS[name]


def refuse_second(vault: Vault) -> None:
    """Raises :class:`UsageError` where a vault is."""
    if vault.exists():
        from kitecli.vault.vault import already_there

        raise already_there(vault.path)


def refuse_none(vault: Vault) -> None:
    """Raises :class:`NoVault` where none is, be it damaged."""
    if not vault.exists():
        from kitecli.vault.location import no_vault

        raise no_vault(vault.path)


def write_backup(vault: Vault, file: Path) -> None:
    """Raises :class:`UsageError` where something is there, and as :meth:`Vault.sealed`."""
    from kitecli.files import write_whole

    if os.path.lexists(file):
        raise UsageError(f"{file} exists", why="it may be an older backup", hint="name another file")
    write_whole(file, vault.sealed().to_bytes())


def read_backup(file: Path) -> Sealed:
    """Raises :class:`UsageError` where it can't be read, :class:`VaultDamaged` where it is no vault."""
    from kitecli.vault.layout import FILE_BYTES_MAX, Sealed

    try:
        with file.open("rb") as stream:
            return Sealed.parse(stream.read(FILE_BYTES_MAX + 1))
    except OSError as error:
        raise UsageError(f"{file} can't be read", why=error.strerror or str(error)) from error


def into_keyring(inside: OpenVault) -> None:
    """Raises :class:`EnvironmentProblem` where there is none to trust."""
    from kitecli.vault import keystore

    key = inside.copy_of_key()
    try:
        keystore.keep(inside.vault.path, key)
    finally:
        wipe(key)


def keyring_follows(inside: OpenVault) -> bool:
    """Give the keyring the new key if it had the old one. Of a locked one that is said: the password is changed."""
    from kitecli.vault import keystore

    try:
        had = keystore.kept(inside.vault.path) is not None
        if had:
            into_keyring(inside)
    except EnvironmentProblem as locked:
        say(f"kite: {locked.what.lower()} ({locked.why}); kite creds keyring gives it the new key")
        return False
    return had


def confirm(question: str, *, yes: bool) -> None:
    """Raises :class:`UsageError` where nobody is there to answer, :class:`typer.Abort` on no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(question, why="there is no terminal to ask at", hint="add --yes")
    typer.confirm(question, abort=True, err=True)


def facts(vault: Vault, profile: str) -> dict[str, object]:
    """What can be told of a vault without its password."""
    sealed = vault.sealed()
    return {
        "account": profile,
        "vault": str(vault.path),
        "cipher": "AES-256-GCM",
        "kdf": str(sealed.kdf),
        "key_id": sealed.key_id.hex(),
        "rights": _rights(vault.path),
        "opens_without_terminal": ways_in(vault, profile),
        "environment": [name for name in VARIABLES_OF_SECRETS if os.environ.get(name)],
    }


def ways_in(vault: Vault, profile: str) -> list[str]:
    """What would open it with nobody there; asks the keyring only whether it has the key."""
    from kitecli.vault import keystore
    from kitecli.vault.unlocking import FD_VARIABLE, credential_path

    found = [f"file descriptor {os.environ[FD_VARIABLE]}"] if os.environ.get(FD_VARIABLE) else []
    found += ["systemd credential"] if credential_path(profile) else []
    with suppress(EnvironmentProblem):  # a locked keyring opens nothing
        found += ["keyring"] if keystore.kept(vault.path) is not None else []
    return found


def contents(inside: OpenVault) -> dict[str, object]:
    """Which credentials are set, and the access token's end."""
    names, token = inside.names(), inside.token()
    return {
        "secrets": {name: name in names for name in (*CREDENTIALS, *ALERTING)},
        "access_token_until": token.until.isoformat() if token else None,
    }


def status_rows(told: Mapping[str, object]) -> list[tuple[str, str]]:
    """The same for people."""
    rows = [
        (name.replace("_", " "), ", ".join(map(str, value)) or "nothing" if isinstance(value, list) else str(value))
        for name, value in told.items()
        if name not in {"secrets", "access_token_until", "locked"}
    ]
    secrets = told.get("secrets")
    if not isinstance(secrets, dict):
        return [*rows, ("secrets", "locked: the password tells")]
    rows += [(name, MASK if kept else "not set") for name, kept in secrets.items()]
    return [*rows, (ACCESS_TOKEN, _until(str(told["access_token_until"] or "")))]


def _until(moment: str) -> str:
    from datetime import datetime

    from kitecli.clock import IST

    if not moment:
        return "not set, or ended"
    return f"{MASK} until {datetime.fromisoformat(moment).astimezone(IST):%Y-%m-%d %H:%M} IST"


def _rights(path: Path) -> str:
    if sys.platform == "win32":
        return "the folder's"
    return " in ".join(f"{stat.S_IMODE(one.stat().st_mode):04o}" for one in (path, path.parent))
