"""What there is of a day: how much, of what, from when to when, and in which state it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from kitecli.archive.outages import outages
from kitecli.errors import DataError
from kitecli.market.gap import Gap
from kitecli.market.modes import MODES
from kitecli.ring.locks import LockFile
from kitecli.store.folder import PACKED_SUFFIX, disk_bytes, is_day, segment_paths
from kitecli.store.layout import CLOCK, FRAME, SUBSCRIBED, TIMER
from kitecli.store.recording import Recording
from kitecli.store.tally import Counting, Tally

KINDS: Final = {FRAME: "messages", SUBSCRIBED: "subscriptions", CLOCK: "clock offsets", TIMER: "timer closes"}
"""What a day's records are called; outages are counted apart."""
Step = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a store. ``state``: ``recording`` now, ``ended``, ``cut off`` (its writer was killed, and nobody has
    recorded since), ``damaged`` (some of it can't be read: ``problem`` says where that came to an end, and why)."""

    day: date
    folder: Path
    files: int
    raw_bytes: int
    packed_bytes: int
    state: str
    imported: bool
    tally: Tally
    gaps: list[Gap]
    problem: DataError | None

    @property
    def size(self) -> int:
        return self.raw_bytes + self.packed_bytes

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        tally = self.tally
        return {
            "day": str(self.day),
            "folder": str(self.folder),
            "state": self.state,
            "imported": self.imported,
            "ticks": tally.ticks,
            "instruments": len(tally.by_token),
            "messages": tally.records[FRAME],
            "first_ns": tally.first_ns,
            "last_ns": tally.last_ns,
            "files": self.files,
            "raw_bytes": self.raw_bytes,
            "packed_bytes": self.packed_bytes,
            "gaps": len(self.gaps),
            "problem": self.problem and self.problem.as_dict(),
        }

    def counts(self) -> dict[str, object]:
        """What else was counted, for JSON: records by kind, ticks by mode; heartbeats among the messages."""
        kinds = {name: self.tally.records[kind] for kind, name in KINDS.items()}
        modes = {MODES[mode - 1]: ticks for mode, ticks in sorted(self.tally.modes.items())}
        return {"records": {**kinds, "heartbeats": self.tally.heartbeats}, "ticks_by_mode": modes}


def look_at(folder: Path, step: Step = lambda _: None) -> Day:
    """Count what a day holds, by its segments' indexes, and by reading where there is none yet; ``step`` is told of
    bytes that were read or needn't be.

    What can't be read is no error here: it is the day's state. Damage in what needn't be read isn't seen.
    """
    paths = segment_paths(folder)
    sizes = Counter[bool]()
    for path in paths:
        sizes[path.suffix == PACKED_SUFFIX] += disk_bytes(path)
    tally, state, imported = Tally(), "damaged", False
    gaps: list[Gap] = []
    problem: DataError | None = None
    try:
        with Recording.open(folder) as recording:
            headers = [(reader.end is not None, "imported" in reader.header.about) for reader in recording.segments()]
            imported = any(by_import for _, by_import in headers)
            state = _state(folder, ended=headers[-1][0])
            step(max(0, sizes.total() - count(recording, tally, step)))
            gaps = outages(recording.gaps())
    except DataError as found:
        state, problem = "damaged", found
    day = date.fromisoformat(folder.name) if is_day(folder.name) else date.min
    return Day(day, folder, len(paths), sizes[False], sizes[True], state, imported, tally, gaps, problem)


def count(recording: Recording, tally: Tally, step: Step = lambda _: None) -> int:
    """Add what a recording holds; returns the bytes read. Raises DataError where it can't be read, with all before it
    counted."""
    counting, total = Counting(tally), 0
    try:
        for piece in recording.uncounted(tally):
            counting.take(piece.data, piece.rows)
            step(read := int(piece.rows["length"].sum()))
            total += read
    finally:
        counting.rest()
    return total


def _state(folder: Path, *, ended: bool) -> str:
    if ended:
        return "ended"
    return "recording" if LockFile.is_held(folder.parent / "lock") else "cut off"
