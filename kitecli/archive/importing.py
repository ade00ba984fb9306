"""Files of ticks into a day's recording, marked as imported: through the broker's packets, so one decoder reads all.

The day appears in its store when it is whole: it is written in a folder of its own beside it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.archive.intake import Intake, Records
from kitecli.clock import NS_PER_S
from kitecli.errors import DataError, EnvironmentProblem
from kitecli.files import unwritable
from kitecli.market.calendar.session import IST_OFFSET_S
from kitecli.market.instruments import format_instruments
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.protocol.encoder import encode_runs
from kitecli.ring.locks import LockFile
from kitecli.store.disk import Disk
from kitecli.store.folder import DAY_BEGINS, day_folder
from kitecli.store.recorder import Recorder, StoreHold
from kitecli.tables.ticks import instrument_of

MOST_PACKETS: Final = 3000
"""What a connection carries, and so the most that comes together."""
CHUNK_TICKS: Final = 1 << 14
"""3 MB of full packets: less than the recorder's room."""
NAMED_FILES: Final = 20
DRAFT: Final = ".import-"
PATIENCE_S: Final = 600.0
_EPOCH: Final = date(1970, 1, 1)
_DAY_NS: Final = 86_400 * NS_PER_S
_BEGINS_NS: Final = DAY_BEGINS // timedelta(seconds=1) * NS_PER_S


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it. ``left_out``: what no packet holds, and of how many ticks."""

    day: date
    folder: Path
    ticks: int
    instruments: int
    messages: int
    size: int
    left_out: Mapping[str, int]
    seconds: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        names = ("ticks", "instruments", "messages", "size", "seconds")
        plain = {name: getattr(self, name) for name in names}
        return {"day": str(self.day), "folder": str(self.folder), **plain, "left_out": dict(self.left_out)}


def import_day(
    intakes: Sequence[Intake],
    store: Path,
    day: date | None = None,
    master: bytes | None = None,
    step: Callable[[int], object] = lambda _: None,
) -> Imported:
    """Make a day's recording of files. ``day``: what to take of them; None: they are of one day.

    ``master``: the day's instruments as CSV; None: one made of the files' symbols, which knows neither lots nor
    strikes. ``step`` is told of ticks as they are written.

    :raises DataError: there is a recording of that day; the files are of several days, or of others.
    :raises EnvironmentProblem: the disk has no room, or can't be written.
    """
    began_s = time.monotonic()
    day = day or only_day(intakes)
    kept = [_of_day(intake, day) for intake in intakes]
    left_out = sum((intake.left_out for intake in kept), Counter[str]())
    ticks, depth = merged(kept)
    if not ticks.size:
        raise DataError(f"No tick of these files is of {day}", why=f"they are of {_days_text(intakes)}")
    about = {"imported": _facts(kept, left_out, made_master=master is None), "connections": _connections(ticks)}
    symbols = {token: symbol for intake in kept for token, symbol in intake.symbols.items()}
    csv = master if master is not None else _master_of(symbols)
    folder = day_folder(store, day)
    with _beside(store, folder) as hold:
        messages = _record(hold, day, csv, about, ticks, depth, step)
    size = sum(path.stat().st_size for path in folder.iterdir())
    count = len(np.unique(ticks["token"]))
    return Imported(day, folder, len(ticks), count, messages, size, dict(left_out), time.monotonic() - began_s)


def only_day(intakes: Sequence[Intake]) -> date:
    """The day all ticks are of. Raises :class:`DataError` where there are several."""
    days = sorted({day for intake in intakes for day in np.unique(_days(intake.ticks)).tolist()})
    if len(days) > 1:
        raise DataError(
            "These files are of several days",
            why=_days_text(intakes),
            hint="A recording is of one: take them in one by one with --day",
        )
    return _EPOCH + timedelta(days=days[0])


def merged(intakes: Sequence[Intake]) -> tuple[Records, Records | None]:
    """All ticks by the latest stamp at or before each in its file, so that a file's ticks keep their order."""
    instants = [np.maximum.accumulate(intake.ticks["ts_recv_ns"]) for intake in intakes]
    order = np.argsort(np.concatenate(instants), kind="stable")
    ticks = _joined([intake.ticks for intake in intakes], TICK_DTYPE)[order].view(TICK_DTYPE)
    if all(intake.depth is None for intake in intakes):
        return ticks, None
    books = [_blank(intake) if intake.depth is None else intake.depth for intake in intakes]
    return ticks, _joined(books, DEPTH_DTYPE)[order].view(DEPTH_DTYPE)


def _joined(parts: Sequence[Records], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """As opaque bytes: NumPy would turn depth into the machine's byte order, and copies fields one by one."""
    opaque = np.dtype(f"V{dtype.itemsize}")
    found: NDArray[np.void] = np.concatenate([np.ascontiguousarray(part).view(opaque) for part in parts])
    return found


def _blank(intake: Intake) -> Records:
    return np.zeros(len(intake.ticks), DEPTH_DTYPE)


def _of_day(intake: Intake, day: date) -> Intake:
    chosen = _days(intake.ticks) == (day - _EPOCH).days
    if chosen.all():
        return intake
    others = Counter({"ticks of other days": int(np.count_nonzero(~chosen))})
    depth = None if intake.depth is None else intake.depth[chosen]
    return replace(intake, ticks=intake.ticks[chosen], depth=depth, left_out=intake.left_out + others)


def _days(ticks: Records) -> NDArray[np.int64]:
    """(n,) trading days since 1970: a night's ticks are of the day before, as if they had been recorded."""
    found: NDArray[np.int64] = (ticks["ts_recv_ns"] + IST_OFFSET_S * NS_PER_S - _BEGINS_NS) // _DAY_NS
    return found


def _days_text(intakes: Sequence[Intake]) -> str:
    days = sorted({day for intake in intakes for day in np.unique(_days(intake.ticks)).tolist()})
    named = ", ".join(str(_EPOCH + timedelta(days=day)) for day in days[:NAMED_FILES])
    return named + (f" and {len(days) - NAMED_FILES} more" if len(days) > NAMED_FILES else "")


def _facts(intakes: Sequence[Intake], left_out: Mapping[str, int], *, made_master: bool) -> dict[str, object]:
    files = [
        {"name": intake.name, "ticks": len(intake.ticks), "received": f"column {intake.stamps}"}
        for intake in intakes[:NAMED_FILES]
    ]
    return {
        "files": files,
        "file_count": len(intakes),
        "left_out": dict(left_out),
        "master": "made of the files' symbols" if made_master else "given",
    }


def _connections(ticks: Records) -> list[dict[str, object]]:
    numbers = np.unique(ticks["connection"]).tolist()
    return [{"connection": number, "endpoint": "imported"} for number in numbers]


def _master_of(symbols: Mapping[int, str]) -> bytes | None:
    """A master of what the files name; None where they name nothing."""
    if not symbols:
        return None
    rows = (instrument_of(token, symbol) for token, symbol in sorted(symbols.items()))
    return format_instruments(rows).encode()


@contextmanager
def _beside(store: Path, folder: Path) -> Iterator[StoreHold]:
    """A store to write the day to, whose day takes its place when the block ends well."""
    draft = store / f"{DRAFT}{folder.name}-{os.getpid()}"
    try:
        _refuse_second(folder)
        _sweep(store)
        hold = StoreHold.take(draft)
        try:
            yield hold
            _refuse_second(folder)
            day_folder(draft, date.fromisoformat(folder.name)).replace(folder)
        finally:
            hold.release()
        Disk().sync_folder(store)
    except OSError as error:
        raise unwritable(folder, error, given=True) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # what can't be removed harms nobody: no day is named so


def _sweep(store: Path) -> None:
    """Remove what imports that were killed have left: nobody holds it."""
    for draft in store.glob(f"{DRAFT}*"):
        if not LockFile.is_held(draft / "lock"):
            shutil.rmtree(draft, ignore_errors=True)


def _refuse_second(folder: Path) -> None:
    if folder.exists():
        raise DataError(
            f"There is a recording of {folder.name} already",
            why=f"{folder} is there, and nothing is added to a day that may have been recorded",
            hint="Import into another --store, or move that folder away",
        )


def _record(
    hold: StoreHold,
    day: date,
    master: bytes | None,
    about: Mapping[str, object],
    ticks: Records,
    depth: Records | None,
    step: Callable[[int], object],
) -> int:
    """Write a day's ticks as messages; returns how many."""
    recorder = Recorder(hold, day, master=master, about=lambda: about)
    try:
        messages = sum(_append(recorder, *part, step) for part in _parts(ticks, depth))
        recorder.wait_for_room()
    finally:
        whole = recorder.close(PATIENCE_S)
    if not whole:
        alarm = recorder.status.alarm
        raise alarm.cause if alarm else EnvironmentProblem(f"{hold.store} couldn't be written in {PATIENCE_S:g} s")
    return messages


def _append(
    recorder: Recorder,
    ticks: Records,
    depth: Records | None,
    counts: NDArray[np.int64],
    step: Callable[[int], object],
) -> int:
    recorder.wait_for_room()
    firsts = np.cumsum(counts) - counts
    stamps, lines = ticks["ts_recv_ns"][firsts].tolist(), ticks["connection"][firsts].tolist()
    for message, stamp, line in zip(encode_runs(ticks, depth, counts.tolist()), stamps, lines, strict=True):
        recorder.append(message, stamp, line)
    step(len(ticks))
    return len(counts)


def _parts(ticks: Records, depth: Records | None) -> Iterator[tuple[Records, Records | None, NDArray[np.int64]]]:
    """Ticks in chunks of whole messages, each with how many came together: those of one stamp and connection."""
    differs = (np.diff(ticks["ts_recv_ns"]) != 0) | (np.diff(ticks["connection"]) != 0)
    bounds = np.concatenate([[0], np.flatnonzero(differs) + 1, [len(ticks)]])
    within = np.arange(len(ticks)) - np.repeat(bounds[:-1], np.diff(bounds))
    counts = np.diff(np.append(np.flatnonzero(within % MOST_PACKETS == 0), len(ticks)))
    ends = np.cumsum(counts)
    at = first = 0
    while first < len(counts):
        last = max(first + 1, int(np.searchsorted(ends, at + CHUNK_TICKS, "right")))
        end = int(ends[last - 1])
        yield ticks[at:end], None if depth is None else depth[at:end], counts[first:last].astype(np.int64)
        at, first = end, last
