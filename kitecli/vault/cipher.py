"""AES-256-GCM and the two ways from a password to its key. ``cryptography`` is loaded when the first key is made.

Keys and plain text live in buffers that are overwritten. What ``cryptography`` and OpenSSL copy for themselves, they
overwrite or not: docs/vault.md says what can't be promised.
"""

from __future__ import annotations

from collections.abc import Callable

from kitecli.errors import EnvironmentProblem
from kitecli.secret import Secret
from kitecli.vault.layout import KEY_BYTES, PBKDF2_ID, TAG_BYTES, Kdf

Derive = Callable[[Kdf, Secret, bytes], bytearray]


def derive(kdf: Kdf, password: Secret, salt: bytes) -> bytearray:
    """The password's key, 32 bytes.

    Raises :class:`VaultDamaged` where ``kdf`` is out of bounds, before any work, and :class:`EnvironmentProblem` where
    there isn't the memory it asks for.
    """
    kdf.check()
    maker = _pbkdf2(kdf, salt) if kdf.number == PBKDF2_ID else _argon2id(kdf, salt)
    try:
        return bytearray(maker(password.view()))
    except MemoryError:
        raise EnvironmentProblem(
            "There isn't the memory that the vault's key takes",
            why=f"its header asks for {kdf.memory_kib // 1024} MiB",
            hint="free some; if you never set it so, somebody altered the file: restore a backup, kite creds restore",
        ) from None


def seal(key: bytearray, nonce: bytes, plain: bytearray, head: bytes) -> bytes:
    """``plain`` encrypted, and its tag; ``head`` is bound to it and not part of it."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import GCM

    sealing = Cipher(AES(key), GCM(nonce)).encryptor()
    sealing.authenticate_additional_data(head)
    return sealing.update(plain) + sealing.finalize() + sealing.tag


def unseal(key: bytearray, nonce: bytes, sealed: bytes, head: bytes) -> bytearray | None:
    """What :func:`seal` took, in a buffer of the caller's; None where key, nonce, head or one bit is another."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import GCM

    length = len(sealed) - TAG_BYTES
    opening = Cipher(AES(key), GCM(nonce, sealed[length:])).decryptor()
    opening.authenticate_additional_data(head)
    plain = bytearray(length + TAG_BYTES)  # update_into wants a block more than it writes
    try:
        opening.update_into(sealed[:length], plain)
        opening.finalize()
    except InvalidTag:
        plain[:] = bytes(len(plain))  # nobody may see what isn't authentic
        return None
    del plain[length:]
    return plain


def _argon2id(kdf: Kdf, salt: bytes) -> Callable[[memoryview], bytes]:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    made = Argon2id(salt=salt, length=KEY_BYTES, iterations=kdf.passes, lanes=kdf.lanes, memory_cost=kdf.memory_kib)
    return made.derive  # type: ignore[return-value]


def _pbkdf2(kdf: Kdf, salt: bytes) -> Callable[[memoryview], bytes]:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    return PBKDF2HMAC(SHA256(), KEY_BYTES, salt, kdf.passes).derive
