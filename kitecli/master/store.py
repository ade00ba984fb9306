"""A source's masters on disk: each day's CSV as it came, and beside it the index that is mapped.

::

    instruments/api.kite.trade/2026-11-20.csv.gz               as served; kept, 2 MB a day
                               2026-11-20.1f2e3d4c.index       built from it, 12 MB; the newest few
                               state.json                      what was last asked for, when, and what was odd
                               lock                            held by whoever downloads

An index can be built again at any time, so it is thrown away freely: when it is damaged, or another version's.
"""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Final

from kitecli.errors import DataError
from kitecli.files import write_whole
from kitecli.market.book import InstrumentBook
from kitecli.market.columns import index_of_file
from kitecli.market.index import MasterIndex
from kitecli.market.oddities import MasterReport, report_on

KEPT_INDEXES: Final = 3
STATE_VERSION: Final = 1
# Level 1 takes 0.15 s for the whole market, level 9 a second, for 1.9 MB instead of 1.6.
GZIP_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a source. ``digest``: the CSV's SHA-256; ``unchanged``: when last asked, nothing was newer."""

    day: str
    digest: str
    checked_ns: int
    unchanged: bool = False
    etag: str = ""
    last_modified: str = ""
    oddities: tuple[str, ...] = ()


class MasterStore:
    """The masters below ``folder``, which is made when something is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def days(self) -> list[date]:
        """The days there are masters of, oldest first."""
        names = (path.name.removesuffix(".csv.gz") for path in self.folder.glob("*.csv.gz"))
        return sorted(day for name in names if (day := _day(name)))

    def state(self) -> State | None:
        """What was noted last; None where there is nothing, or nothing readable: then it is fetched again."""
        with suppress(OSError, ValueError, TypeError):
            noted = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
            if noted.pop("version") == STATE_VERSION and self._csv(date.fromisoformat(noted["day"])).exists():
                return State(**{**noted, "oddities": tuple(noted["oddities"])})
        return None

    def note(self, state: State) -> None:
        """Write down what is known."""
        text = json.dumps({"version": STATE_VERSION, **asdict(state)}, indent=1)
        write_whole(self.folder / "state.json", text.encode())

    def keep(self, csv: bytes, day: date, source: bytes | None = None) -> tuple[MasterIndex, MasterReport]:
        """Take a day's master in; ``source``: its SHA-256 where known.

        :raises DataError: no master; nothing is changed.
        """
        index, mended = index_of_file(csv, day, source)
        write_whole(self._csv(day), gzip.compress(csv, GZIP_LEVEL, mtime=0))
        self._write(index, day)
        self._forget_old()
        return index, report_on(InstrumentBook(index=index), mended)

    def csv(self, day: date) -> bytes:
        """A day's master as it was served. Raises :class:`DataError`."""
        try:
            return gzip.decompress(self._csv(day).read_bytes())
        except FileNotFoundError:
            raise self._no_master(day) from None
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{self._csv(day)} can't be read",
                why=str(error),
                hint="kite instruments sync --again fetches today's; a past day's can't be had again",
            ) from error

    def open(self, day: date) -> MasterIndex:
        """The index of a day, mapped and checked; built again where it is missing, damaged or another version's.

        :raises DataError: no master of that day, or one that can't be read.
        """
        for path in self.folder.glob(f"{day}.*.index"):
            with suppress(DataError, OSError):
                return MasterIndex.open(path).verify()
        index, _ = index_of_file(self.csv(day), day)
        self._write(index, day)
        return index

    def _write(self, index: MasterIndex, day: date) -> None:
        for other in self.folder.glob(f"{day}.*.index"):
            _remove(other)
        write_whole(self.folder / f"{day}.{index.source.hex()[:8]}.index", index.image)

    def _forget_old(self) -> None:
        for path in sorted(self.folder.glob("*.index"))[:-KEPT_INDEXES]:
            _remove(path)

    def _csv(self, day: date) -> Path:
        return self.folder / f"{day}.csv.gz"

    def _no_master(self, day: date) -> DataError:
        days = self.days()
        kept = f"from {days[0]} to {days[-1]}, {len(days)} in all" if days else "none yet"
        return DataError(
            f"There is no instrument master of {day}",
            why=f"in {self.folder} there are {kept}",
            hint="Name one of those days; today's comes with kite instruments sync",
        )


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _remove(path: Path) -> None:
    """Remove an index. On Windows one that is mapped stays; it is found and used like any other."""
    with suppress(PermissionError):
        path.unlink(missing_ok=True)
