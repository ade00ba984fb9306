"""A record as a line, and a line read again.

::

    {"at":"2026-02-20T09:15:00.123456+05:30","level":"warning","component":"feed","run":"9f31c2aa","pid":4242,
     "what":"connection 1 is reconnecting: …","feed":"3461f530","connection":1,"state":"reconnecting","error":{…}}

``at`` to ``what`` stand in every line, in this order; the rest is the record's own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kitecli.clock import IST
from kitecli.logs.masked import ABOUT

HEAD: Final = ("at", "level", "component", "run", "pid", "what")
LINE_BYTES: Final = 16_384
"""A longer one is cut to its head: nobody reads nine thousand instruments in a log."""
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)  # made once, as in messages


class JsonLines(logging.Formatter):
    """``run``: the process's own number, which ties its lines together."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self._run = run

    def format(self, record: logging.LogRecord) -> str:
        head = {
            "at": datetime.fromtimestamp(record.created, IST).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "component": component_of(record.name),
            "run": self._run,
            "pid": record.process,
            "what": record.getMessage(),
        }
        fields = {name: value for name, value in getattr(record, ABOUT, {}).items() if name not in head}
        trace = {"traceback": record.exc_text} if record.exc_text else {}
        line = _ENCODER.encode({**head, **fields, **trace})
        return line if len(line) <= LINE_BYTES else _ENCODER.encode({**head, "what": head_of(record), "cut": len(line)})


class TextLines(logging.Formatter):
    """The same for people: time, level, component, words."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self._json = JsonLines(run)

    def format(self, record: logging.LogRecord) -> str:
        line = parse(self._json.format(record))
        return text_of(line) if line else record.getMessage()


def head_of(record: logging.LogRecord) -> str:
    return record.getMessage()[: LINE_BYTES // 8]


def component_of(name: str) -> str:
    """``kitecli.feed`` and ``kitecli.feed.pool`` are the feed's."""
    return name.removeprefix("kitecli.").partition(".")[0]


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line read again. ``at`` is aware of its zone; ``fields``: all of it; ``text``: the line itself."""

    at: datetime
    level: str
    component: str
    what: str
    fields: Mapping[str, Any]  # Any: JSON
    text: str


def parse(text: str) -> LogLine | None:
    """None for what is no line of ours: half of one, where a disk was full."""
    try:
        fields = json.loads(text)
        at = datetime.fromisoformat(fields["at"])
        level, component, what = (str(fields[name]) for name in ("level", "component", "what"))
    except (ValueError, KeyError, TypeError):
        return None
    return LogLine(at, level, component, what, fields, text) if at.tzinfo else None


def text_of(line: LogLine) -> str:
    """One line for people, and below it a traceback where there is one."""
    head = f"{line.at.astimezone(IST):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    trace = line.fields.get("traceback")
    return f"{head} IST {line.level:<7} {line.component:<11} {line.what}" + (f"\n{trace}" if trace else "")
