"""The market's calendar from its dated files: ``config/calendars`` as shipped, then the user's own folder.

All files have one form (docs/calendar.md). What the user says of a segment's day replaces what was shipped, so that a
holiday announced three days ahead needs no new release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from kitecli.errors import ConfigError
from kitecli.market.calendar import Calendar, Change, Hours, Kind, Occasion, Rules, Slot
from kitecli.market.calendar.rules import part_of

_KEYS: Final = ("as_of", "weekdays", "families", "groups", "covers", "sources", "hours", "days")
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SLOT: Final = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d) (\w+)(?: (.+))?")
_HINT: Final = "correct the file; docs/calendar.md has its form"

# Any: what YAML holds, here texts, lists and mappings of them.
Yaml = Mapping[str, Any]


@dataclass(slots=True)
class _Gathered:
    """What the files said so far."""

    weekdays: frozenset[int] = frozenset()
    families: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    covers: list[tuple[date, date]] = field(default_factory=list)
    hours: dict[tuple[str, str], dict[date, Hours]] = field(default_factory=dict)
    occasions: dict[tuple[str, date], Occasion] = field(default_factory=dict)


def read_calendar(folders: Sequence[Path]) -> Calendar:
    """Read every file of the folders (shipped first, the user's last). It takes some 20 ms.

    Raises :class:`ConfigError`, which names the file and the entry to correct.
    """
    gathered = _Gathered()
    paths = [path for folder in folders for path in sorted(folder.glob("*.yaml"))]
    documents = [(path, _read(path)) for path in paths]
    for path, document in documents:  # first the words that the entries of all files use
        _gather_words(gathered, path, document)
    for path, document in documents:
        _gather_entries(gathered, path, document)
    first, last = _coverage(gathered.covers, folders)
    return Calendar(_rules(gathered, first, last, str(folders[-1])))


def _read(path: Path) -> Yaml:
    import yaml

    try:
        # The base loader leaves all scalars texts: YAML itself would read 09:15 as 555.
        document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
    except OSError as error:
        raise ConfigError(f"can't read {path}", why=error.strerror or str(error), hint="correct its rights") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line} is not YAML", why=str(getattr(error, "problem", "")), hint=_HINT) from error
    if not isinstance(document, Mapping):
        raise ConfigError(f"{path} holds no keys", hint=_HINT)
    if strangers := [key for key in document if key not in _KEYS]:
        raise ConfigError(f"{path}: there is no {strangers[0]!r}", why="known: " + ", ".join(_KEYS), hint=_HINT)
    return document


def _gather_words(gathered: _Gathered, path: Path, document: Yaml) -> None:
    try:
        if "weekdays" in document:
            gathered.weekdays = frozenset(_WEEKDAYS.index(word) for word in document["weekdays"])
        gathered.families |= {name: tuple(members) for name, members in document.get("families", {}).items()}
        gathered.groups |= document.get("groups", {})
        if covers := document.get("covers"):
            gathered.covers.append((date.fromisoformat(covers["from"]), date.fromisoformat(covers["to"])))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {_words(error)} in weekdays, families, groups or covers", hint=_HINT) from error


def _gather_entries(gathered: _Gathered, path: Path, document: Yaml) -> None:
    for key, add in (("hours", _add_hours), ("days", _add_day)):
        seen: set[object] = set()
        for number, entry in enumerate(document.get(key, ()), 1):
            try:
                for made in add(gathered, document, entry):
                    _once(made, seen)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                place = entry.get("date" if key == "days" else "from", "") if isinstance(entry, Mapping) else ""
                raise ConfigError(
                    f"{path}: {key}, entry {number} ({place or 'no date'})", why=_words(error), hint=_HINT
                ) from error


def _once(made: Hours | Occasion, seen: set[object]) -> None:
    if isinstance(made, Hours):
        key: tuple[object, ...] = made.segment, made.group, made.since
    else:
        key = made.segment, made.day
    if key in seen:
        raise ValueError(f"{made.segment} is given twice for the day")
    seen.add(key)


def _add_hours(gathered: _Gathered, document: Yaml, entry: Yaml) -> Iterator[Hours]:
    _only(entry, "segments", "group", "from", "source", "unverified", "sessions")
    group = entry.get("group", "")
    if group and group not in gathered.groups:
        raise ValueError(f"no group {group!r} is described under groups")
    slots, sources, since = _slots(entry["sessions"]), _sources(document, entry), date.fromisoformat(entry["from"])
    for segment in _segments(gathered, entry["segments"]):
        hours = Hours(segment, group, since, slots, sources, entry.get("unverified", ""))
        gathered.hours.setdefault((segment, group), {})[since] = hours
        yield hours


def _add_day(gathered: _Gathered, document: Yaml, entry: Yaml) -> Iterator[Occasion]:
    _only(entry, "date", "name", "closed", "sessions", "source", "unverified")
    day = date.fromisoformat(entry["date"])
    covers = document.get("covers")
    if covers and not covers["from"] <= entry["date"] <= covers["to"]:
        raise ValueError("the day is outside what the file covers")
    sources, name, doubt = _sources(document, entry), entry["name"], entry.get("unverified", "")
    changes = [*_closures(gathered, entry.get("closed", ())), *_special(gathered, entry.get("sessions", {}))]
    if not changes:
        raise ValueError("neither closed nor sessions says what is different")
    for segment, change, part, slots in changes:
        occasion = Occasion(day, segment, name, change, sources, part, slots, doubt)
        gathered.occasions[segment, day] = occasion
        yield occasion


_ChangeOf = tuple[str, Change, str, tuple[Slot, ...]]


def _closures(gathered: _Gathered, closed: Sequence[str]) -> Iterator[_ChangeOf]:
    """``[equity, commodity morning]``: a family or segment, and what part of its day."""
    for words in closed:
        name, _, part = words.partition(" ")
        for segment in _segments(gathered, [name]):
            yield segment, Change.PART_CLOSED if part else Change.CLOSED, part, ()


def _special(gathered: _Gathered, sessions: Yaml) -> Iterator[_ChangeOf]:
    """``{cash: [...], derivatives: regular, commodity: unknown}``."""
    for name, rows in sessions.items():
        for segment in _segments(gathered, [name]):
            if isinstance(rows, str):
                yield segment, _without_rows(rows), "", ()
            else:
                yield segment, Change.SPECIAL, "", _slots(rows)


def _without_rows(word: str) -> Change:
    if word not in {Change.REGULAR.value, Change.UNKNOWN.value}:
        raise ValueError(f"{word!r} is neither a list of sessions nor regular nor unknown")
    return Change(word)


def _segments(gathered: _Gathered, names: Iterable[str]) -> Iterator[str]:
    known = {segment for members in gathered.families.values() for segment in members}
    for name in names:
        if name not in gathered.families and name not in known:
            raise ValueError(f"{name!r} is no segment and no family of segments")
        yield from gathered.families.get(name, (name,))


def _sources(document: Yaml, entry: Yaml) -> tuple[str, ...]:
    names = entry.get("source")
    if not names or isinstance(names, str):
        raise ValueError("source must list where this is said")
    return tuple(document["sources"][name] for name in names)


def _slots(rows: Sequence[str]) -> tuple[Slot, ...]:
    if isinstance(rows, str) or not rows:
        raise ValueError("sessions must be rows of OPEN-CLOSE KIND NAME")
    slots = tuple(_slot(row) for row in rows)
    for before, after in pairwise(slots):
        if before.close_s > after.open_s:
            raise ValueError(f"a session begins before the one above it has ended: {before.name} {after.name}".rstrip())
    return slots


def _slot(row: str) -> Slot:
    match = _SLOT.fullmatch(row)
    if not match:
        raise ValueError(f"{row!r} is no row of OPEN-CLOSE KIND NAME, as 09:15-15:30 continuous")
    opens_s, closes_s = (_second_of_day(match[index]) for index in (1, 2))
    if opens_s >= closes_s:
        raise ValueError(f"{row!r} ends before it begins")
    return Slot(Kind(match[3]), match[4] or "", opens_s, closes_s)


def _second_of_day(text: str) -> int:
    moment = time.fromisoformat(text)
    return moment.hour * 3600 + moment.minute * 60


def _only(entry: Yaml, *keys: str) -> None:
    if strangers := [key for key in entry if key not in keys]:
        raise ValueError(f"there is no {strangers[0]!r} here; known: {', '.join(keys)}")


def _words(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)


def _coverage(covers: Iterable[tuple[date, date]], folders: Sequence[Path]) -> tuple[date, date]:
    """First and last day. A hole between two files would make a year of holidays ordinary days."""
    spans = sorted(covers)
    if not spans:
        raise ConfigError(f"no file in {folders[0]} says what it covers", hint="reinstall kite")
    first, last = spans[0]
    for since, until in spans[1:]:
        missing = last + timedelta(days=1)
        if since > missing:
            raise ConfigError(f"no calendar covers {missing} until {since} begins", hint=_HINT)
        last = max(last, until)
    return first, last


def _rules(gathered: _Gathered, first: date, last: date, home: str) -> Rules:
    hours = {
        key: tuple(sorted(dated.values(), key=lambda one: one.since, reverse=True))
        for key, dated in gathered.hours.items()
    }
    rules = Rules(first, last, gathered.weekdays, hours, gathered.occasions, gathered.groups, home)
    _check_hours(rules)
    _check_parts(rules)
    return rules


def _check_hours(rules: Rules) -> None:
    for segment in {segment for segment, _ in [*rules.hours, *rules.occasions]}:
        if rules.hours_on(segment, rules.first) is None:
            raise ConfigError(f"{segment} has no hours on {rules.first}, where the calendar begins", hint=_HINT)


def _check_parts(rules: Rules) -> None:
    """A misspelt morning would close nothing."""
    for occasion in rules.occasions.values():
        hours = rules.hours_on(occasion.segment, occasion.day)
        parts = {part_of(slot) for slot in hours.slots} if hours else set()
        if occasion.part and occasion.part not in parts:
            raise ConfigError(
                f"{occasion.segment} has no {occasion.part!r} to close on {occasion.day} ({occasion.name})", hint=_HINT
            )
