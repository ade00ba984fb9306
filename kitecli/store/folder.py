"""Where recordings stand: a store, a folder for each trading day in it, and in that the day's segments.

::

    STORE/lock                         held by who records
    STORE/writer.json                  who that is
    STORE/2026-11-20/0001.kpak         segments, in order: packed,
                     0001.kidx         what it holds, and in which blocks; made again where it is missing
                     0002.kseg         or as they are written
                     master-1f2e3d4c.csv.gz   the day's instruments, as the broker served them
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from kitecli.clock import IST, NS_PER_S, ist

DAY_BEGINS: Final = timedelta(hours=6)
"""IST. The last market closes before midnight and the first opens at nine; between them, at six, the broker's tokens
end, and each connection with them."""
SUFFIX: Final = ".kseg"
PACKED_SUFFIX: Final = ".kpak"
INDEX_SUFFIX: Final = ".kidx"


def trading_day(now_ns: int) -> date:
    """The day whose recording an instant belongs to."""
    return (ist(now_ns / NS_PER_S) - DAY_BEGINS).date()


def day_begins_ns(day: date) -> int:
    """Epoch nanoseconds of six in the morning: nothing of the day was received before."""
    return round((datetime.combine(day, time(), IST) + DAY_BEGINS).timestamp()) * NS_PER_S


def day_folder(store: Path, day: date) -> Path:
    return store / day.isoformat()


def segment_path(folder: Path, segment: int) -> Path:
    return folder / f"{segment:04}{SUFFIX}"


def segment_paths(folder: Path) -> list[Path]:
    """A day's segments in the order they were written."""
    raw = list(folder.glob(f"*{SUFFIX}"))  # first: one that is packed meanwhile is met as raw, as packed, or as both
    # raw ones count where both are there: packing was interrupted before it was done
    named = [*folder.glob(f"*{PACKED_SUFFIX}"), *raw]
    found = {int(path.stem): path for path in named if path.stem.isdigit()}
    return [found[number] for number in sorted(found)]


def disk_bytes(path: Path) -> int:
    """What a segment takes on disk, also if it has been packed since it was listed; 0 where its day was removed."""
    for each in (path, path.with_suffix(PACKED_SUFFIX)):
        with suppress(FileNotFoundError):
            return each.stat().st_size
    return 0


def day_folders(store: Path) -> list[Path]:
    """The days there are recordings of, oldest first."""
    return sorted(path for path in store.glob("????-??-??") if path.is_dir() and is_day(path.name))


def is_day(name: str) -> bool:
    """Whether a folder is called as a day is."""
    try:
        date.fromisoformat(name)
    except ValueError:
        return False
    return True
