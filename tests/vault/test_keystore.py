"""The keyring: what it is given, which stores are refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kitecli.errors import EnvironmentProblem
from kitecli.vault import keystore
from tests.vault.keyring_of_tests import forget_modules, write_keyring

VAULT = Path("/home/me/default.vault")
KEY = bytes(range(32))


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    forget_modules()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield write_keyring(tmp_path)
    forget_modules()


def test_a_key_is_kept_found_and_forgotten(ring: Path):
    assert keystore.refusal() == ""
    assert keystore.kept(VAULT) is None
    assert not keystore.forget(VAULT)
    keystore.keep(VAULT, bytearray(KEY))
    assert keystore.kept(VAULT) == KEY
    assert keystore.kept(VAULT.with_name("second.vault")) is None
    assert keystore.forget(VAULT)
    assert keystore.kept(VAULT) is None


@pytest.mark.parametrize("backend", ["null", "fail", "plaintext", "chainer"])
def test_a_store_that_isn_t_known_to_encrypt_is_refused(ring: Path, backend: str):
    keystore.keep(VAULT, bytearray(KEY))
    (ring / "backend").write_text(backend)
    with pytest.raises(EnvironmentProblem) as raised:
        keystore.keep(VAULT, bytearray(KEY))
    assert "encrypt" in raised.value.why
    assert keystore.kept(VAULT) is None  # nor is anything read from it
    assert len(json.loads((ring / "store").read_text())) == 1


@pytest.mark.parametrize("text", ["no base64!", "AAAA", "\u00e9"])
def test_what_somebody_else_put_there_is_a_key_that_doesn_t_fit(ring: Path, text: str):
    keystore.keep(VAULT, bytearray(KEY))
    store = json.loads((ring / "store").read_text())
    (ring / "store").write_text(json.dumps(dict.fromkeys(store, text)))
    assert keystore.kept(VAULT) == bytes(32)
    assert keystore.forget(VAULT)


def test_a_keyring_that_forgets_nothing_is_said(ring: Path):
    keystore.keep(VAULT, bytearray(KEY))
    (ring / "read-only").touch()
    with pytest.raises(EnvironmentProblem, match="can't be asked"):
        keystore.forget(VAULT)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    forget_modules()
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert keystore.kept(VAULT) is None
    with pytest.raises(EnvironmentProblem) as raised:
        keystore.keep(VAULT, bytearray(KEY))
    assert "kitecli[keyring]" in raised.value.hint


@pytest.mark.parametrize(("state", "said"), [("locked", "is locked"), ("away", "can't be asked")])
def test_a_keyring_that_tells_nothing_is_an_error_not_an_absence(ring: Path, state: str, said: str):
    (ring / state).touch()
    with pytest.raises(EnvironmentProblem, match=said):
        keystore.kept(VAULT)


@pytest.mark.skipif(sys.platform != "linux", reason="what is there without a desktop depends on the platform")
def test_the_real_package_without_a_desktop_is_refused():
    pytest.importorskip("keyring")
    assert keystore.refusal()
