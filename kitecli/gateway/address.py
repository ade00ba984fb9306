"""Where the ticker is, with the newest access token known: a new one needs no restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlencode

from kitecli.errors import AuthError
from kitecli.feed.address import POLL_S, TokenFileAddress
from kitecli.secret import Secret


class TokenAddress:
    """The ticker's URL with the access token given at the start, handed over later, or read from a file.

    The latest counts; what the file says at the start is older than a token given then. Fits
    :class:`~kitecli.feed.address.TickerAddress`; belongs to the feed's event loop.
    """

    def __init__(
        self,
        ws_root: str,
        api_key: str,
        *,
        access_token: Secret | None = None,
        user_id: Secret | None = None,
        token_file: Path | None = None,
    ) -> None:
        more = {"user_id": user_id.reveal()} if user_id else {}
        self._root = ws_root
        self._query = {"api_key": api_key, **more}
        self._file = TokenFileAddress(ws_root, api_key, token_file, **more) if token_file else None
        self._in_file: Secret | None = None
        self._url: Secret | None = None
        self._look()
        if access_token:
            self._url = self._with(access_token)
        self._handed_over = asyncio.Event()

    def url(self) -> Secret:
        """The address to connect to now. Raises :class:`AuthError` where there is no token yet."""
        refusal = self._look()
        if self._url is None:
            raise refusal or AuthError(
                "There is no access token to stream with",
                why="none was given",
                hint="log in; a running feed takes the new token by itself",
            )
        return self._url

    async def changed(self, refused: Secret) -> None:
        """Wait until :meth:`url` is another than the ``refused`` one."""
        while not self._differs(refused):
            self._handed_over.clear()
            try:
                await asyncio.wait_for(self._handed_over.wait(), POLL_S if self._file else None)
            except TimeoutError:
                continue

    def replace(self, token: Secret) -> None:
        """Use this token from the next connect on."""
        self._look()  # what the file says until now is older
        self._url = self._with(token)
        self._handed_over.set()

    def _differs(self, refused: Secret) -> bool:
        self._look()
        return self._url is not None and self._url != refused

    def _look(self) -> AuthError | None:
        """Take what the file says if it says something new; returns why it can't be read."""
        if self._file is None:
            return None
        try:
            found = self._file.url()
        except AuthError as refusal:
            return refusal
        if found != self._in_file:
            self._in_file = self._url = found
        return None

    def _with(self, token: Secret) -> Secret:
        return Secret(f"{self._root}?{urlencode({**self._query, 'access_token': token.reveal()})}")
