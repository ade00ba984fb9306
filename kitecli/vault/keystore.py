"""The system's keyring, where the user wants it to open the vault: it keeps the password's key, never the password.

Only stores that encrypt are used. The optional package ``keyring`` also brings some that write plain text or nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kitecli.errors import EnvironmentProblem
from kitecli.secret import wipe
from kitecli.vault.layout import KEY_BYTES

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE: Final = "kite vault"
# Those of the package `keyring` that hand over to macOS, Windows, GNOME, KDE: all encrypt for the user who logged in.
_TRUSTED: Final = tuple(
    f"keyring.backends.{name}" for name in ("macOS", "Windows", "SecretService", "libsecret", "kwallet")
)
_CHAIN: Final = "keyring.backends.chainer"


def refusal() -> str:
    """Why no keyring can be used here; empty where one can."""
    try:
        import keyring
    except ImportError:
        return "the package keyring isn't installed"
    names = [type(one).__module__ for one in _chained(keyring.get_keyring())]
    bad = [name for name in names if name not in _TRUSTED]
    if bad or not names:
        return f"{', '.join(bad) or 'none'} is no store that is known to encrypt"
    return ""


def keep(vault: Path, key: bytearray) -> None:
    """Have the keyring open this vault from now on. Raises :class:`EnvironmentProblem`."""
    if why := refusal():
        raise EnvironmentProblem(
            "The vault's key can't be kept in a keyring",
            why=why,
            hint="pip install 'kitecli[keyring]' on a desktop; on a server use a systemd credential, see docs/vault.md",
        )
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, str(vault), base64.b64encode(key).decode())
    except KeyringError as error:
        raise EnvironmentProblem("The keyring refuses the vault's key", why=str(error)) from error


def kept(vault: Path) -> bytearray | None:
    """The key that opens this vault, where the keyring has it. Raises :class:`EnvironmentProblem`."""
    if refusal():
        return None
    import keyring
    from keyring.errors import KeyringError

    try:
        text = keyring.get_password(SERVICE, str(vault))
    except KeyringError as error:
        raise _out_of_reach(error) from error
    return _key_of(text) if text else None


def forget(vault: Path) -> bool:
    """Whether there was something to forget."""
    key = kept(vault)
    if key is None:
        return False
    wipe(key)
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.delete_password(SERVICE, str(vault))
    except KeyringError as error:
        raise _out_of_reach(error) from error
    return True


def _key_of(text: str) -> bytearray:
    """What :func:`keep` put there. Something else opens nothing, as an older key would: no key is all zeros."""
    try:
        key = bytearray(base64.b64decode(text, validate=True))
    except ValueError:
        key = bytearray()
    return key if len(key) == KEY_BYTES else bytearray(KEY_BYTES)


def _out_of_reach(error: Exception) -> EnvironmentProblem:
    from keyring.errors import KeyringLocked

    return EnvironmentProblem(
        "The keyring is locked" if isinstance(error, KeyringLocked) else "The keyring can't be asked",
        why=str(error),
        hint="unlock it, as by logging in at the desktop; give kite the vault's password at a terminal, by a file "
        "descriptor (KITE_VAULT_FD=N) or a systemd credential: docs/vault.md",
    )


def _chained(store: KeyringBackend) -> Iterator[KeyringBackend]:
    """A chain stores with whichever of its links takes it, so each must be good."""
    if type(store).__module__ == _CHAIN:
        yield from store.backends
    else:
        yield store
