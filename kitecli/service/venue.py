"""Where a service's ticks and instruments come from: opened when first needed, closed with the service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from kitecli.market.book import InstrumentBook
from kitecli.market.contracts import Prices
from kitecli.secret import Secret
from kitecli.settings import Settings
from kitecli.sim.options import SimOptions
from kitecli.wiring import Market, load_book, open_market, spot_prices


class Venue:
    """A market with its instruments. ``simulated``: an exchange to start for it; None: the configured one."""

    def __init__(self, settings: Callable[[], Settings], simulated: SimOptions | None) -> None:
        self._settings = settings
        self._simulated = simulated
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._market: Market | None = None
        self._book: InstrumentBook | None = None

    def check(self) -> None:
        """Raise AuthError where credentials are missing; opens nothing."""
        open_market(self._settings(), self._simulated)

    def market(self) -> Market:
        """Raises AuthError, or EnvironmentProblem where a simulated exchange doesn't start."""
        with self._lock:
            return self._opened()

    def book(self) -> InstrumentBook:
        """The day's instruments, downloaded once. Raises BrokerError."""
        with self._lock:
            if self._book is None:
                self._book = load_book(self._opened())
            return self._book

    def prices(self) -> Prices | None:
        """What tells the spot prices that ATM takes; None without a login, which they need."""
        return spot_prices(self.market())

    def close(self) -> None:
        """May be opened again by its next use."""
        with self._lock:
            self._market = self._book = None
            self._stack.close()

    def _opened(self) -> Market:
        if self._market is None:
            self._market = self._stack.enter_context(open_market(self._settings(), self._simulated))
        return self._market


def simulation(simulated: bool | SimOptions) -> SimOptions | None:
    """What to simulate: True is an exchange of the instruments that have names."""
    if isinstance(simulated, SimOptions):
        return simulated
    return SimOptions() if simulated else None


def as_whom(settings: Settings, api_key: Secret | None, access_token: Secret | None) -> Settings:
    """The settings with credentials that were given in code, which win over all others."""
    kite = settings.kite
    if api_key is not None:
        kite = replace(kite, api_key=api_key)
    if access_token is not None:
        kite = replace(kite, access_token=access_token, access_token_file=None)
    return replace(settings, kite=kite)


def secret(value: str | Secret) -> Secret:
    """What people hand over as text, hidden at once."""
    return Secret(value) if isinstance(value, str) else value


def secret_or_none(value: str | Secret | None) -> Secret | None:
    return None if value is None else secret(value)
