"""What a service is to stream: said before, during and between its runs, by any thread, as tokens or by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from kitecli.catalogue import today
from kitecli.feed.subscriptions import Subscriptions
from kitecli.gateway.feed import Feed
from kitecli.market.book import InstrumentBook
from kitecli.market.contracts import Prices
from kitecli.market.segments import is_derivative
from kitecli.market.selection import Selection, select, split_names
from kitecli.settings import Settings
from kitecli.settings.endpoints import FeedLimits

Instruments: TypeAlias = int | str | Iterable[int | str]
"""Tokens and names as ``NSE:INFY``, one or many; behind a name may stand its mode, as ``NSE:INFY full``."""


class Interest:
    """The one table of what is wanted. A feed attached to it is told of every change before the caller goes on."""

    def __init__(self, limits: FeedLimits) -> None:
        self._lock = threading.Lock()
        self._table = Subscriptions(limits.connections, limits.instruments_per_connection)
        self._feed: Feed | None = None

    @property
    def modes(self) -> dict[int, str]:
        """token → mode."""
        with self._lock:
            return self._table.wanted

    @property
    def feed(self) -> Feed | None:
        """The feed that is told."""
        return self._feed

    def want(self, modes: Mapping[int, str]) -> None:
        """Add instruments or change their modes: all of them or, with the error raised, none."""
        with self._lock:
            before = self._table.wanted
            self._table.want(modes)
            if self._feed is None:
                return
            try:
                self._feed.subscribe(modes)
            except BaseException:
                self._table.drop(token for token in modes if token not in before)
                self._table.want({token: before[token] for token in modes if token in before})
                raise

    def drop(self, tokens: Iterable[int]) -> None:
        dropped = list(tokens)
        with self._lock:
            self._table.drop(dropped)
            if self._feed is not None:
                self._feed.unsubscribe(dropped)

    def attach(self, feed: Feed) -> None:
        """Have ``feed`` stream what is wanted, now and later."""
        with self._lock:
            if wanted := self._table.wanted:
                feed.subscribe(wanted)
            self._feed = feed

    def detach(self, feed: Feed) -> None:
        """``feed`` is over; another may have taken its place already."""
        with self._lock:
            if self._feed is feed:
                self._feed = None


def modes_of(
    instruments: Instruments,
    mode: str | None,
    settings: Settings,
    book: Callable[[], InstrumentBook],
    prices: Callable[[], Prices | None],
) -> dict[int, str]:
    """token → mode of what somebody asked for; without a mode, the settings' for its kind of instrument.

    ``book`` and ``prices`` are asked for only where names are among them. Raises as
    :func:`~kitecli.market.selection.select`.
    """
    tokens, names = _sorted_out(instruments)
    modes = {token: mode or _usual_mode(token, settings) for token in tokens}
    if names:
        modes |= _selected(names, mode, settings, book(), prices()).modes
    return modes


def tokens_of(instruments: Instruments, book: Callable[[], InstrumentBook]) -> list[int]:
    """The tokens of what somebody named. Raises as :meth:`InstrumentBook.resolve`."""
    tokens, names = _sorted_out(instruments)
    return [*tokens, *(book().resolve(name).instrument_token for name in names)]


def _sorted_out(instruments: Instruments) -> tuple[list[int], list[str]]:
    asked = [instruments] if isinstance(instruments, int | str) else list(instruments)
    return [int(one) for one in asked if not isinstance(one, str)], [one for one in asked if isinstance(one, str)]


def _usual_mode(token: int, settings: Settings) -> str:
    return settings.datafeed.futures_mode if is_derivative(token) else settings.datafeed.equity_mode


def _selected(
    names: list[str], mode: str | None, settings: Settings, book: InstrumentBook, prices: Prices | None
) -> Selection:
    return select(
        book,
        [wish for name in names for wish in split_names(name)],
        mode=mode,
        equity_mode=settings.datafeed.equity_mode,
        futures_mode=settings.datafeed.futures_mode,
        today=today(),
        prices=prices,
    )
