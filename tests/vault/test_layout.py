"""The file's bytes: what is refused before a password is asked for, or a key derived."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest

from kitecli.errors import VaultDamaged
from kitecli.vault.layout import (
    ARGON2ID,
    ARGON2ID_ID,
    BOUNDS,
    FILE_BYTES_MAX,
    HEAD_BYTES,
    PBKDF2,
    PBKDF2_ID,
    Kdf,
    Sealed,
)

ONE = Sealed(ARGON2ID, b"s" * 16, b"i" * 16, b"w" * 12, b"k" * 48, b"b" * 12, b"body" * 10)


def test_it_is_read_as_it_was_written_and_head_and_check_surround_the_body():
    content = ONE.to_bytes()
    assert Sealed.parse(content) == ONE
    assert content[:10] == b"kitevlt\n\x01\x00"
    assert content[HEAD_BYTES:-4] == ONE.body
    assert (ONE.wrapping_head(), ONE.head()) == (content[:64], content[:128])


def test_every_cut_and_every_single_flipped_bit_is_refused_without_a_password():
    content = ONE.to_bytes()
    for length in range(len(content)):
        with pytest.raises(VaultDamaged):
            Sealed.parse(content[:length])
    for bit in range(len(content) * 8):
        altered = bytearray(content)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VaultDamaged):
            Sealed.parse(bytes(altered))


@pytest.mark.parametrize("more", [b"\0", bytes(FILE_BYTES_MAX)])
def test_more_than_it_names_is_refused(more: bytes):
    content = ONE.to_bytes()[:-4] + more
    with pytest.raises(VaultDamaged):
        Sealed.parse(content + zlib.crc32(content).to_bytes(4, "little"))


@pytest.mark.parametrize(
    "kdf",
    [
        *(replace(ARGON2ID, passes=passes) for passes in (0, 1, 11, 2**32 - 1)),
        *(replace(ARGON2ID, memory_kib=kib) for kib in (0, 19 * 1024 - 1, 1024 * 1024 + 1)),
        *(replace(ARGON2ID, lanes=lanes) for lanes in (0, 17)),
        *(replace(PBKDF2, passes=passes) for passes in (100_000, 599_999, 10_000_001)),
        replace(PBKDF2, memory_kib=1),
        replace(PBKDF2, lanes=1),
        Kdf(0, 3),
        Kdf(3, 3),
    ],
)
def test_a_key_derivation_too_cheap_or_too_dear_is_refused_although_the_check_fits(kdf: Kdf):
    with pytest.raises(VaultDamaged):
        Sealed.parse(replace(ONE, kdf=kdf).to_bytes())


@pytest.mark.parametrize("kdf", [ARGON2ID, PBKDF2, *BOUNDS[ARGON2ID_ID], *BOUNDS[PBKDF2_ID]])
def test_the_bounds_themselves_are_taken(kdf: Kdf):
    assert Sealed.parse(replace(ONE, kdf=kdf).to_bytes()).kdf == kdf


def test_the_defaults_are_the_promised_ones():
    assert str(ARGON2ID) == "Argon2id, 64 MiB, 3 passes, 4 lanes"
    assert str(PBKDF2) == "PBKDF2-HMAC-SHA256, 600,000 iterations"
    assert (ARGON2ID.name, PBKDF2.name) == ("argon2id", "pbkdf2")


def test_raised_no_number_of_it_sinks():
    mixed = Kdf(ARGON2ID_ID, passes=10, memory_kib=256 * 1024, lanes=1)
    assert mixed.raised_to(ARGON2ID) == replace(mixed, lanes=4)
    assert replace(ARGON2ID, passes=2, memory_kib=20_000).raised_to(ARGON2ID) == ARGON2ID
    assert PBKDF2.raised_to(PBKDF2) == PBKDF2


def test_a_newer_version_asks_for_a_newer_kite():
    content = bytearray(ONE.to_bytes())
    content[8] = 2
    content[-4:] = zlib.crc32(content[:-4]).to_bytes(4, "little")
    with pytest.raises(VaultDamaged) as raised:
        Sealed.parse(bytes(content))
    assert "Update" in raised.value.hint
