"""The primitives, against published vectors and against one flipped bit."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kitecli.errors import VaultDamaged
from kitecli.secret import Secret
from kitecli.vault.cipher import derive, seal, unseal
from kitecli.vault.layout import ARGON2ID, ARGON2ID_ID, PBKDF2, PBKDF2_ID, Kdf

KEY, NONCE, HEAD = bytearray(range(32)), b"n" * 12, b"head"


def test_gcm_is_that_of_the_specification():
    # McGrew and Viega, "The Galois/Counter Mode of Operation", test case 14: AES-256, zeros.
    sealed = seal(bytearray(32), bytes(12), bytearray(16), b"")
    assert sealed.hex() == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"


@pytest.mark.parametrize("plain", [b"", b"x", bytes(1000)])
def test_what_is_sealed_is_unsealed(plain: bytes):
    sealed = seal(KEY, NONCE, bytearray(plain), HEAD)
    assert len(sealed) == len(plain) + 16
    assert unseal(KEY, NONCE, sealed, HEAD) == plain


def test_any_other_bit_of_key_nonce_head_or_text_refuses_it():
    sealed = seal(KEY, NONCE, bytearray(b"secret"), HEAD)
    whole = bytes(KEY) + NONCE + HEAD + sealed
    for bit in range(len(whole) * 8):
        altered = bytearray(whole)
        altered[bit // 8] ^= 1 << bit % 8
        assert unseal(altered[:32], bytes(altered[32:44]), bytes(altered[48:]), bytes(altered[44:48])) is None


def test_argon2id_is_the_reference_implementation_s():
    # P-H-C/phc-winner-argon2, src/test.c: version 0x13, t 2, m 2^16, p 1.
    made = derive(Kdf(ARGON2ID_ID, passes=2, memory_kib=1 << 16, lanes=1), Secret("password"), b"somesalt")
    assert made.hex() == "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"


def test_pbkdf2_is_hmac_sha256_s():
    import hashlib

    expected = hashlib.pbkdf2_hmac("sha256", b"password", b"salt" * 4, 600_000)
    assert derive(PBKDF2, Secret("password"), b"salt" * 4) == expected


@pytest.mark.parametrize("kdf", [Kdf(PBKDF2_ID, 100_000), Kdf(ARGON2ID_ID, 1, 65536, 4), Kdf(ARGON2ID_ID, 3, 2**31, 4)])
def test_no_work_is_done_out_of_bounds(kdf: Kdf):
    with pytest.raises(VaultDamaged):
        derive(kdf, Secret("password"), bytes(16))


def test_the_default_makes_a_key_of_the_password_and_the_salt():
    one = derive(ARGON2ID, Secret("password"), bytes(16))
    assert len(one) == 32
    assert one != derive(ARGON2ID, Secret("password"), b"s" * 16)


@pytest.mark.skipif(sys.platform == "win32", reason="memory has no such bound there")
def test_memory_there_isn_t_is_said():
    code = """
import resource
from kitecli.errors import EnvironmentProblem
from kitecli.secret import Secret
from kitecli.vault.cipher import derive
from kitecli.vault.layout import ARGON2ID_ID, BOUNDS
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
try:
    derive(BOUNDS[ARGON2ID_ID][1], Secret("password"), bytes(16))
except EnvironmentProblem as refused:
    print(refused.why, refused.hint)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "1024 MiB" in ended.stdout
    assert "restore a backup" in ended.stdout
