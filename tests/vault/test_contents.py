"""The sealed form, the documented vectors, and an independent reader of the document."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest

from kitecli.errors import KiteError, VaultDamaged, WrongPassword
from kitecli.secret import Secret
from kitecli.vault.cipher import derive
from kitecli.vault.contents import Contents
from kitecli.vault.layout import ARGON2ID, HEAD_BYTES, Sealed
from tests.vault.independent import read
from tests.vault.made import PASSWORD, Counted, quick
from tests.vault.vectors import good

VECTORS = json.loads((Path(__file__).parents[2] / "docs" / "vault-vectors.json").read_text())


def opened_by_us(content: bytes, password: str) -> dict[str, list[object]]:
    sealed = Sealed.parse(content)
    with Contents.unseal(sealed, derive(sealed.kdf, Secret(password), sealed.salt)) as contents:
        return {name: [entry.until_s, entry.value.decode()] for name, entry in contents.entries._by_name.items()}


@pytest.mark.parametrize("vector", VECTORS["open"], ids=lambda vector: vector["name"])
def test_vaults_of_the_document_open(vector):
    content = bytes.fromhex(vector["vault"])
    assert opened_by_us(content, vector["password"]) == vector["entries"]
    independently = read(content, vector["password"])
    assert {name: list(entry) for name, entry in independently.items()} == vector["entries"]


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_vaults_of_the_document_are_refused(vector):
    content = bytes.fromhex(vector["vault"])
    with pytest.raises(KiteError) as raised:
        opened_by_us(content, vector["password"])
    assert raised.value.reference == vector["error"]
    with pytest.raises(ValueError):
        read(content, vector["password"])


def test_the_document_s_vaults_are_what_is_written_today():
    assert [sealed.to_bytes().hex() for _, _, sealed in good()] == [vector["vault"] for vector in VECTORS["open"]]
    assert len(VECTORS["open"]) >= 10 <= len(VECTORS["refused"])


def test_every_bit_that_somebody_with_intent_flips_is_refused():
    """The checksum made to fit each time. Bits of the derivation's parameters and salt change the key, which quick
    makes at no cost here; a soak test does the same with the real derivation.
    """
    entropy = Counted("flips")
    contents = Contents.fresh(ARGON2ID, entropy(16), entropy)
    contents.entries.set("api_key", Secret("the-key"))
    content = contents.seal(quick(ARGON2ID, Secret(PASSWORD), contents.salt), entropy).to_bytes()[:-4]
    refused: dict[type[KiteError], int] = {WrongPassword: 0, VaultDamaged: 0, KiteError: 0}
    for bit in range(len(content) * 8):
        refused[refusal_of(flip(content, bit))] += 1
    assert refused.pop(KiteError) == 0  # what opened
    assert sum(refused.values()) == len(content) * 8
    assert refused[WrongPassword] >= (112 - 20) * 8


@pytest.mark.soak
def test_every_flipped_bit_of_the_derivation_is_refused_by_the_real_one():
    vector = VECTORS["open"][1]
    content = bytes.fromhex(vector["vault"])[:-4]
    for bit in range(10 * 8, 36 * 8):
        altered = flip(content, bit)
        with pytest.raises((WrongPassword, VaultDamaged)):
            opened_by_us(altered, vector["password"])
    print(f"\n{26 * 8} bits of parameters and salt flipped, check fitting: all refused")


def flip(content: bytes, bit: int) -> bytes:
    """``content`` without its check, altered and with one that fits."""
    altered = bytearray(content)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered) + zlib.crc32(altered).to_bytes(4, "little")


def refusal_of(content: bytes) -> type[KiteError]:
    try:
        sealed = Sealed.parse(content)
        # Another derivation makes another key: parameters are part of it as the salt is.
        key = quick(sealed.kdf, Secret(f"{PASSWORD}{'' if sealed.kdf == ARGON2ID else sealed.kdf}"), sealed.salt)
        Contents.unseal(sealed, key)
    except (WrongPassword, VaultDamaged) as refusal:
        return type(refusal)
    return KiteError


def test_rotation_and_a_second_sealing_share_no_nonce_and_no_key():
    contents = Contents.fresh(ARGON2ID, bytes(16), Counted("rotation"))
    entropy, key = Counted("nonces"), bytearray(32)
    first, second = contents.seal(key, entropy), contents.seal(key, entropy)
    assert len({first.wrap_nonce, first.body_nonce, second.wrap_nonce, second.body_nonce}) == 4
    assert first.key_id == second.key_id
    old = contents.data_key
    contents.rotate(entropy)
    assert old == bytes(32)
    assert contents.seal(key, entropy).key_id != first.key_id


def test_left_it_is_overwritten():
    with Contents.fresh(ARGON2ID, bytes(16), Counted("left")) as contents:
        contents.entries.set("api_key", Secret("x"))
    assert (contents.data_key, contents.entries.names) == (bytes(32), ())
    assert HEAD_BYTES == 128
