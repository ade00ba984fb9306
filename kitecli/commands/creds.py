"""``kite creds``: credentials in an encrypted vault. No option takes a secret, which others could see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kitecli.commands import _creds
from kitecli.commands._creds import NewPasswordFd, PasswordFd, Yes
from kitecli.commands._shared import JsonOption, print_json, print_rows, say, settings_of

app = typer.Typer(help="Keep the broker's credentials in an encrypted vault.", no_args_is_help=True)

_Kdf = Annotated[str, typer.Option("--kdf", help="How the password becomes a key: argon2id or pbkdf2.")]


@app.command(short_help="Make a vault and fill it.")
def setup(
    context: typer.Context, kdf: _Kdf = "argon2id", password_fd: PasswordFd = None, as_json: JsonOption = False
) -> None:
    """Make a vault and put the credentials into it.

    Asks for a password and the five credentials. Where stdin is no terminal it holds lines as KITE_API_KEY=… instead.

    Examples:

      kite creds setup

      kite creds setup --password-fd 3 3<password.txt <.env

      kite --set kite.account=second creds setup
    """
    from kitecli.vault import Vault, vault_path

    vault = Vault(vault_path(_account(context)))
    chosen = _creds.kdf_named(kdf)
    _creds.refuse_second(vault)
    password = _creds.new_password(password_fd)
    values = _creds.typed_values()
    with _creds.made(vault, password, chosen) as inside:
        kept = _creds.keep(inside, values)
    _tell(as_json, {"vault": str(vault.path), "kept": kept}, f"{vault.path} holds {', '.join(kept) or 'nothing yet'}.")


@app.command(short_help="Show what is set, and how it is protected.")
def status(context: typer.Context, password_fd: PasswordFd = None, as_json: JsonOption = False) -> None:
    """Show what the vault holds, masked, and how the file is protected.

    What is set is told with the vault open: at a terminal it asks for the password, and Enter leaves it locked.

    Examples:

      kite creds status

      kite creds status --json
    """
    from kitecli.vault import Vault, vault_path

    profile = _account(context)
    told = _creds.facts(Vault(vault_path(profile)), profile)
    inside = _creds.opened_if_wanted(profile, password_fd)
    if inside is not None:
        with inside:
            told |= _creds.contents(inside)
    if as_json:
        print_json(told | {"locked": inside is None})
    else:
        print_rows(("", ""), _creds.status_rows(told))


@app.command(name="set", short_help="Set or remove one credential.")
def set_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="One of those kite creds status lists, as api_key.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove it instead.")] = False,
    value_fd: Annotated[int | None, typer.Option("--value-fd", help="Read it from this file descriptor.")] = None,
    password_fd: PasswordFd = None,
    as_json: JsonOption = False,
) -> None:
    """Set one credential: typed, from a file descriptor, or stdin's first line.

    The names are api_key, api_secret, user_id, password, totp_secret and access_token; for alerts telegram_token and
    webhook_url. An access token is dropped when its session ends, at 06:00 Indian time.

    Examples:

      kite creds set api_secret

      kite creds set access_token --password-fd 3 3<password.txt <token.txt

      kite creds set totp_secret --remove
    """
    _creds.check_name(name)
    with _creds.opened(_account(context), password_fd) as inside:
        if remove:
            inside.remove(name)
        else:
            _creds.keep(inside, {name: _creds.one_value(name, value_fd)})
    _tell(as_json, {"name": name, "set": not remove}, f"{name} is {'removed' if remove else 'set'}.")


@app.command(short_help="Encrypt the vault with another key.")
def rotate(context: typer.Context, password_fd: PasswordFd = None, as_json: JsonOption = False) -> None:
    """Encrypt everything in the vault with a fresh data key. The password stays.

    Example:

      kite creds rotate
    """
    with _creds.opened(_account(context), password_fd) as inside:
        inside.rotate()
        key_id = inside.vault.sealed().key_id.hex()
    _tell(as_json, {"key_id": key_id}, f"The vault is encrypted with another key: {key_id}.")


@app.command(name="change-password", short_help="Give the vault another password.")
def change_password(
    context: typer.Context,
    kdf: Annotated[str, typer.Option("--kdf", help="argon2id or pbkdf2; default: as it is.")] = "",
    password_fd: PasswordFd = None,
    new_password_fd: NewPasswordFd = None,
    as_json: JsonOption = False,
) -> None:
    """Give the vault another password. Backups made before keep the old one.

    Who had the old password and a copy of the file could still read that copy: rotate, and change what was in it.

    Examples:

      kite creds change-password

      kite creds change-password --kdf pbkdf2
    """
    chosen = _creds.kdf_named(kdf) if kdf else None
    with _creds.opened(_account(context), password_fd, by_password=True) as inside:
        inside.change_password(_creds.new_password(new_password_fd), chosen)
        told = {"kdf": str(inside.vault.sealed().kdf), "keyring": _creds.keyring_follows(inside)}
    _tell(as_json, told, "The vault has another password.")


@app.command(short_help="Destroy the vault.")
def reset(context: typer.Context, yes: Yes = False, as_json: JsonOption = False) -> None:
    """Overwrite the vault and remove it, with its key in the keyring. Asks before.

    An SSD may keep old blocks: what was in the vault is safe there only as far as its password is good.

    Examples:

      kite creds reset

      kite creds reset --yes
    """
    from kitecli.vault import Vault, keystore, vault_path

    vault = Vault(vault_path(_account(context)))
    _creds.refuse_none(vault)
    _creds.confirm(f"Destroy {vault.path} and all credentials in it?", yes=yes)
    vault.destroy()
    keystore.forget(vault.path)  # a locked keyring is no reason to keep the vault
    _tell(as_json, {"destroyed": str(vault.path)}, f"{vault.path} is destroyed.")


@app.command(name="import-env", short_help="Take credentials from the environment and .env.")
def import_env(
    context: typer.Context,
    file: Annotated[Path, typer.Option("--file", help="The .env to read.")] = Path(".env"),
    password_fd: PasswordFd = None,
    as_json: JsonOption = False,
) -> None:
    """Put what KITE_API_KEY and the like hold, in the environment or a .env, into the vault; made where there is none.

    Afterwards unset the variables and delete the file: kite can't do the one, and leaves the other to you.

    Examples:

      kite creds import-env

      kite creds import-env --file ~/old/.env
    """
    found = _creds.in_the_open(file)
    with _creds.opened_or_made(_account(context), password_fd) as inside:
        kept = _creds.keep(inside, found)
        path = str(inside.vault.path)
    _tell(as_json, {"vault": path, "kept": kept}, f"{path} holds {', '.join(kept)}; unset them, and delete the .env.")


@app.command(short_help="Copy the vault, still encrypted.")
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The copy's name; nothing may be there.")],
    as_json: JsonOption = False,
) -> None:
    """Copy the vault, encrypted as it is, into a file. It opens with the password of today.

    Example:

      kite creds backup /media/stick/kite.vault
    """
    from kitecli.vault import Vault, vault_path

    _creds.write_backup(Vault(vault_path(_account(context))), file)
    _tell(as_json, {"backup": str(file)}, f"{file} opens with the vault's password of today.")


@app.command(short_help="Put a backup in the vault's place.")
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What kite creds backup wrote.")],
    yes: Yes = False,
    password_fd: PasswordFd = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the vault's place, once its password opened it. Asks before it replaces a vault.

    Example:

      kite creds restore /media/stick/kite.vault
    """
    from kitecli.vault import Vault, vault_path

    vault = Vault(vault_path(_account(context)))
    sealed = _creds.read_backup(file)
    password = _creds.given_password(f"Password of {file}: ", password_fd)
    if vault.exists():
        _creds.confirm(f"Replace {vault.path}?", yes=yes)
    vault.restore(sealed, password)
    _tell(as_json, {"vault": str(vault.path)}, f"{vault.path} is what {file} was.")


@app.command(short_help="Have the system's keyring open the vault, or not.")
def keyring(
    context: typer.Context,
    off: Annotated[bool, typer.Option("--off", help="Have the keyring forget the vault.")] = False,
    password_fd: PasswordFd = None,
    as_json: JsonOption = False,
) -> None:
    """Put the vault's key, not its password, into the system's keyring: kite then opens the vault without asking.

    Needs the extra: pip install 'kitecli[keyring]'. Whoever uses your desktop session can open the vault then.

    Examples:

      kite creds keyring

      kite creds keyring --off
    """
    from kitecli.vault import keystore, vault_path

    profile = _account(context)
    if off:
        keystore.forget(vault_path(profile))
    else:
        with _creds.opened(profile, password_fd, by_password=True) as inside:
            _creds.into_keyring(inside)
    _tell(as_json, {"keyring": not off}, f"The keyring {'has forgotten' if off else 'opens'} the vault.")


def _account(context: typer.Context) -> str:
    return settings_of(context, quietly=True).kite.vault


def _tell(as_json: bool, told: dict[str, object], text: str) -> None:
    if as_json:
        print_json(told)
    else:
        say(text)
