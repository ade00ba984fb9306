"""Calls a script's callbacks: what they raise is reported with its ticks and counted, and touches nothing else."""

from __future__ import annotations

import time
from collections import Counter

from kitecli.logs import logger
from kitecli.service.failures import Callback, FailureLog

log = logger("kitecli.compat")


class Callbacks:
    """The ``on_…`` attributes of ``ticker``, looked up at every call: scripts may set them at any time."""

    def __init__(self, ticker: object) -> None:
        self._ticker = ticker
        self._failures = FailureLog(log, time.monotonic)
        self._failed: dict[str, Callback] = {}

    @property
    def errors(self) -> Counter[str]:
        """How often each has raised."""
        return Counter({name: callback.errors for name, callback in self._failed.items()})

    def has(self, name: str) -> bool:
        return bool(getattr(self._ticker, name))

    def call(self, name: str, arguments: tuple[object, ...]) -> None:
        callback = getattr(self._ticker, name)
        if not callback:
            return
        try:
            callback(self._ticker, *arguments)
        except Exception as error:  # noqa: BLE001 - a script's mistake of any kind mustn't cost it the feed
            self._failures.failed(self._failed.setdefault(name, Callback(callback, name)), error, arguments)

    def finish(self) -> None:
        """Say what was held back, at the end."""
        for callback in self._failed.values():
            self._failures.finish(callback)
