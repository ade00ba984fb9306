"""Users' functions, by what they want to hear, and the one way of calling them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal

from kitecli.bars.intervals import Interval
from kitecli.service.failures import Callback, FailureLog

Kind = Literal["tick", "batch", "bar", "order", "gap", "event"]
KINDS: Final[tuple[Kind, ...]] = ("tick", "batch", "bar", "order", "gap", "event")


class Callbacks:
    """Any thread may add and remove; who calls takes a tuple, which no change disturbs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[Kind, tuple[Callback, ...]] = dict.fromkeys(KINDS, ())
        self._names: Counter[str] = Counter()

    def add(self, kind: Kind, function: Callable[..., object], interval: Interval | None = None) -> None:
        """Call ``function`` too, after those added before it; raises TypeError for what can't be called.

        ``interval``: of the bars it wants to hear of.
        """
        if not callable(function):
            raise TypeError(f"a callback must be callable, not {type(function).__name__}")
        with self._lock:
            self._of[kind] = (*self._of[kind], Callback(function, self._name(function), interval))

    def remove(self, function: Callable[..., object]) -> None:
        """Call it no longer, whatever it was called for; nothing happens where it isn't known."""
        with self._lock:
            for kind, callbacks in self._of.items():
                self._of[kind] = tuple(one for one in callbacks if one.function != function)

    def of(self, kind: Kind) -> tuple[Callback, ...]:
        return self._of[kind]

    def all(self) -> list[Callback]:
        return [callback for callbacks in self._of.values() for callback in callbacks]

    def errors(self) -> dict[str, int]:
        """How often each has raised."""
        return {callback.name: callback.errors for callback in self.all()}

    def _name(self, function: Callable[..., object]) -> str:
        name = getattr(function, "__qualname__", None) or type(function).__qualname__
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name}#{self._names[name]}"


def call(callbacks: tuple[Callback, ...], subject: object, failures: FailureLog) -> None:
    """Call each with ``subject``; what one raises reaches neither the next nor the caller.

    But for what is no Exception: a SystemExit or KeyboardInterrupt is meant for more than this callback.
    """
    for callback in callbacks:
        if callback.retired:
            continue
        try:
            callback.function(subject)
        except Exception as error:  # noqa: BLE001 - it is the user's, and reported
            failures.failed(callback, error, subject)
        else:
            if callback.streak:
                callback.streak = 0
