"""A vault in the open, and its way into the sealed form and back. Sans I/O: keys and randomness are arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from kitecli.errors import VaultDamaged, WrongPassword
from kitecli.secret import wipe
from kitecli.vault import cipher
from kitecli.vault.entries import Entries
from kitecli.vault.layout import (
    KEY_BYTES,
    KEY_ID_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    Kdf,
    Sealed,
    body_head,
    damaged,
    wrapping_head,
)

Entropy = Callable[[int], bytes]
"""So many random bytes."""


@dataclass(slots=True)
class Contents:
    """What a vault holds with its data key, to be wiped by whoever opened it: a context manager does so.

    ``kdf`` and ``salt``: how the password becomes the key that wraps the data key.
    """

    kdf: Kdf
    salt: bytes
    key_id: bytes
    data_key: bytearray
    entries: Entries

    @classmethod
    def fresh(cls, kdf: Kdf, salt: bytes, entropy: Entropy) -> Contents:
        """Nothing yet, and a data key of its own."""
        return cls(kdf, salt, entropy(KEY_ID_BYTES), bytearray(entropy(KEY_BYTES)), Entries())

    def rotate(self, entropy: Entropy) -> None:
        """Take another data key; what is sealed next is out of the old one's reach."""
        wipe(self.data_key)
        self.key_id, self.data_key = entropy(KEY_ID_BYTES), bytearray(entropy(KEY_BYTES))

    def seal(self, key: bytearray, entropy: Entropy) -> Sealed:
        """With fresh nonces: the data key wrapped by the password's ``key``, the entries sealed by the data key."""
        wrap_nonce, body_nonce = entropy(NONCE_BYTES), entropy(NONCE_BYTES)
        wrapping = wrapping_head(self.kdf, self.salt, self.key_id, wrap_nonce)
        wrapped = cipher.seal(key, wrap_nonce, self.data_key, wrapping)
        plain = self.entries.to_bytes()
        head = body_head(wrapping, wrapped, body_nonce, len(plain) + TAG_BYTES)
        body = cipher.seal(self.data_key, body_nonce, plain, head)
        wipe(plain)
        return Sealed(self.kdf, self.salt, self.key_id, wrap_nonce, wrapped, body_nonce, body)

    @classmethod
    def unseal(cls, sealed: Sealed, key: bytearray) -> Contents:
        """Raises :class:`WrongPassword`, and :class:`VaultDamaged` where ``key`` fits and the rest doesn't."""
        data_key = cipher.unseal(key, sealed.wrap_nonce, sealed.wrapped, sealed.wrapping_head())
        if data_key is None:
            raise WrongPassword(
                "The password doesn't open the vault",
                why="it is another one, or somebody altered the file's header and made its checksum fit",
                hint="try again; if you are sure of it, restore a backup: kite creds restore FILE",
            )
        try:
            body = cipher.unseal(data_key, sealed.body_nonce, sealed.body, sealed.head())
            if body is None:
                raise damaged("the password is right, and the contents aren't what was written")
            return cls(sealed.kdf, sealed.salt, sealed.key_id, data_key, Entries(body))
        except VaultDamaged:
            wipe(data_key)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        wipe(self.data_key)
        self.entries.wipe()
