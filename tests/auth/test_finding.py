"""What a feed is started with: given, from the day's session, or from the vault."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kitecli.auth.finding import session_file_of, where_credentials_come_from, with_credentials
from kitecli.auth.place import place_of
from kitecli.secret import Secret
from kitecli.session import DaySession, read_session, session_end_s, write_session
from kitecli.settings import Settings, load
from kitecli.vault import AccessToken, Vault, unlocking, vault_path
from tests.vault.made import quickly


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(unlocking, "_opened", {})
    quickly(monkeypatch)


def settings(**variables: str) -> Settings:
    return load(environ={f"KITE_{name.upper()}": value for name, value in variables.items()})


def session_of(api_key: str = "key") -> DaySession:
    now_s = time.time()
    return DaySession(api_key, "AB1234", Secret("t0ken"), int(now_s), session_end_s(now_s))


def test_what_was_given_is_left_alone():
    given = settings(api_key="k", access_token="t")
    assert with_credentials(given) is given


def test_the_session_tells_whose_it_is_and_the_vault_stays_shut(monkeypatch: pytest.MonkeyPatch):
    path = place_of(settings().kite).session_file("key")
    write_session(path, session_of())
    monkeypatch.setattr(unlocking, "at_hand", None)  # calling it fails
    kite = with_credentials(settings()).kite
    assert (kite.api_key, kite.user_id, kite.access_token) == (Secret("key"), Secret("AB1234"), None)
    assert session_file_of(kite, "key") == path


def test_a_session_that_only_the_vault_has_is_put_where_all_look(monkeypatch: pytest.MonkeyPatch):
    """As after a restart of the machine, which empties the runtime folder."""
    lasting = session_of()
    with Vault(vault_path("default")).create(Secret("a long enough password")) as vault:
        vault.set("api_key", Secret("key"))
        from kitecli.clock import ist

        vault.set_token(AccessToken("AB1234", lasting.access_token, ist(lasting.until_s)))
        monkeypatch.setattr(unlocking, "_opened", {"default": vault})
        kite = with_credentials(settings()).kite
    assert kite.api_key == Secret("key")
    found = read_session(place_of(kite).session_file("key"), time.time())
    assert (found.access_token, found.until_s) == (Secret("t0ken"), lasting.until_s)


def test_with_nothing_it_says_where_to_begin():
    kite = with_credentials(settings()).kite
    assert kite.api_key is None
    assert "kite creds setup" in where_credentials_come_from(kite, None)
    assert "kite auth login" in where_credentials_come_from(kite, "key")
    with Vault(vault_path("default")).create(Secret("a long enough password")):
        assert "kite creds status" in where_credentials_come_from(kite, None)
