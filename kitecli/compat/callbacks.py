"""Calls a script's callbacks: what they raise is reported with its ticks and counted, and touches nothing else."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

log = logging.getLogger("kitecli.compat")

_TICKS_SHOWN: Final = 5


class Callbacks:
    """The ``on_…`` attributes of ``ticker``, looked up at every call: scripts may set them at any time.

    ``errors`` counts by callback what was raised.
    """

    def __init__(self, ticker: object) -> None:
        self.errors: Counter[str] = Counter()
        self._ticker = ticker

    def has(self, name: str) -> bool:
        return bool(getattr(self._ticker, name))

    def call(self, name: str, arguments: tuple[object, ...]) -> None:
        callback = getattr(self._ticker, name)
        if not callback:
            return
        try:
            callback(self._ticker, *arguments)
        except Exception as error:  # noqa: BLE001 - a script's mistake of any kind mustn't cost it the feed
            self._report(name, error, arguments)

    def _report(self, name: str, error: Exception, arguments: tuple[object, ...]) -> None:
        """In full the first time, the 2nd, the 4th, the 8th ...: a mistake on every tick would drown the log."""
        self.errors[name] += 1
        count = self.errors[name]
        if count & (count - 1):
            return
        log.error(
            "%s raised %r (%d so far); the feed goes on. %s", name, error, count, _about(arguments), exc_info=error
        )


def _about(arguments: tuple[object, ...]) -> str:
    ticks = arguments[0] if arguments and isinstance(arguments[0], list) else []
    if not ticks:
        return "Its arguments: " + ", ".join(repr(argument)[:200] for argument in arguments)
    shown = [f"{tick['instrument_token']} ({tick['mode']})" for tick in ticks[:_TICKS_SHOWN]]
    return (
        "Its ticks: " + ", ".join(shown) + (f" and {len(ticks) - len(shown)} more" if len(ticks) > len(shown) else "")
    )
