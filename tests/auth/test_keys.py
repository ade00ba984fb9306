"""Where credentials come from, and where the token goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kitecli.auth.keys import AccountKeys, GivenKeys, needed
from kitecli.errors import AuthError
from kitecli.secret import Secret
from kitecli.session import DaySession, session_end_s
from kitecli.settings import load
from kitecli.vault import OpenVault, Vault, unlocking, vault_path
from tests.vault.made import quickly

NOW_S = time.time()
SESSION = DaySession("key", "AB1234", Secret("t0ken"), int(NOW_S), session_end_s(NOW_S))


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenVault]:
    """The default account's vault, opened as if its password had been typed before."""
    quickly(monkeypatch)
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path / "data"))
    with Vault(vault_path("default")).create(Secret("a long enough password")) as vault:
        vault.set("api_key", Secret("key"))
        vault.set("api_secret", Secret("s3cret"))
        monkeypatch.setattr(unlocking, "_opened", {"default": vault})
        yield vault


def keys(**variables: str) -> AccountKeys:
    return AccountKeys(load(environ=variables).kite)


def test_the_environment_goes_before_the_vault(opened: OpenVault):
    ours = keys(KITE_API_SECRET="given")
    assert (ours.find("api_secret"), ours.find("api_key")) == (Secret("given"), Secret("key"))
    assert ours.find("password") is None
    with pytest.raises(AuthError, match="KITE_PASSWORD") as refusal:
        needed(ours, "password")
    assert "kite creds setup" in refusal.value.hint


def test_a_vault_that_nothing_opens_is_told_from_none(
    opened: OpenVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(unlocking, "_opened", {})
    assert keys().shut()
    with pytest.raises(AuthError, match="no terminal") as refusal:
        needed(keys(), "api_key")
    assert "KITE_VAULT_FD" in refusal.value.hint
    assert needed(keys(KITE_API_KEY="given"), "api_key") == Secret("given")
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path / "elsewhere"))
    assert not keys().shut()
    assert not GivenKeys({}).shut()


def test_the_token_is_kept_where_the_login_opened_the_vault(opened: OpenVault):
    ours = keys()
    assert ours.find("api_key")
    assert ours.keep(SESSION)
    kept = keys().kept()
    assert kept is not None
    assert (kept.api_key, kept.user_id, kept.access_token, kept.until_s) == (
        "key",
        "AB1234",
        Secret("t0ken"),
        SESSION.until_s,
    )
    assert ours.keep(None)
    assert keys().kept() is None


def test_a_vault_is_not_opened_to_keep_a_token(opened: OpenVault):
    given = keys(KITE_API_KEY="k", KITE_API_SECRET="s")
    assert (given.find("api_key"), given.find("api_secret")) == (Secret("k"), Secret("s"))
    assert not given.keep(SESSION)
    assert opened.token() is None


def test_a_sandboxs_key_is_known():
    assert AccountKeys(load(environ={}).kite, "sandboxdemo").find("api_key") == Secret("sandboxdemo")


def test_given_ones_are_all_there_is():
    ours = GivenKeys({"api_key": "k"})
    assert (ours.find("api_key"), ours.find("password"), ours.kept()) == (Secret("k"), None, None)
    assert not ours.keep(SESSION)
