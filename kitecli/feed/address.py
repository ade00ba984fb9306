"""Where the ticker is and with which access token: asked at every connect, because a token lives for a day at most."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final, NoReturn, Protocol
from urllib.parse import urlencode

from kitecli.errors import AuthError
from kitecli.secret import Secret
from kitecli.session import read_token

POLL_S: Final = 0.25
"""How often a token file is read while its token is refused: a new one is used well within two seconds."""


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
    """The access token is what stands in ``path``: the day's session, or a file of the user's (0600).

    ``root``: as ``wss://ws.kite.trade``. ``more``: further parameters of the query.
    """

    def __init__(self, root: str, api_key: str, path: Path, **more: str) -> None:
        self._root = root
        self._query = {"api_key": api_key, **more}
        self._path = path

    def url(self) -> Secret:
        token = read_token(self._path, time.time()).reveal()
        return Secret(f"{self._root}?{urlencode({**self._query, 'access_token': token})}")

    async def changed(self, refused: Secret) -> None:
        while not self._differs(refused):  # noqa: ASYNC110 - no file tells of its changes on every platform
            await asyncio.sleep(POLL_S)

    def _differs(self, refused: Secret) -> bool:
        try:
            return self.url() != refused
        except AuthError:  # not there yet, or half written: there is nothing to try
            return False
