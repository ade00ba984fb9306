"""What there is of a day: how much, of what, from when to when, and in which state it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.archive.outages import outages
from kitecli.errors import DataError
from kitecli.market.gap import Gap
from kitecli.market.modes import MODES
from kitecli.protocol.layout import HEARTBEAT_LENGTH
from kitecli.ring.locks import LockFile
from kitecli.store.folder import PACKED_SUFFIX, disk_bytes, is_day, segment_paths
from kitecli.store.layout import CLOCK, FRAME, SUBSCRIBED, TIMER
from kitecli.store.recording import Recording
from kitecli.store.ticks import TickBatch, TickReader

KINDS: Final = {FRAME: "messages", SUBSCRIBED: "subscriptions", CLOCK: "clock offsets", TIMER: "timer closes"}
"""What a day's records are called; outages are counted apart."""
Step = Callable[[int], object]


@dataclass(slots=True)
class Tally:
    """What was counted in a day. Times are epoch nanoseconds, of the first and the latest message."""

    ticks: int = 0
    heartbeats: int = 0
    records: Counter[int] = field(default_factory=Counter)
    by_token: Counter[int] = field(default_factory=Counter)
    modes: Counter[int] = field(default_factory=Counter)
    first_ns: int | None = None
    last_ns: int | None = None
    gaps: list[Gap] = field(default_factory=list)
    problem: DataError | None = None
    """Where reading came to an end too soon, and why."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a store. ``state``: ``recording`` now, ``ended``, ``cut off`` (its writer was killed, and nobody has
    recorded since), ``damaged`` (some of it can't be read)."""

    day: date
    folder: Path
    files: int
    raw_bytes: int
    packed_bytes: int
    state: str
    imported: bool
    tally: Tally

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
            "gaps": len(tally.gaps),
            "problem": tally.problem and tally.problem.as_dict(),
        }

    def counts(self) -> dict[str, object]:
        """What else was counted, for JSON: records by kind, ticks by mode; heartbeats among the messages."""
        kinds = {name: self.tally.records[kind] for kind, name in KINDS.items()}
        modes = {MODES[mode - 1]: ticks for mode, ticks in sorted(self.tally.modes.items())}
        return {"records": {**kinds, "heartbeats": self.tally.heartbeats}, "ticks_by_mode": modes}


def look_at(folder: Path, step: Step = lambda _: None) -> Day:
    """Count a day's ticks by reading all of it; ``step`` is told of bytes that were read.

    What can't be read is no error here: it is the day's state.
    """
    paths = segment_paths(folder)
    sizes = Counter[bool]()
    for path in paths:
        sizes[path.suffix == PACKED_SUFFIX] += disk_bytes(path)
    tally, state, imported = Tally(), "damaged", False
    try:
        with Recording.open(folder) as recording:
            state = _state(folder, recording)
            imported = any("imported" in segment.header.about for segment in recording.segments())
            count(recording, tally, step)
            tally.gaps = outages(recording.gaps())
    except DataError as problem:
        state, tally.problem = "damaged", problem
    day = date.fromisoformat(folder.name) if is_day(folder.name) else date.min
    return Day(day, folder, len(paths), sizes[False], sizes[True], state, imported, tally)


def count(recording: Recording, tally: Tally, step: Step = lambda _: None) -> None:
    """Add what a recording holds. Raises DataError where it can't be read, with all before it counted."""
    reader = TickReader()
    try:
        for piece in recording.pieces():
            rows = piece.rows
            frames = rows[rows["kind"] == FRAME]
            tally.records.update(_counts(rows["kind"]))
            if frames.size:
                tally.heartbeats += int((frames["length"] == HEARTBEAT_LENGTH).sum())
                tally.first_ns = int(frames["ts_recv_ns"][0]) if tally.first_ns is None else tally.first_ns
                tally.last_ns = max(tally.last_ns or 0, int(frames["ts_recv_ns"].max()))
            _add(tally, reader.take(piece.data, frames))
            step(int(rows["length"].sum()))
    finally:
        _add(tally, reader.rest())


def _add(tally: Tally, batches: Iterator[TickBatch]) -> None:
    for batch in batches:
        tally.ticks += batch.ticks.size
        tally.by_token.update(_counts(batch.ticks["token"]))
        tally.modes.update(_counts(batch.ticks["mode"]))


def _counts(values: NDArray[np.unsignedinteger]) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _state(folder: Path, recording: Recording) -> str:
    *_, last = recording.segments()
    if last.end is not None:
        return "ended"
    return "recording" if LockFile.is_held(folder.parent / "lock") else "cut off"
