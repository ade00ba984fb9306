"""Which recording somebody means: a day of a store, or a folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from kitecli.errors import DataError, UsageError
from kitecli.store.folder import day_folder, day_folders, segment_paths

NEWEST: Final = "newest"
SHOWN: Final = 10


def find_day(which: str, stores: Sequence[Path], today: date) -> Path:
    """The folder of ``2026-11-20``, ``today``, ``newest``, or of a path; days are looked for in each of the stores.

    Raises :class:`DataError` where there is none, naming those there are, and :class:`UsageError` where several have
    it or it is no day.
    """
    path = Path(which).expanduser()
    if path.is_dir():
        return path
    if path.is_file():
        raise UsageError(f"{which} is one file of a day", why="a day is played whole", hint=f"name {path.parent}")
    days = [folder for store in stores for folder in day_folders(store) if segment_paths(folder)]
    if which == NEWEST and days:
        return max(days, key=lambda folder: folder.name)
    found = [folder for store in stores if (folder := day_folder(store, _day(which, today))) in days]
    if len(found) > 1:
        raise UsageError(
            f"{which} was recorded more than once", why=", ".join(map(str, found)), hint="name one of these folders"
        )
    if not found:
        raise _missing(which, stores, sorted({folder.name for folder in days}))
    return found[0]


def stores_below(root: Path) -> list[Path]:
    """The stores there are in a folder: itself, and one of each server that was recorded."""
    inner = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return [root, *(path for path in inner if path not in day_folders(root))]


def _day(which: str, today: date) -> date:
    if which in ("today", NEWEST):
        return today
    try:
        return date.fromisoformat(which)
    except ValueError:
        raise UsageError(
            f"{which!r} is no day and no folder", hint="write 2026-11-20, today, newest or a path of a day"
        ) from None


def _missing(which: str, stores: Sequence[Path], days: Sequence[str]) -> DataError:
    there = f"there are {', '.join(days[-SHOWN:])}" + (f" and {len(days) - SHOWN} before" if len(days) > SHOWN else "")
    return DataError(
        f"There is no recording of {which}",
        why=there if days else f"there is none at all in {' or '.join(map(str, stores))}",
        hint="kite data list shows what there is" if days else "kite record makes one; --store names another folder",
    )
