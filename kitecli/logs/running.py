"""This process's log: from our loggers, by way of a thread, into the file and, where asked for, onto stderr.

A logging call costs its caller 30 us in a row, 120 us alone, and never waits (benchmarks/log_calls.py); a line that can't
be written is counted, and the first of a row is told.
"""

from __future__ import annotations

import logging
import secrets
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kitecli.errors import EnvironmentProblem, KiteError
from kitecli.logs.courier import Courier
from kitecli.logs.files import LogFiles
from kitecli.logs.lines import JsonLines, TextLines
from kitecli.logs.plan import COMPONENTS, LogPlan

CLOSE_S: Final = 2.0
"""What is left to be written gets this long: a disk may hang."""
_ROOT: Final = "kitecli"

Troubled = Callable[[KiteError], None]


def begin(plan: LogPlan, troubled: Troubled) -> RunningLog:
    """Log from now on. Where this process does so already, that log goes on as it is, and ``troubled`` hears too."""
    with _changing:
        running = current()
        if running is None:
            running = RunningLog(plan)
            _held.append(running)
            running.attach()
        running.join(troubled)
        return running


def current() -> RunningLog | None:
    """This process's log, if it has one."""
    return _held[0] if _held else None


class RunningLog(logging.Handler):
    """Made by :func:`begin`; ends when each that began it has called :meth:`leave`."""

    def __init__(self, plan: LogPlan) -> None:
        super().__init__()
        self.plan = plan
        self.run = secrets.token_hex(4)
        self._files = LogFiles(Path(plan.folder), plan.rotate_bytes, plan.keep)
        self._lines = JsonLines(self.run)
        self._console = _console(plan, self.run)
        self._courier: Courier[logging.LogRecord] = Courier(self._write, "log")
        self._hearers: list[Troubled] = []
        self._unwritten = 0
        self._failing = False

    def attach(self) -> None:
        for component in COMPONENTS:
            logging.getLogger(f"{_ROOT}.{component}").setLevel(self.plan.levels.get(component, self.plan.level).upper())
        logging.getLogger(_ROOT).addHandler(self)

    def join(self, troubled: Troubled) -> None:
        self._hearers.append(troubled)

    def leave(self, troubled: Troubled) -> None:
        """Who has begun it needs it no longer; with the last, what waits is written and the loggers are as before."""
        with _changing:
            if len(self._hearers) > 1:
                self._hearers.remove(troubled)
                return
            logging.getLogger(_ROOT).removeHandler(self)
            for component in COMPONENTS:
                logging.getLogger(f"{_ROOT}.{component}").setLevel(logging.NOTSET)
            _held.remove(self)
        self._courier.close(CLOSE_S)
        self._hearers.remove(troubled)  # only now: what is written last may meet trouble too
        self.close()

    def emit(self, record: logging.LogRecord) -> None:
        """By any thread: a record waits in memory, and where there are too many it is counted instead."""
        self._courier.post(record)

    def _write(self, record: logging.LogRecord) -> None:
        if self._console is not None:
            self._console.handle(record)
        self._unwritten += self._courier.take_lost()
        try:
            if self._unwritten:
                self._files.append(self._lines.format(_missing(self._unwritten)))
            self._files.append(self._lines.format(record))
        except OSError as cause:
            if not self._failing:
                self._tell(cause)
            self._failing = True
            self._unwritten += 1
        else:
            self._failing, self._unwritten = False, 0

    def _tell(self, cause: OSError) -> None:
        problem = EnvironmentProblem(
            f"The log {self._files.path} can't be written",
            why=cause.strerror or str(cause),
            hint="make room there, or set logging.folder to another one; all else goes on",
        )
        for hearer in list(self._hearers):
            hearer(problem)


def _missing(count: int) -> logging.LogRecord:
    words = "%d lines before this one could not be written"
    return logging.LogRecord(f"{_ROOT}.log", logging.WARNING, "", 0, words, (count,), None)


def _console(plan: LogPlan, run: str) -> logging.Handler | None:
    if plan.console == "off":
        return None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(run) if plan.console == "json" else TextLines(run))
    return handler


_held: Final[list[RunningLog]] = []
_changing: Final = threading.RLock()
