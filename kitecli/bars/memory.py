"""Reserving and mapping the memory of a feed's bars: a file others can map, or private pages."""

from __future__ import annotations

import errno
import mmap
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.intervals import MAX_SERIES, Interval, Kind
from kitecli.bars.layout import HEADER_BYTES, HEADER_DTYPE, MAGIC, SERIES_DTYPE, SERIES_OFFSET, VERSION, BarsLayout
from kitecli.errors import DataError, EnvironmentProblem
from kitecli.ring.location import free_bytes
from kitecli.ring.memory import MappedMemory, damaged, map_new_file, read_header, write_header

_WHAT: Final = "memory of bars"
_SMALLER: Final = "keep fewer bars, or bars of fewer intervals"
_SIZES: Final = ("rows", "capacity", "series")
_LAYOUT_FIELDS: Final = (
    *_SIZES,
    *(name for name in (HEADER_DTYPE.names or ()) if name.endswith(("offset", "total_bytes"))),
)


class BarsMemory(MappedMemory):
    """One feed's bars as mapped bytes. ``intervals``: what the bars of each series span, at most ``MAX_SERIES``.

    ``grace_ms``: how long after its end a bar waits for late ticks.
    """

    def __init__(
        self, buffer: mmap.mmap, layout: BarsLayout, intervals: tuple[Interval, ...], grace_ms: int, path: Path | None
    ) -> None:
        super().__init__(buffer, path)
        self.layout = layout
        self.intervals = intervals
        self.grace_ms = grace_ms

    @classmethod
    def private(cls, layout: BarsLayout, intervals: tuple[Interval, ...], grace_ms: int) -> BarsMemory:
        """Anonymous memory: nobody else can read it, and it costs nothing until it is touched."""
        try:
            buffer = mmap.mmap(-1, layout.total_bytes)
        except OSError as cause:
            raise EnvironmentProblem(
                f"No room for {layout.total_bytes / 1e6:,.0f} MB of bars in memory",
                why=str(cause.strerror),
                hint=_SMALLER,
            ) from cause
        return _stamped(cls(buffer, layout, intervals, grace_ms, None))

    @classmethod
    def create(cls, path: Path, layout: BarsLayout, intervals: tuple[Interval, ...], grace_ms: int) -> BarsMemory:
        """A new file, 0600, its space reserved; raises :class:`EnvironmentProblem` where there is no room."""
        try:
            buffer = map_new_file(path, layout.total_bytes)
        except OSError as cause:
            raise _refusal(path, layout, cause) from cause
        return _stamped(cls(buffer, layout, intervals, grace_ms, path))

    @classmethod
    def attach(cls, path: Path) -> BarsMemory:
        """Map another process's bars, for reading only. Raises :class:`DataError` where it isn't of this version."""
        try:
            with path.open("rb") as file:
                buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as cause:
            raise DataError(f"No bars at {path}", why=str(cause), hint="start a feed that builds bars first") from cause
        header = read_header(buffer, path, _blank(), _WHAT)
        layout = BarsLayout(*(int(header[name]) for name in _SIZES))
        whole = layout.series <= MAX_SERIES and len(buffer) >= layout.total_bytes
        if not whole or any(header[name] != getattr(layout, name) for name in _LAYOUT_FIELDS):
            raise damaged(buffer, path, _WHAT)
        return cls(buffer, layout, _intervals(buffer, path, layout.series), int(header["grace_ms"]), path)

    def header(self) -> NDArray[np.void]:
        return np.frombuffer(self.buffer, HEADER_DTYPE, 1)


def _stamped(memory: BarsMemory) -> BarsMemory:
    """The same, with its header written."""
    layout = memory.layout
    assert layout.series == len(memory.intervals) <= MAX_SERIES
    series = np.frombuffer(memory.buffer, SERIES_DTYPE, layout.series, SERIES_OFFSET)
    series["kind"] = [interval.kind for interval in memory.intervals]
    series["size"] = [interval.size for interval in memory.intervals]
    header = _blank()
    for name in _LAYOUT_FIELDS:
        header[name] = getattr(layout, name)
    header["grace_ms"] = memory.grace_ms
    write_header(memory.buffer, header)
    return memory


def _blank() -> NDArray[np.void]:
    header = np.zeros(1, HEADER_DTYPE)
    header["magic"], header["version"], header["header_bytes"] = MAGIC, VERSION, HEADER_BYTES
    return header


def _intervals(buffer: mmap.mmap, path: Path, count: int) -> tuple[Interval, ...]:
    series = np.frombuffer(buffer, SERIES_DTYPE, count, SERIES_OFFSET)
    try:
        return tuple(Interval(Kind(int(one["kind"])), int(one["size"])) for one in series)
    except ValueError as cause:
        raise damaged(buffer, path, _WHAT) from cause


def _refusal(path: Path, layout: BarsLayout, cause: OSError) -> EnvironmentProblem:
    if cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentProblem(
            f"No room for {layout.total_bytes / 1e6:,.0f} MB of bars in {path.parent}",
            why=f"{free_bytes(path.parent) / 1e6:,.1f} MB are free there",
            hint=f"{_SMALLER}, or set KITE_RUNTIME_DIR to a roomier folder",
        )
    return EnvironmentProblem(
        f"No bars can be kept at {path}", why=str(cause.strerror), hint="set KITE_RUNTIME_DIR to a folder of your own"
    )
