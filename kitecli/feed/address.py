"""Where the ticker is and with which access token: asked at every connect, because a token lives for a day at most."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path
from typing import Final, NoReturn, Protocol
from urllib.parse import urlencode

from kitecli.errors import AuthError
from kitecli.secret import Secret

POLL_S: Final = 0.25
"""How often a token file is read while its token is refused: a new one is used well within two seconds."""
_FOREIGN: Final = stat.S_IRWXG | stat.S_IRWXO


class TickerAddress(Protocol):
    """The token provider as the feed sees it. Belongs to the feed's event loop."""

    def url(self) -> Secret:
        """The websocket's address with the access token in it. Raises AuthError where there is no token."""
        ...

    async def changed(self, refused: Secret) -> None:
        """Return once :meth:`url` would differ from ``refused``. Raises AuthError where it never will."""
        ...


class FixedAddress:
    """One address for the feed's life: a refused token ends it."""

    def __init__(self, url: Secret) -> None:
        self._url = url

    def url(self) -> Secret:
        return self._url

    async def changed(self, refused: Secret) -> NoReturn:  # noqa: ARG002 - the protocol's
        raise AuthError("The access token was refused and no other will come", hint="log in and start the feed again")


class TokenFileAddress:
    """The access token is what stands in ``path``, a file of the user's that nobody else may read (0600).

    ``root``: as ``wss://ws.kite.trade``. ``more``: further parameters of the query.
    """

    def __init__(self, root: str, api_key: str, path: Path, **more: str) -> None:
        self._root = root
        self._query = {"api_key": api_key, **more}
        self._path = path

    def url(self) -> Secret:
        token = read_token(self._path).reveal()
        return Secret(f"{self._root}?{urlencode({**self._query, 'access_token': token})}")

    async def changed(self, refused: Secret) -> None:
        while not self._differs(refused):  # noqa: ASYNC110 - no file tells of its changes on every platform
            await asyncio.sleep(POLL_S)

    def _differs(self, refused: Secret) -> bool:
        try:
            return self.url() != refused
        except AuthError:  # not there yet, or half written: there is nothing to try
            return False


def read_token(path: Path) -> Secret:
    """The access token of a file that holds nothing else and nobody else may read. Raises :class:`AuthError`."""
    try:
        with path.open(encoding="ascii") as file:
            _refuse_public(path, os.fstat(file.fileno()))
            token = file.read().strip()
    except (OSError, UnicodeDecodeError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else "it is no text"
        raise _unusable(path, "can't be read", str(reason), "log in, or name the right file") from None
    if not token or any(character.isspace() for character in token):
        raise _unusable(path, "holds no access token", "one line with nothing but the token belongs there", "log in")
    return Secret(token)


def _refuse_public(path: Path, status: os.stat_result) -> None:
    if sys.platform != "win32" and status.st_mode & _FOREIGN:  # Windows keeps these bits elsewhere
        raise _unusable(path, "can be read by others", f"its mode is {status.st_mode & 0o777:04o}", "chmod 600 it")


def _unusable(path: Path, what: str, why: str, hint: str) -> AuthError:
    return AuthError(f"The token file {path} {what}", why=why, hint=hint)
