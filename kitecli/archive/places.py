"""Where recordings are looked for: a store, a day in it, one of its files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from kitecli.errors import DataError, UsageError
from kitecli.master.folder import data_dir
from kitecli.store.folder import PACKED_SUFFIX, SUFFIX, day_folder, day_folders, segment_paths


def default_store() -> Path:
    """Where recordings are kept unless another folder is named."""
    return Path(data_dir(), "recordings")


def day_at(where: str, store: Path) -> Path:
    """The folder of a day, ``2026-11-20`` in the store or a path of one. Raises :class:`DataError` if there is none."""
    try:
        folder = day_folder(store, date.fromisoformat(where))
    except ValueError:
        folder = Path(where)
        if not folder.is_dir():
            raise UsageError(
                f"{where!r} is neither a day nor a day's folder", hint="Write a day as 2026-11-20, or a folder's path"
            ) from None
    if not folder.is_dir() or not segment_paths(folder):
        raise _no_day(where, store)
    return folder


def files_at(where: str, store: Path) -> list[Path]:
    """A day's files in their order, or the one file that is named."""
    path = Path(where)
    if path.suffix in (SUFFIX, PACKED_SUFFIX):
        if not path.is_file():
            raise DataError(f"There is no file {path}", hint="kite data list shows which days there are")
        return [path]
    return segment_paths(day_at(where, store))


def _no_day(where: str, store: Path) -> DataError:
    days = [folder.name for folder in day_folders(store)]
    if not days:
        return DataError(
            f"There is no recording of {where}",
            why=f"{store} has none at all",
            hint="kite record makes one, kite data import takes tables in; --store names another folder",
        )
    return DataError(
        f"There is no recording of {where}",
        why=f"in {store} there are {len(days)}, from {days[0]} to {days[-1]}",
        hint="Name one of those days, or another folder with --store; kite data list shows them",
    )
