"""What a login needs to know, and where its token goes besides the session's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from kitecli.clock import ist
from kitecli.errors import AuthError
from kitecli.secret import Secret
from kitecli.session import DaySession
from kitecli.settings.schema import KiteSettings
from kitecli.vault import AccessToken, OpenVault, Vault, at_hand, vault_path
from kitecli.vault.unlocking import nobody_to_ask

_HOW = "kite creds setup keeps it in the vault; or set KITE_{name} in the environment"


class Keys(Protocol):
    """Credentials by name, and the encrypted place for the day's token, where there is one."""

    def find(self, name: str) -> Secret | None: ...
    def shut(self) -> bool: ...
    def kept(self) -> DaySession | None: ...
    def keep(self, session: DaySession | None) -> bool: ...


def needed(keys: Keys, name: str) -> Secret:
    """Raises :class:`AuthError` where the credential is nowhere, or in a vault that can't be opened."""
    found = keys.find(name)
    if not found and keys.shut():
        raise nobody_to_ask()
    if not found:
        raise AuthError(f"No {name} to log in with", why="", hint=_HOW.format(name=name.upper()))
    return found


class AccountKeys:
    """The environment's credentials first, the account's vault for what it lacks."""

    def __init__(self, kite: KiteSettings, shared_api_key: str | None = None) -> None:
        self._kite = kite
        self._shared = Secret(shared_api_key) if shared_api_key else None
        self._opened: OpenVault | None = None

    def find(self, name: str) -> Secret | None:
        given: Secret | None = getattr(self._kite, name)
        if given:
            return given
        vault = self._vault()
        return (vault.get(name) if vault else None) or (self._shared if name == "api_key" else None)

    def shut(self) -> bool:
        """Whether there is a vault that nothing opens here."""
        return self._vault() is None and Vault(vault_path(self._kite.vault)).exists()

    def kept(self) -> DaySession | None:
        """The vault's session, if it lasts; since when isn't kept there."""
        vault = self._vault()
        token, api_key = (vault.token(), self.find("api_key")) if vault else (None, None)
        if token is None or api_key is None:
            return None
        return DaySession(api_key.reveal(), token.user_id, token.value, 0, int(token.until.timestamp()))

    def keep(self, session: DaySession | None) -> bool:
        """Put a session into the vault, or take it out: only where it was opened for the login anyway."""
        if self._opened is None:
            return False
        if session is None:
            self._opened.remove("access_token")
        else:
            self._opened.set_token(AccessToken(session.user_id, session.access_token, ist(session.until_s)))
        return True

    def _vault(self) -> OpenVault | None:
        self._opened = self._opened or at_hand(self._kite.vault)
        return self._opened


class GivenKeys:
    """Credentials that are known: a simulated exchange's."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name: Secret(value) for name, value in values.items()}

    def find(self, name: str) -> Secret | None:
        return self._values.get(name)

    def shut(self) -> bool:
        return False

    def kept(self) -> DaySession | None:
        return None

    def keep(self, session: DaySession | None) -> bool:  # noqa: ARG002 - the protocol's
        return False
