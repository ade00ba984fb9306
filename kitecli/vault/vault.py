"""A vault: one encrypted file, opened by its password, read and decrypted anew whenever something is asked of it.

::

    with Vault(vault_path()).unlock(password) as opened:
        api_secret = opened.get("api_secret")

An open one holds the password's key and nothing else, so what another process put there is seen at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kitecli.clock import NS_PER_S, Clock, SystemClock
from kitecli.errors import AuthError, EnvironmentProblem, NoVault, UsageError, WrongPassword
from kitecli.logs import logger
from kitecli.secret import Secret, wipe
from kitecli.vault import cipher
from kitecli.vault.contents import Contents, Entropy
from kitecli.vault.entries import AccessToken, Entries
from kitecli.vault.guard import guard
from kitecli.vault.layout import ARGON2ID, DEFAULTS, SALT_BYTES, Kdf, Sealed
from kitecli.vault.location import locked, no_vault, read_private, replace_private, shred, stands
from kitecli.vault.tries import Tries

LOG: Final = logger("kitecli.vault")
PASSWORD_LENGTH_MIN: Final = 12
TRIES_SUFFIX: Final = ".tries"
TRIES_BYTES_MAX: Final = 256


class Vault:
    """A vault's file. ``entropy(n)``: n random bytes; ``derive``: as :func:`cipher.derive`."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        entropy: Entropy = os.urandom,
        derive: cipher.Derive = cipher.derive,
    ) -> None:
        self.path = path
        self.clock = clock or SystemClock()
        self.entropy = entropy
        self.derive = derive
        self._tries_path = path.with_suffix(TRIES_SUFFIX)

    def exists(self) -> bool:
        """Whether something stands there, be it damaged or a link to nowhere.

        Raises :class:`EnvironmentProblem` where nobody can say.
        """
        return stands(self.path)

    def sealed(self) -> Sealed:
        """The file as it stands, for which no password is needed.

        Raises :class:`NoVault`, :class:`VaultDamaged`, and :class:`EnvironmentProblem` where it isn't private.
        """
        return Sealed.parse(read_private(self.path))

    def create(self, password: Secret, kdf: Kdf = ARGON2ID) -> OpenVault:
        """Make an empty one and open it. Raises :class:`UsageError` where there is one, or for a short password."""
        check_strength(password)
        salt = self.entropy(SALT_BYTES)
        key = self.derive(kdf, password, salt)
        with locked(self.path), Contents.fresh(kdf, salt, self.entropy) as contents:
            if self.exists():
                raise already_there(self.path)
            replace_private(self.path, contents.seal(key, self.entropy).to_bytes())
        return OpenVault(self, key)

    def unlock(self, password: Secret) -> OpenVault:
        """Open it; to be closed, best by ``with``. A key derivation weaker than today's is replaced on the way.

        Raises as :meth:`sealed`, :class:`WrongPassword`, also for a header altered by somebody who made its checksum
        fit, :class:`VaultDamaged` where the password can't be the cause, and :class:`TooManyTries`.
        """
        self.sealed()  # no folder is made for a vault that isn't there
        with locked(self.path):
            sealed = self.sealed()
            opened = OpenVault(self, self._key_to(sealed, password))
        try:
            opened.drop_ended()
            if (kdf := sealed.kdf.raised_to(DEFAULTS[sealed.kdf.name])) != sealed.kdf:
                with _where_it_can_be_written():
                    opened.wrap(password, kdf)
        except BaseException:
            opened.close()
            raise
        return opened

    def unlock_by_key(self, key: bytearray) -> OpenVault:
        """Open it by the password's key, which is taken over. Raises as :meth:`unlock`, and counts no tries."""
        opened = OpenVault(self, key)
        try:
            opened.drop_ended()
        except BaseException:
            opened.close()
            raise
        return opened

    def destroy(self) -> None:
        """Overwrite and remove it, and what was noted about wrong passwords.

        Raises :class:`NoVault`, and :class:`EnvironmentProblem` where it can't be removed.
        """
        if not self.exists():
            raise no_vault(self.path)
        with locked(self.path):
            shred(self.path)
            self._tries_path.unlink(missing_ok=True)

    def restore(self, sealed: Sealed, password: Secret) -> None:
        """Put a backup in its place that ``password`` opens.

        Raises :class:`WrongPassword`, which counts as at :meth:`unlock`, :class:`VaultDamaged`, :class:`TooManyTries`.
        """
        with locked(self.path):
            wipe(self._key_to(sealed, password))
            replace_private(self.path, sealed.to_bytes())

    def _key_to(self, sealed: Sealed, password: Secret) -> bytearray:
        """The key that opens ``sealed``. For who holds the lock: side by side, tries would all be early enough."""
        self._tries().admit(self.clock.now_ns())
        key = self.derive(sealed.kdf, password, sealed.salt)
        try:
            with Contents.unseal(sealed, key):
                pass
        except BaseException as error:
            wipe(key)
            if isinstance(error, WrongPassword):
                self._count_failure()
            raise
        with _where_it_can_be_written():
            self._tries_path.unlink(missing_ok=True)
        return key

    def _count_failure(self) -> None:
        with _where_it_can_be_written():
            replace_private(self._tries_path, self._tries().failed(self.clock.now_ns()).to_bytes())

    def _tries(self) -> Tries:
        try:
            return Tries.parse(read_private(self._tries_path, TRIES_BYTES_MAX))
        except NoVault:
            return Tries()


class OpenVault:
    """A vault whose password was given. Every call reads the file; every change is on disk when it returns.

    All raise :class:`AuthError` after :meth:`close`, and what :meth:`Vault.unlock` does where the file was damaged,
    removed, or given another password meanwhile.
    """

    def __init__(self, vault: Vault, key: bytearray) -> None:
        """``key``: the password's, taken over."""
        self.vault = vault
        self._key = key
        guard(self)

    def get(self, name: str) -> Secret | None:
        """One of ``CREDENTIALS`` or ``ALERTING``; None where it isn't kept."""
        with self._contents() as contents:
            return contents.entries.get(name)

    def names(self) -> tuple[str, ...]:
        """What is kept, the access token as ``access_token``."""
        with self._contents() as contents:
            return contents.entries.names

    def set(self, name: str, value: Secret) -> None:
        """Raises :class:`UsageError` for a name or a value there can't be."""
        self.update({name: value})

    def update(self, values: Mapping[str, Secret]) -> None:
        """Set several at once: all of them, or none."""
        with self._changing() as entries:
            for name, value in values.items():
                entries.set(name, value)

    def remove(self, name: str) -> None:
        """Also ``access_token``; nothing happens where it isn't kept."""
        with self._changing() as entries:
            entries.remove(name)

    def token(self) -> AccessToken | None:
        """The day's access token, as long as its session lasts; after that it is dropped."""
        self.drop_ended()
        with self._contents() as contents:
            token = contents.entries.token()
        return token if token and token.until.timestamp() > self._now_s() else None

    def set_token(self, token: AccessToken) -> None:
        """Keep a session's token in the place of an older one."""
        with self._changing() as entries:
            entries.set_token(token)

    def drop_ended(self) -> None:
        """Erase what has come to its end, and what writers left that were killed."""
        with locked(self.vault.path), self._contents() as contents:
            ended = contents.entries.ended(self._now_s())
            for name in ended:
                contents.entries.remove(name)
            if ended:
                with _where_it_can_be_written():
                    self._write(contents)

    def change_password(self, password: Secret, kdf: Kdf | None = None) -> None:
        """Wrap the data key anew; the old password opens nothing from then on, except copies made before.

        Raises :class:`UsageError` for a short password.
        """
        check_strength(password)
        self.wrap(password, kdf or self.vault.sealed().kdf)

    def wrap(self, password: Secret, kdf: Kdf) -> None:
        """As :meth:`change_password`, and takes any: the one it has already may be shorter than is asked for today."""
        vault = self.vault
        salt = vault.entropy(SALT_BYTES)
        key = vault.derive(kdf, password, salt)
        try:
            with locked(vault.path), self._contents() as contents:
                contents.kdf, contents.salt = kdf, salt
                replace_private(vault.path, contents.seal(key, vault.entropy).to_bytes())
        except BaseException:
            wipe(key)
            raise
        wipe(self._key)
        self._key = key

    def rotate(self) -> None:
        """Encrypt everything with another data key; the password stays."""
        with locked(self.vault.path), self._contents() as contents:
            contents.rotate(self.vault.entropy)
            self._write(contents)

    def copy_of_key(self) -> bytearray:
        """The password's key, for a keyring to keep; the caller wipes it."""
        return bytearray(self._held())

    def close(self) -> None:
        """Overwrite the key. May be called again."""
        wipe(self._key)
        self._key = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _now_s(self) -> float:
        return self.vault.clock.now_ns() / NS_PER_S

    def _held(self) -> bytearray:
        if not self._key:
            raise AuthError("The vault was closed", hint="unlock it again")
        return self._key

    def _contents(self) -> Contents:
        return Contents.unseal(self.vault.sealed(), self._held())

    @contextmanager
    def _changing(self) -> Iterator[Entries]:
        with locked(self.vault.path), self._contents() as contents:
            yield contents.entries
            self._write(contents)

    def _write(self, contents: Contents) -> None:
        replace_private(self.vault.path, contents.seal(self._held(), self.vault.entropy).to_bytes())


@contextmanager
def _where_it_can_be_written() -> Iterator[None]:
    """For what keeps a vault in order, whose failing is no reason to leave it shut: in a read-only folder, say."""
    try:
        yield
    except (EnvironmentProblem, OSError) as error:
        LOG.warning("The vault opens, and isn't kept in order: %s", error)


def check_strength(password: Secret) -> None:
    """Raises :class:`UsageError` for a password that is too short to withstand guessing at a copy of the file."""
    if len(password.reveal()) < PASSWORD_LENGTH_MIN:
        raise UsageError(
            f"The vault's password needs {PASSWORD_LENGTH_MIN} characters",
            why="who copies the file can try passwords without end",
            hint="four or five words chosen by dice are easy to keep in mind",
        )


def already_there(path: Path) -> UsageError:
    """The error for a second vault in one place."""
    return UsageError(
        f"There is a vault at {path}",
        why="it may hold secrets that are kept nowhere else",
        hint="change it with kite creds set, or remove it: kite creds reset",
    )
