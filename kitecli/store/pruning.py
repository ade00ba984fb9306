"""Which days of a store go, by age and by size: first said, then done.

A day goes whole. Its folder is renamed first, so that nobody meets half a day, however this ends.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from kitecli.errors import EnvironmentProblem
from kitecli.ring.locks import LockFile
from kitecli.store.disk import Disk
from kitecli.store.folder import SUFFIX, day_folders, segment_paths
from kitecli.store.sealing import is_ended

GOING_SUFFIX: Final = ".pruning"


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept. ``max_age_days``: a day that is older goes. ``max_bytes``: of all days together; the oldest go
    first. None: no limit. ``unsealed``: whether days that aren't packed may go, too."""

    max_age_days: int | None = None
    max_bytes: int | None = None
    unsealed: bool = False


@dataclass(frozen=True, slots=True)
class PrunedDay:
    """A day and what is to become of it. ``why``: the limit it is beyond. ``kept_for``: what forbids that it goes, as
    ``today``, ``being written`` or ``not sealed``; empty where it goes."""

    day: date
    folder: Path
    size: int
    why: str
    kept_for: str = ""


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """``days``: those beyond a limit, oldest first. ``size``: bytes of all days of the store."""

    days: tuple[PrunedDay, ...]
    size: int

    @property
    def going(self) -> tuple[PrunedDay, ...]:
        return tuple(day for day in self.days if not day.kept_for)

    @property
    def freed(self) -> int:
        """Bytes that doing it gives back."""
        return sum(day.size for day in self.going)


def plan_pruning(store: Path, retention: Retention, today: date) -> PrunePlan:
    """What would go. Changes nothing.

    Today's recording never goes, nor one that is being written, nor, unless ``retention`` says so, one of which a
    segment isn't packed. A day that must stay doesn't save the younger ones.
    """
    sizes = {folder: _size(folder) for folder in day_folders(store)}
    size = excess = sum(sizes.values())
    held = LockFile.is_held(store / "lock")
    days = []
    for folder, bytes_of_day in sizes.items():
        day = date.fromisoformat(folder.name)
        if why := _beyond(day, today, excess, retention):
            kept_for = _kept_for(folder, day, today, held=held, unsealed=retention.unsealed)
            days.append(PrunedDay(day, folder, bytes_of_day, why, kept_for))
            excess -= 0 if kept_for else bytes_of_day
    return PrunePlan(tuple(days), size)


def prune(store: Path, days: Sequence[PrunedDay], disk: Disk | None = None) -> int:
    """Remove the days a plan lets go, and what an interrupted removal left; returns the bytes given back.

    :raises EnvironmentProblem: a folder can't be removed.
    """
    disk = disk or Disk()
    freed = 0
    try:
        for day in days:
            if day.kept_for:
                continue
            day.folder.rename(day.folder.with_suffix(GOING_SUFFIX))
            freed += day.size
        disk.sync_folder(store)
        for leftover in store.glob(f"*{GOING_SUFFIX}"):
            shutil.rmtree(leftover)
    except OSError as error:
        raise EnvironmentProblem(
            f"A recording in {store} can't be removed", why=error.strerror or str(error), hint="look at its rights"
        ) from error
    return freed


def _beyond(day: date, today: date, size: int, retention: Retention) -> str:
    if retention.max_age_days is not None and (today - day).days > retention.max_age_days:
        return "age"
    return "size" if retention.max_bytes is not None and size > retention.max_bytes else ""


def _kept_for(folder: Path, day: date, today: date, *, held: bool, unsealed: bool) -> str:
    if day >= today:
        return "today"
    raw = [path for path in segment_paths(folder) if path.suffix == SUFFIX]
    if held and any(not is_ended(path) for path in raw):
        return "being written"
    return "not sealed" if raw and not unsealed else ""


def _size(folder: Path) -> int:
    size = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # just packed
            size += path.stat().st_size
    return size
