"""The feed a ticker uses at the moment, if any, and what it wants of it: changed by any thread, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from kitecli.compat.port import Source
from kitecli.compat.wanted import Wanted
from kitecli.errors import KiteError
from kitecli.secret import Secret


class Link:
    """``source`` is None between two feeds. What is wanted meanwhile is asked of the next one.

    ``shown`` is a copy of the table that scripts see and may change.
    """

    def __init__(self, open_source: Callable[[], Source], limit: int) -> None:
        self.source: Source | None = None
        self.wanted = Wanted(limit)
        self.shown: dict[int, str] = {}
        self._open_source = open_source
        self._lock = threading.Lock()

    def open(self) -> None:
        """Raises :class:`~kitecli.errors.KiteError` where no feed can be had, or it refuses what is wanted."""
        source = self._open_source()
        try:
            with self._lock:
                if self.wanted.modes:
                    source.subscribe(self.wanted.modes)
                self.source = source
        except BaseException:
            source.close()
            raise

    def drop(self) -> None:
        with self._lock:
            source, self.source = self.source, None
        if source is not None:
            source.close()

    def subscribe(self, tokens: Iterable[int]) -> None:
        """Raises :class:`~kitecli.errors.KiteError` where they can't be had; then nothing has changed."""
        with self._lock:
            self._ask(self.wanted.subscribed(tokens))

    def set_mode(self, mode: str, tokens: Iterable[int]) -> None:
        """As :meth:`subscribe`."""
        with self._lock:
            self._ask(self.wanted.in_mode(mode, tokens))

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        with self._lock:
            gone = self.wanted.drop(tokens)
            for token in gone:
                self.shown.pop(token, None)
            if gone and self.source is not None:
                self.source.unsubscribe(gone)

    def offer(self, access_token: Secret) -> None:
        with self._lock:
            if self.source is not None:
                self.source.offer(access_token)

    def _ask(self, modes: dict[int, str]) -> None:
        """The table first, because ticks may come before the feed has said yes; if it says no, the table as it was."""
        before = {token: self.wanted.modes.get(token) for token in modes}
        self.wanted.take(modes)
        try:
            if modes and self.source is not None:
                self.source.subscribe(modes)
        except KiteError:
            self.wanted.drop(modes)
            self.wanted.take({token: mode for token, mode in before.items() if mode is not None})
            raise
        self.shown.update(modes)
