"""Where recordings are looked for: the stores in a folder, a day in them, one of its files.

::

    ROOT/2026-11-20/…                    a store itself, or
    ROOT/api.kite.trade/2026-11-20/…     stores: of a server's feeds
    ROOT/imported/2024-06-27/…           of what was imported
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from kitecli.errors import DataError, UsageError
from kitecli.store.folder import PACKED_SUFFIX, SUFFIX, day_folders, is_day, segment_paths

IMPORTED: Final = "imported"
"""The store of what was imported, where no other is named."""
TODAY: Final = "today"
NEWEST: Final = "newest"


def stores_in(root: Path) -> list[Path]:
    """The stores that have days: the folder itself, and those directly in it; not what an import is making."""
    inner = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    inner = [path for path in inner if not path.name.startswith(".")]
    return [store for store in (root, *inner) if day_folders(store)]


def days_in(root: Path) -> list[Path]:
    """The folders of all days that were recorded, by day."""
    folders = [folder for store in stores_in(root) for folder in day_folders(store) if segment_paths(folder)]
    return sorted(folders, key=lambda folder: folder.name)


def day_at(where: str, root: Path, today: date) -> Path:
    """The folder of a day: ``2026-11-20``, ``today`` or ``newest`` of the stores in ``root``, or a path of one.

    Raises :class:`DataError` where there is none, :class:`UsageError` where several stores have it or it is no day.
    """
    given = Path(where)
    if given.is_dir() and segment_paths(given):
        return given
    if given.is_dir() and not _is_named(where):
        raise DataError(f"There is no recording in {given}", hint="Name a day's folder, or a day")
    days = days_in(root)
    name = days[-1].name if where == NEWEST and days else str(_day(where, today))
    found = [folder for folder in days if folder.name == name]
    if len(found) > 1:
        raise UsageError(
            f"{name} was recorded more than once", why=", ".join(map(str, found)), hint="Name one of these folders"
        )
    if not found:
        raise _no_day(where, root, [folder.name for folder in days])
    return found[0]


def files_at(where: str, root: Path, today: date) -> list[Path]:
    """A day's files in their order, or the one file that is named."""
    path = Path(where)
    if path.suffix in (SUFFIX, PACKED_SUFFIX):
        if not path.is_file():
            raise DataError(f"There is no file {path}", hint="kite data list shows which days there are")
        return [path]
    return segment_paths(day_at(where, root, today))


def _is_named(where: str) -> bool:
    """Whether it is a day, though a folder may be called so, too."""
    return where in (TODAY, NEWEST) or is_day(where)


def _day(where: str, today: date) -> date:
    if where in (TODAY, NEWEST):
        return today
    try:
        return date.fromisoformat(where)
    except ValueError:
        raise UsageError(
            f"{where!r} is neither a day nor a day's folder",
            hint="Write a day as 2026-11-20, today, newest, or a folder's path",
        ) from None


def _no_day(where: str, root: Path, days: Sequence[str]) -> DataError:
    if not days:
        return DataError(
            f"There is no recording of {where}",
            why=f"{root} has none at all",
            hint="kite record makes one, kite data import takes tables in; --store names another folder",
        )
    return DataError(
        f"There is no recording of {where}",
        why=f"in {root} there are {len(days)}, from {days[0]} to {days[-1]}",
        hint="Name one of those days, or another folder with --store; kite data list shows them",
    )
