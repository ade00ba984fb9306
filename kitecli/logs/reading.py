"""The log read again: files in their order, lines that are wanted, and what comes while somebody looks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import Final

from kitecli.clock import IST
from kitecli.errors import UsageError
from kitecli.logs.files import in_order
from kitecli.logs.lines import LogLine, parse
from kitecli.logs.plan import COMPONENTS, LEVELS

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines. ``level``: this and what is graver; no ``components``: all; ``since``: from this moment on."""

    level: str = "debug"
    components: frozenset[str] = frozenset()
    since: datetime | None = None

    def takes(self, line: LogLine) -> bool:
        return (
            _grade(line.level) >= _grade(self.level)
            and (not self.components or line.component in self.components)
            and (self.since is None or line.at >= self.since)
        )


def wanted_of(level: str, components: list[str], since: str, now: datetime) -> Wanted:
    """What somebody typed. Raises :class:`UsageError`."""
    if level not in LEVELS:
        raise UsageError(f"There is no level {level!r}", hint="the levels are " + ", ".join(LEVELS))
    for component in components:
        if component not in COMPONENTS:
            raise UsageError(f"There is no component {component!r}", hint="they are " + ", ".join(COMPONENTS))
    return Wanted(level, frozenset(components), _moment(since, now) if since else None)


def read(folder: Path, wanted: Wanted) -> Iterator[LogLine]:
    """The lines there are, oldest first. Raises :class:`OSError`."""
    files = _opened(folder)
    try:
        for file in files:
            if wanted.since is None or os.fstat(file.fileno()).st_mtime >= wanted.since.timestamp():
                yield from _lines(file, wanted)
    finally:
        _close(files)


def follow(folder: Path, wanted: Wanted, wait: Callable[[], None]) -> Iterator[LogLine]:
    """What :func:`read` gives, and what comes, until ``wait`` raises; it is called where nothing more is there."""
    seen: os.stat_result | None = None
    offset = 0
    while True:
        files = _opened(folder)
        try:
            for file in files[_number(files, seen) :]:
                if seen is not None and os.path.samestat(os.fstat(file.fileno()), seen):
                    file.seek(offset)
                yield from _lines(file, wanted)
                seen, offset = os.fstat(file.fileno()), file.tell()
        finally:
            _close(files)
        wait()


def _opened(folder: Path) -> list[BufferedReader]:
    """All files, oldest first. Names move on while one looks: it is looked again until they haven't."""
    while True:
        paths = in_order(folder)
        files: list[BufferedReader] = []
        try:
            for path in paths:
                files.append(path.open("rb"))
            if all(_same(file, path) for file, path in zip(files, paths, strict=True)):
                return files
        except FileNotFoundError:
            pass
        _close(files)


def _number(files: list[BufferedReader], seen: os.stat_result | None) -> int:
    """Which of them was read last; the oldest where that one is gone."""
    if seen is None:
        return 0
    return next((n for n, file in enumerate(files) if os.path.samestat(os.fstat(file.fileno()), seen)), 0)


def _same(file: BufferedReader, path: Path) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), path.stat())


def _close(files: list[BufferedReader]) -> None:
    for file in files:
        file.close()


def _lines(file: BufferedReader, wanted: Wanted) -> Iterator[LogLine]:
    """Whole lines only: a half one is left for the next look."""
    while raw := file.readline():
        if not raw.endswith(b"\n"):
            file.seek(-len(raw), os.SEEK_CUR)
            return
        line = parse(raw.decode("utf-8", "replace").rstrip("\n"))
        if line is not None and wanted.takes(line):
            yield line


def _grade(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _moment(text: str, now: datetime) -> datetime:
    """``10m`` ago, ``09:15`` today, or a day and time, Indian where no zone stands in it."""
    if text[-1] in _UNITS and text[:-1].isdigit():
        return now - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    try:
        moment = datetime.fromisoformat(f"{now.astimezone(IST).date()}T{text}" if text[2:3] == ":" else text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time", hint="write 10m, 2h, 3d, 09:15 or 2026-02-20T09:15, in Indian time"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=IST)
