"""Makes docs/vault-vectors.json: ``python -m tests.vault.vectors`` writes it anew. Randomness is counted, not drawn."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from kitecli.secret import Secret
from kitecli.vault import AccessToken, cipher
from kitecli.vault.contents import Contents
from kitecli.vault.entries import Entries
from kitecli.vault.layout import ARGON2ID, ARGON2ID_ID, PBKDF2, PBKDF2_ID, Kdf, Sealed
from tests.vault.made import PASSWORD, SIX, Counted

FILE = Path(__file__).resolve().parents[2] / "docs" / "vault-vectors.json"
CHEAP = Kdf(ARGON2ID_ID, passes=2, memory_kib=19 * 1024, lanes=1)
UNICODE = "पासवर्ड und Schlüssel"


def sealed(name: str, values: dict[str, str], *, kdf: Kdf = CHEAP, password: str = PASSWORD, token: str = "") -> Sealed:
    entropy = Counted(name)
    contents = Contents.fresh(kdf, entropy(16), entropy)
    for key, value in values.items():
        contents.entries.set(key, Secret(value))
    if token:
        contents.entries.set_token(AccessToken("AB1234", Secret(token), SIX))
    return contents.seal(cipher.derive(kdf, Secret(password), contents.salt), entropy)


def good() -> Iterator[tuple[str, str, Sealed]]:
    five = {name: f"value of {name}" for name in ("api_key", "api_secret", "user_id", "password", "totp_secret")}
    yield "empty", PASSWORD, sealed("empty", {})
    yield "one entry", PASSWORD, sealed("one entry", {"api_key": "abcdef0123456789"})
    yield "all five", PASSWORD, sealed("all five", five)
    yield "a token", PASSWORD, sealed("a token", {}, token="0123456789abcdef")
    yield "five and a token", PASSWORD, sealed("five and a token", five, token="0123456789abcdef")
    yield "the default derivation", PASSWORD, sealed("the default derivation", five, kdf=ARGON2ID)
    yield "pbkdf2", PASSWORD, sealed("pbkdf2", five, kdf=PBKDF2)
    yield "a password in two scripts", UNICODE, sealed("a password in two scripts", five, password=UNICODE)
    yield "values beyond ASCII", PASSWORD, sealed("values beyond ASCII", {"password": "ключ 鍵 🔑"})
    yield "the longest value", PASSWORD, sealed("the longest value", {"api_secret": "x" * 4096})


def checked(content: bytes) -> bytes:
    """With a check sum that fits, as somebody with intent would give it."""
    return content[:-4] + zlib.crc32(content[:-4]).to_bytes(4, "little")


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def changed(kdf: Kdf) -> Callable[[Sealed], bytes]:
    return lambda one: replace(one, kdf=kdf).to_bytes()


def strange_entries(one: Sealed) -> bytes:
    """Authentic, and not made of entries."""
    key = cipher.derive(one.kdf, Secret(PASSWORD), one.salt)

    class Strange(Entries):
        def to_bytes(self) -> bytearray:
            return bytearray(b"\xff no entries")

    with Contents.unseal(one, key) as contents:
        contents.entries = Strange()
        return contents.seal(key, Counted("strange")).to_bytes()


def bad() -> Iterator[tuple[str, str, bytes, str]]:
    """Name, password, content, and the error's reference."""
    one = sealed("all five", {"api_key": "abcdef0123456789"})
    other = sealed("another", {"api_key": "9876543210fedcba"})
    whole = one.to_bytes()
    yield "another password", PASSWORD + "!", whole, "wrong-password"
    yield "salt altered, check fits", PASSWORD, checked(flipped(whole, 20)), "wrong-password"
    yield "key id altered, check fits", PASSWORD, checked(flipped(whole, 36)), "wrong-password"
    yield "data key altered, check fits", PASSWORD, checked(flipped(whole, 70)), "wrong-password"
    yield "body's nonce altered, check fits", PASSWORD, checked(flipped(whole, 112)), "vault-damaged"
    yield "body altered, check fits", PASSWORD, checked(flipped(whole, 130)), "vault-damaged"
    yield "body of another vault", PASSWORD, replace(one, body=other.body).to_bytes(), "vault-damaged"
    yield "check altered", PASSWORD, flipped(whole, len(whole) - 1), "vault-damaged"
    yield "a byte is missing", PASSWORD, whole[:-1], "vault-damaged"
    yield "a byte too many, check fits", PASSWORD, checked(whole + b"\0"), "vault-damaged"
    yield "another version", PASSWORD, checked(flipped(whole, 8)), "vault-damaged"
    yield "another magic", PASSWORD, checked(flipped(whole, 0)), "vault-damaged"
    yield "argon2id of one pass", PASSWORD, changed(replace(CHEAP, passes=1))(one), "vault-damaged"
    yield "argon2id of 8 MiB", PASSWORD, changed(replace(CHEAP, memory_kib=8192))(one), "vault-damaged"
    yield "argon2id of 4 GiB", PASSWORD, changed(replace(CHEAP, memory_kib=2**32 - 1))(one), "vault-damaged"
    yield "pbkdf2 of 100,000", PASSWORD, changed(Kdf(PBKDF2_ID, 100_000))(one), "vault-damaged"
    yield "pbkdf2 of 4 billion", PASSWORD, changed(Kdf(PBKDF2_ID, 2**32 - 1))(one), "vault-damaged"
    yield "an unknown derivation", PASSWORD, changed(Kdf(9, 3))(one), "vault-damaged"
    yield "a body that isn't entries", PASSWORD, strange_entries(one), "vault-damaged"


def document() -> dict[str, object]:
    from tests.vault.independent import read

    opens = []
    for name, password, one in good():
        entries = read(one.to_bytes(), password)
        opens.append({"name": name, "password": password, "vault": one.to_bytes().hex(), "entries": entries})
    refused = [
        {"name": name, "password": password, "vault": content.hex(), "error": error}
        for name, password, content, error in bad()
    ]
    return {"open": opens, "refused": refused}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n")
