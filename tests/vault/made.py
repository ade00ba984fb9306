"""Vaults that cost nothing to open: a quick key derivation in the place of the real one, behind the same floors."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from kitecli.clock import IST, NS_PER_S, ManualClock
from kitecli.secret import Secret
from kitecli.vault import AccessToken, Vault
from kitecli.vault.layout import Kdf

PASSWORD = "correct horse battery"
OTHER = "another good password"
NOON = datetime(2026, 11, 23, 12, tzinfo=IST)
STRANGER = 12345
SIX = datetime(2026, 11, 24, 6, tzinfo=IST)


def quick(kdf: Kdf, password: Secret, salt: bytes) -> bytearray:
    """A key from a password, at no cost to a guesser."""
    kdf.check()
    return bytearray(hashlib.sha256(password.view().tobytes() + salt).digest())


def quickly(patch: pytest.MonkeyPatch) -> None:
    """Have all vaults of this process cost nothing to open. What derives keys has tests of its own."""
    patch.setitem(Vault.__init__.__kwdefaults__, "derive", quick)


def clock_at(moment: datetime) -> ManualClock:
    return ManualClock(round(moment.timestamp()) * NS_PER_S)


def quick_vault(folder: Path, clock: ManualClock | None = None) -> Vault:
    return Vault(folder / "vault" / "default.vault", clock=clock or clock_at(NOON), derive=quick)


def filled(folder: Path, clock: ManualClock | None = None) -> Vault:
    """With an api_key, an api_secret and a token until six."""
    vault = quick_vault(folder, clock)
    with vault.create(Secret(PASSWORD)) as opened:
        opened.update({"api_key": Secret("the-key"), "api_secret": Secret("the-secret")})
        opened.set_token(AccessToken("AB1234", Secret("the-token"), SIX))
    return vault


class Counted:
    """Randomness that is the same each time: SHA-256 of a name and a count."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def __call__(self, length: int) -> bytes:
        self._count += 1
        return hashlib.sha256(f"{self._name} {self._count}".encode()).digest()[:length]


@contextmanager
def bound_by_rights() -> Iterator[Callable[[Path], None]]:
    """Give away a folder and become its owner, where the tests run as root, whom no rights bind."""

    def become_owner(folder: Path) -> None:
        if os.getuid() != 0:
            return
        for one in (*folder.rglob("*"), folder):
            os.chown(one, STRANGER, STRANGER)
        os.seteuid(STRANGER)

    try:
        yield become_owner
    finally:
        os.seteuid(os.getuid())
