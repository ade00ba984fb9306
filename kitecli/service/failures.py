"""What users' functions raise, reported: the first at once, then one in a while with an exact count. Sans I/O."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kitecli.bars.intervals import Interval
from kitecli.market.view import Tick

INTERVAL_S: Final = 10.0
"""A handler that fails on every tick would write 18,000 tracebacks a second."""
_SUBJECT_LETTERS: Final = 2_000


@dataclass(slots=True, eq=False)
class Callback:
    """A user's function. ``interval``: of the bars it hears of. ``streak``: failures since it last succeeded.

    ``retired``: it isn't called any more.
    """

    function: Callable[..., object]
    name: str
    interval: Interval | None = None
    errors: int = 0
    streak: int = 0
    retired: bool = False
    unsaid: int = 0
    next_report_s: float = float("-inf")


class FailureLog:
    """Counts every failure and logs some. ``now_s`` is any clock; ``retire_after`` failures in a row end a callback."""

    def __init__(self, log: logging.Logger, now_s: Callable[[], float], retire_after: int | None = None) -> None:
        self._log = log
        self._now_s = now_s
        self._retire_after = retire_after

    def failed(self, callback: Callback, error: Exception, subject: object) -> None:
        """``callback`` raised ``error`` when it was given ``subject``."""
        callback.errors += 1
        callback.streak += 1
        callback.retired = callback.streak == self._retire_after
        if callback.retired:
            self._report(callback, error, subject, f"it failed {callback.streak} times in a row and isn't called again")
        elif self._now_s() >= callback.next_report_s:
            self._report(callback, error, subject, "the feed goes on")
        else:
            callback.unsaid += 1

    def finish(self, callback: Callback) -> None:
        """Say what was held back; for the end."""
        if callback.unsaid:
            self._log.error("%s raised %s more since the last report", callback.name, _times(callback.unsaid))
            callback.unsaid = 0

    def _report(self, callback: Callback, error: Exception, subject: object, so: str) -> None:
        since = f", {callback.unsaid} of them since the last report" if callback.unsaid else ""
        self._log.error(
            "%s raised %s on %s; %s (%s so far%s)",
            callback.name,
            type(error).__name__,
            _shown(subject),
            so,
            _times(callback.errors),
            since,
            exc_info=error,
        )
        callback.unsaid = 0
        callback.next_report_s = self._now_s() + INTERVAL_S


def _shown(subject: object) -> str:
    """What it was given; of a tick all there is."""
    if isinstance(subject, Tick):
        return f"instrument {subject.instrument_token}, tick {subject.sequence}: {subject.to_dict()}"
    return repr(subject)[:_SUBJECT_LETTERS]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
