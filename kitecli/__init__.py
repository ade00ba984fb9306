"""Market data for Zerodha's Kite Connect, with a simulated exchange built in.

The names in :data:`_EXPORTS` can be imported from here; each is loaded on first use, so that ``import kitecli``
costs nothing and needs no NumPy.

``config`` is the process's settings with attribute access. It is an object, not a module; its code is
:mod:`kitecli.settings.live`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kitecli.auth.authenticator import KiteAuthenticator as KiteAuthenticator
    from kitecli.service.data_feed import DataFeedService as DataFeedService
    from kitecli.service.opening import open_feed as open_feed
    from kitecli.settings.live import config as config

_EXPORTS: Final = {
    "KiteAuthenticator": "kitecli.auth.authenticator",
    "DataFeedService": "kitecli.service.data_feed",
    "config": "kitecli.settings.live",
    "open_feed": "kitecli.service.opening",
}

__all__ = ["__version__", *_EXPORTS]  # noqa: PLE0604 - one table; the names are strings


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("kitecli")
    if name in _EXPORTS:
        from importlib import import_module

        value = getattr(import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kitecli' has no attribute {name!r}")
