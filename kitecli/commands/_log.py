"""A command's own lines in the log: that it began and ended, if it is one that lasts, and what it failed by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kitecli.errors import KiteError
from kitecli.logs import about, logger
from kitecli.logs import running as log
from kitecli.settings.reports import log_plan

if TYPE_CHECKING:
    from kitecli.settings import Settings

LASTING: Final = frozenset({"feed", "record", "replay", "sim", "auth login", "data download"})
LOG: Final = logger("kitecli.cli")


class CommandLog:
    """One command's, from when it knows its settings to its end. ``say``: of a log that can't be written."""

    def __init__(self, settings: Settings, verb: str, say: Callable[[str], None]) -> None:
        self._verb = verb
        self._say = say
        plan = log_plan(settings)
        self._running = log.begin(plan, self._troubled) if plan else None
        self._note("begins")

    def failed(self, error: KiteError, *, defect: bool) -> None:
        """It ends by ``error``, which is being handled; of a defect the traceback is kept too."""
        if self._running is not None:
            fields = about(verb=self._verb, error=error.as_dict())
            LOG.error("kite %s failed: %s", self._verb, error, extra=fields, exc_info=defect)

    def end(self) -> None:
        self._note("ends")
        if self._running is not None:
            self._running.leave(self._troubled)

    def _note(self, what: str) -> None:
        if self._running is not None and self._verb in LASTING:
            LOG.info("kite %s %s", self._verb, what, extra=about(verb=self._verb))

    def _troubled(self, problem: KiteError) -> None:
        self._say(f"kite: {problem.what}: {problem.why}; {problem.hint}")
