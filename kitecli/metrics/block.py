"""A slot of figures: its one writer, and what anybody else reads of it.

::

    figures = read(slot_path(ring))
    figures.gateway.stages["publish"].percentile_ns(99)
    for seat, reader in figures.readers.items(): ...
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.metrics.histogram import CELLS, LatencyHistogram
from kitecli.metrics.layout import ALIGNED_BYTES, HEADER_BYTES, HEADER_DTYPE, MAGIC, NAMES_OFFSET, VERSION
from kitecli.metrics.stages import STAGES, Stage
from kitecli.ring.memory import MappedMemory, damaged, map_new_file, read_header, write_header

_WHAT: Final = "slot of figures"
_CELL_BYTES: Final = 8


class SlotView(MappedMemory):
    """A slot to be read, also when its writer has gone."""

    @classmethod
    def attach(cls, path: Path) -> SlotView:
        """Raises :class:`DataError` where there is none."""
        try:
            with path.open("rb") as file:
                buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as cause:
            hint = "start a feed first: kite feed --sim"
            raise DataError(f"No figures at {path}", why=str(cause), hint=hint) from cause
        return cls(buffer, path)

    def figures(self) -> SlotFigures:
        """A copy of what it says now. Raises :class:`DataError` where it can't be read."""
        return _figures(self.buffer, self.path or Path())


class Slot(SlotView):
    """The writing side. ``counters``: their names, in their order; each is set and added to by its one writer."""

    def __init__(self, buffer: mmap.mmap, path: Path | None, counters: Sequence[str]) -> None:
        super().__init__(buffer, path)
        self.stages_offset = _stages_offset(len(counters))
        self._at = {name: index for index, name in enumerate(counters)}
        # A memoryview: setting a number through NumPy takes three times as long.
        self._cells = memoryview(buffer)[HEADER_BYTES : self.stages_offset].cast("q")

    @classmethod
    def create(cls, path: Path, counters: Sequence[str]) -> Slot:
        """A new file, 0600. Raises :class:`EnvironmentProblem` where there is no room."""
        try:
            buffer = map_new_file(path, _total_bytes(len(counters)))
        except OSError as cause:
            raise _refusal(path, cause) from cause
        return cls._made(buffer, path, counters)

    @classmethod
    def private(cls, counters: Sequence[str]) -> Slot:
        """In memory that only this process sees."""
        return cls._made(mmap.mmap(-1, _total_bytes(len(counters))), None, counters)

    @classmethod
    def _made(cls, buffer: mmap.mmap, path: Path | None, counters: Sequence[str]) -> Slot:
        names = (" ".join(counters) + "\n" + " ".join(stage.name for stage in STAGES)).encode()
        buffer[NAMES_OFFSET : NAMES_OFFSET + len(names)] = names
        header = _blank()
        header["counters"], header["stages"], header["cells"] = len(counters), len(STAGES), CELLS
        header["names_bytes"], header["total_bytes"] = len(names), _total_bytes(len(counters))
        write_header(buffer, header)
        return cls(buffer, path, counters)

    def set(self, name: str, value: int) -> None:
        self._cells[self._at[name]] = value

    def add(self, name: str, amount: int = 1) -> None:
        self._cells[self._at[name]] += amount

    def get(self, name: str) -> int:
        return self._cells[self._at[name]]

    def stage_offset(self, stage: Stage) -> int:
        """Where the cells of a stage's histogram stand in ``buffer``, in bytes."""
        return self.stages_offset + STAGES.index(stage) * CELLS * _CELL_BYTES

    def stage(self, stage: Stage) -> LatencyHistogram:
        """The stage's histogram, to be recorded into."""
        return LatencyHistogram(np.frombuffer(self.buffer, np.int64, CELLS, self.stage_offset(stage)))


@dataclass(frozen=True, slots=True)
class SlotFigures:
    """A copy of one slot. ``created_ns``: since when it has counted, epoch nanoseconds."""

    pid: int
    created_ns: int
    counters: dict[str, int]
    stages: dict[str, LatencyHistogram]


@dataclass(frozen=True, slots=True)
class Figures:
    """A copy of a feed's slots. ``readers``: by their seats, also those of readers that died and left theirs."""

    gateway: SlotFigures
    readers: dict[int, SlotFigures] = field(default_factory=dict)


def read(path: Path) -> Figures:
    """The figures of the feed whose slot stands at ``path``, and those of its readers beside it.

    Raises :class:`DataError` where there is no such feed.
    """
    gateway = read_slot(path)
    readers: dict[int, SlotFigures] = {}
    for one in sorted(path.parent.glob(f"{path.name}.*")):
        try:
            readers[int(one.suffix[1:])] = read_slot(one)
        except DataError:
            continue  # it is just coming or going
    return Figures(gateway, readers)


def read_slot(path: Path) -> SlotFigures:
    """A copy of the slot at ``path``. Raises :class:`DataError` where there is none."""
    view = SlotView.attach(path)
    try:
        return view.figures()
    finally:
        view.close()


def _figures(buffer: mmap.mmap, path: Path) -> SlotFigures:
    header = read_header(buffer, path, _blank(), _WHAT)
    counters, stages, cells = (int(header[name]) for name in ("counters", "stages", "cells"))
    at = _stages_offset(counters)
    if header["total_bytes"] != len(buffer) or at + stages * cells * _CELL_BYTES > len(buffer) or cells != CELLS:
        raise damaged(buffer, path, _WHAT)
    names = bytes(buffer[NAMES_OFFSET : NAMES_OFFSET + int(header["names_bytes"])]).decode()
    of_counters, of_stages = (part.split() for part in names.split("\n"))
    numbers = _copied(buffer, counters, HEADER_BYTES).tolist()
    histograms = (LatencyHistogram(_copied(buffer, cells, at + n * cells * _CELL_BYTES)) for n in range(stages))
    return SlotFigures(
        int(header["writer_pid"]),
        int(header["created_ns"]),
        dict(zip(of_counters, numbers, strict=True)),
        dict(zip(of_stages, histograms, strict=True)),
    )


def _copied(buffer: mmap.mmap, count: int, offset: int) -> NDArray[np.int64]:
    return np.frombuffer(buffer, np.int64, count, offset).copy()


def _stages_offset(counters: int) -> int:
    return HEADER_BYTES + -(-counters * _CELL_BYTES // ALIGNED_BYTES) * ALIGNED_BYTES


def _total_bytes(counters: int) -> int:
    return _stages_offset(counters) + len(STAGES) * CELLS * _CELL_BYTES


def _blank() -> NDArray[np.void]:
    header = np.zeros(1, HEADER_DTYPE)
    header["magic"], header["version"], header["header_bytes"] = MAGIC, VERSION, HEADER_BYTES
    return header


def _refusal(path: Path, cause: OSError) -> EnvironmentProblem:
    full = cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return EnvironmentProblem(
        f"No figures can be kept at {path}",
        why=os.strerror(cause.errno) if cause.errno else str(cause),
        hint="make room there" if full else "set KITE_RUNTIME_DIR to a folder of your own",
    )
