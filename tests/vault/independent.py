"""Reads a vault by docs/vault.md and nothing of ours: if this opens what kite writes, the document is enough."""

from __future__ import annotations

import zlib
from struct import unpack_from

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC


def key_of(password: bytes, content: bytes) -> bytes:
    kdf, lanes, passes, memory = unpack_from("<BBII", content, 10)
    salt = content[20:36]
    if kdf == 1:
        if not (2 <= passes <= 10 and 19456 <= memory <= 1048576 and 1 <= lanes <= 16):
            raise ValueError("out of bounds")
        return Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(password)
    if kdf != 2 or not 600_000 <= passes <= 10_000_000 or memory or lanes:
        raise ValueError("out of bounds")
    return PBKDF2HMAC(SHA256(), 32, salt, passes).derive(password)


def check(content: bytes) -> None:
    length = unpack_from("<I", content, 124)[0]
    if content[:10] != b"kitevlt\n\x01\x00" or len(content) != 128 + length + 4:
        raise ValueError("no vault")
    if zlib.crc32(content[:-4]) != unpack_from("<I", content, len(content) - 4)[0]:
        raise ValueError("damaged")


def entries_of(body: bytes) -> dict[str, tuple[int, str]]:
    found, at = {}, 0
    while at < len(body):
        name_end = at + 1 + body[at]
        until, length = unpack_from("<qH", body, name_end)
        value = body[name_end + 10 : name_end + 10 + length]
        if len(value) != length:
            raise ValueError("cut short")
        found[body[at + 1 : name_end].decode("ascii")] = (until, value.decode())
        at = name_end + 10 + length
    return found


def read(content: bytes, password: str) -> dict[str, tuple[int, str]]:
    """The entries as (until, value) by name. Raises :class:`ValueError` for what must be refused."""
    try:
        check(content)
        data_key = AESGCM(key_of(password.encode(), content)).decrypt(content[52:64], content[64:112], content[:64])
        return entries_of(AESGCM(data_key).decrypt(content[112:124], content[128:-4], content[:128]))
    except (InvalidTag, IndexError) as error:
        raise ValueError("refused") from error
    except Exception as error:
        raise ValueError(str(error)) from error
