"""The vault's file, byte by byte; docs/vault.md says it to people. Integers are little-endian.

::

      0   8  magic       "kitevlt\\n"
      8   2  version     1
     10   1  kdf         1 Argon2id, 2 PBKDF2-HMAC-SHA256
     11   1  lanes       of Argon2id; PBKDF2: 0
     12   4  passes      of Argon2id; PBKDF2: iterations
     16   4  memory      of Argon2id, KiB; PBKDF2: 0
     20  16  salt
     36  16  key id      names the data key: another after each rotation
     52  12  nonce       of the wrapping
     64  48  data key    wrapped: sealed by the password's key, its tag at the end. Associated data: bytes 0-63
    112  12  nonce       of the body
    124   4  n           length of the body
    128   n  body        sealed by the data key, its tag at the end. Associated data: bytes 0-127
  128+n   4  check       CRC-32 of all before it: against accidents, which it tells from a wrong password
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from struct import Struct
from typing import Final

from kitecli.errors import VaultDamaged

MAGIC: Final = b"kitevlt\n"
VERSION: Final = 1
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
KEY_ID_BYTES: Final = 16
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16

_PREAMBLE: Final = Struct("<8sH")
_WRAPPING: Final = Struct("<8sHBBII16s16s12s")
_HEAD: Final = Struct("<8sHBBII16s16s12s48s12sI")
_CHECK: Final = Struct("<I")
HEAD_BYTES: Final = _HEAD.size
assert (_WRAPPING.size, HEAD_BYTES) == (64, 128)

BODY_BYTES_MAX: Final = 1 << 16
FILE_BYTES_MAX: Final = HEAD_BYTES + BODY_BYTES_MAX + _CHECK.size
FILE_BYTES_MIN: Final = HEAD_BYTES + TAG_BYTES + _CHECK.size

ARGON2ID_ID: Final = 1
PBKDF2_ID: Final = 2


@dataclass(frozen=True, slots=True)
class Kdf:
    """How a password becomes a key. ``passes``: of PBKDF2, iterations. ``memory_kib`` and ``lanes``: 0 with PBKDF2."""

    number: int
    passes: int
    memory_kib: int = 0
    lanes: int = 0

    @property
    def name(self) -> str:
        return {ARGON2ID_ID: "argon2id", PBKDF2_ID: "pbkdf2"}[self.number]

    def __str__(self) -> str:
        if self.number == PBKDF2_ID:
            return f"PBKDF2-HMAC-SHA256, {self.passes:,} iterations"
        return f"Argon2id, {self.memory_kib // 1024} MiB, {self.passes} passes, {self.lanes} lanes"

    def check(self) -> None:
        """Refuse what is too cheap to guess, and what would only burn time or memory; before any work is done.

        Raises :class:`VaultDamaged`.
        """
        bounds = BOUNDS.get(self.number)
        if bounds is None:
            raise VaultDamaged(
                "The vault can't be opened",
                why=f"it names an unknown key derivation, {self.number}",
                hint="Install the newest kite; else restore a backup: kite creds restore FILE",
            )
        least, most = bounds
        for name in ("passes", "memory_kib", "lanes"):
            value = getattr(self, name)
            if not getattr(least, name) <= value <= getattr(most, name):
                raise VaultDamaged(
                    "The vault is refused",
                    why=f"its header asks for {self.name} with {name} = {value:,}, which is out of bounds: "
                    f"{getattr(least, name):,} to {getattr(most, name):,}",
                    hint="Somebody altered it, or it comes from elsewhere: restore a backup, kite creds restore FILE",
                )

    def raised_to(self, other: Kdf) -> Kdf:
        """With each number the higher one of itself and of ``other``, which is of the same kind."""
        return Kdf(
            self.number,
            max(self.passes, other.passes),
            max(self.memory_kib, other.memory_kib),
            max(self.lanes, other.lanes),
        )


# The defaults are RFC 9106's second recommendation and OWASP's count for PBKDF2 (Password Storage Cheat Sheet, 2023),
# and the floors OWASP's least. The ceilings keep a forged file from taking all memory, or minutes.
ARGON2ID: Final = Kdf(ARGON2ID_ID, passes=3, memory_kib=64 * 1024, lanes=4)
PBKDF2: Final = Kdf(PBKDF2_ID, passes=600_000)
DEFAULTS: Final = {kdf.name: kdf for kdf in (ARGON2ID, PBKDF2)}
BOUNDS: Final = {
    ARGON2ID_ID: (Kdf(ARGON2ID_ID, 2, 19 * 1024, 1), Kdf(ARGON2ID_ID, 10, 1024 * 1024, 16)),
    PBKDF2_ID: (Kdf(PBKDF2_ID, 600_000), Kdf(PBKDF2_ID, 10_000_000)),
}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A vault as it stands on disk. ``wrapped`` and ``body`` end with their tags."""

    kdf: Kdf
    salt: bytes
    key_id: bytes
    wrap_nonce: bytes
    wrapped: bytes
    body_nonce: bytes
    body: bytes

    def wrapping_head(self) -> bytes:
        """What the wrapped data key is bound to."""
        return wrapping_head(self.kdf, self.salt, self.key_id, self.wrap_nonce)

    def head(self) -> bytes:
        """What the body is bound to: all that stands before it."""
        return body_head(self.wrapping_head(), self.wrapped, self.body_nonce, len(self.body))

    def to_bytes(self) -> bytes:
        content = self.head() + self.body
        return content + _CHECK.pack(zlib.crc32(content))

    @classmethod
    def parse(cls, content: bytes) -> Sealed:
        """Read a file's content and check all that can be checked without a password. Raises :class:`VaultDamaged`."""
        _check_frame(content)
        magic_on = _HEAD.unpack_from(content)
        number, lanes, passes, memory_kib = magic_on[2:6]
        salt, key_id, wrap_nonce, wrapped, body_nonce, length = magic_on[6:]
        if length != len(content) - HEAD_BYTES - _CHECK.size:
            raise damaged("its length isn't the one it names")
        kdf = Kdf(number, passes, memory_kib, lanes)
        kdf.check()
        body = content[HEAD_BYTES : HEAD_BYTES + length]
        return cls(kdf, salt, key_id, wrap_nonce, wrapped, body_nonce, body)


def wrapping_head(kdf: Kdf, salt: bytes, key_id: bytes, nonce: bytes) -> bytes:
    """Bytes 0-63."""
    return _WRAPPING.pack(MAGIC, VERSION, kdf.number, kdf.lanes, kdf.passes, kdf.memory_kib, salt, key_id, nonce)


def body_head(wrapping: bytes, wrapped: bytes, nonce: bytes, length: int) -> bytes:
    """Bytes 0-127; ``length`` of the body in bytes, with its tag."""
    return wrapping + wrapped + nonce + length.to_bytes(4, "little")


def damaged(why: str) -> VaultDamaged:
    """The error for bytes that no password makes good again."""
    return VaultDamaged("The vault is damaged", why=why, hint="Restore a backup: kite creds restore FILE")


def _check_frame(content: bytes) -> None:
    if not content.startswith(MAGIC):
        raise damaged("it doesn't begin as a vault does")
    if not FILE_BYTES_MIN <= len(content) <= FILE_BYTES_MAX:
        raise damaged(f"{len(content):,} bytes are no vault")
    if zlib.crc32(content[: -_CHECK.size]) != _CHECK.unpack_from(content, len(content) - _CHECK.size)[0]:
        raise damaged("its checksum differs, so bytes of it were lost or changed; the password is not to blame")
    version = _PREAMBLE.unpack_from(content)[1]
    if version != VERSION:
        raise VaultDamaged(
            "The vault can't be opened", why=f"its version is {version}, this kite knows {VERSION}", hint="Update kite"
        )
