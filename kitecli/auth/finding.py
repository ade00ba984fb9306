"""Credentials and the day's session for whoever connects: asked at each start, without a login."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from kitecli.auth.place import place_of, todays_session
from kitecli.errors import EnvironmentProblem
from kitecli.secret import Secret
from kitecli.settings import Settings
from kitecli.settings.schema import KiteSettings


def with_credentials(settings: Settings) -> Settings:
    """The settings, with what a feed needs and they lack: from the day's session, else from the account's vault.

    The session's token isn't among it: whoever connects reads it himself. One that only the vault has is put where all
    look for it. Raises :class:`AuthError` where the vault can't be opened, as :meth:`kitecli.vault.Vault.unlock`.
    """
    kite = settings.kite
    has_token = bool(kite.access_token or kite.access_token_file)
    if has_token and kite.api_key:
        return settings
    session = None if has_token else todays_session(kite, time.time())
    if session is not None:
        api_key, user_id = Secret(session.api_key), Secret(session.user_id)
        return _completed(settings, api_key, user_id)
    from kitecli.auth.authenticator import KiteAuthenticator

    auth = KiteAuthenticator(settings=settings)
    if not has_token:
        auth.restore()
    return _completed(settings, auth.keys.find("api_key"), auth.keys.find("user_id"))


def session_file_of(kite: KiteSettings, api_key: str) -> Path | None:
    """Where a login puts the session of this app; None where there is no runtime folder."""
    try:
        return place_of(kite).session_file(api_key)
    except EnvironmentProblem:  # a feed of this process alone needs none
        return None


def where_credentials_come_from(kite: KiteSettings, api_key: str | None) -> str:
    """What to do where an api_key or a token is missing."""
    from kitecli.vault import Vault, vault_path

    if api_key:
        return "log in: kite auth login; or try it without: kite feed --sim, DataFeedService(simulated=True)"
    if Vault(vault_path(kite.vault)).exists():
        return (
            "see what the vault holds: kite creds status. It is opened by its password at a terminal, else by a file "
            "descriptor (KITE_VAULT_FD), a systemd credential or the keyring"
        )
    return (
        "keep them in a vault (kite creds setup) and log in (kite auth login), or set KITE_API_KEY and "
        "KITE_ACCESS_TOKEN in the environment, or try it without: kite feed --sim, DataFeedService(simulated=True)"
    )


def _completed(settings: Settings, api_key: Secret | None, user_id: Secret | None) -> Settings:
    kite = settings.kite
    return replace(settings, kite=replace(kite, api_key=kite.api_key or api_key, user_id=kite.user_id or user_id))
