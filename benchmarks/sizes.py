"""What a recorded tick takes on disk, beside Parquet with zstd, and beside what its data's entropy would allow.

The entropy is that of each field's changes from an instrument's tick to its next one, taken for itself and summed: what
a coder needs that knows how often each change comes, and nothing else.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.archive.importing import import_day
from kitecli.archive.intake import take_in
from kitecli.archive.naming import DayNames, Labels
from kitecli.archive.parquet import arrow, write_parquet
from kitecli.archive.reading import batches
from kitecli.archive.sorting import by_instrument, census
from kitecli.errors import EnvironmentProblem
from kitecli.market.tick import FLAG_DEPTH
from kitecli.store.folder import disk_bytes, segment_paths
from kitecli.store.recording import Recording
from kitecli.store.sealing import seal_ended
from kitecli.store.spans import Span
from kitecli.store.ticks import TickBatch
from report import Row, Table, less

REAL: Final = "ticks/DERIVED_kitelike_quote_2024-06-27.parquet"
REAL_DAY: Final = date(2024, 6, 27)
_ENTROPY: Final = "entropy: of each field's change since its instrument's tick before, field by field, summed"


def real_sizes() -> list[Table]:
    """Those of the real quote ticks in ``KITE_MARKET_DATA``; none where they or DuckDB aren't there."""
    source = Path(os.environ.get("KITE_MARKET_DATA", ""), REAL)
    if not source.is_file():
        return []
    with tempfile.TemporaryDirectory() as name:
        try:
            done = import_day([take_in(source, "quote")], Path(name), REAL_DAY)
        except EnvironmentProblem:
            return []
        raw_bytes = segment_bytes(done.folder)
        for _ in seal_ended(Path(name)):
            pass
        title = f"{done.ticks:,} real quote ticks of {done.instruments} options, {done.messages / done.ticks:.0%} alone"
        file = Row("the file they came from, Parquet", source.stat().st_size / done.ticks)
        return [size_table(done.folder, raw_bytes, title, rows=(file,))]


def size_table(
    folder: Path, raw_bytes: int, title: str, *, most: int | None = None, rows: tuple[Row, ...] = (), note: str = ""
) -> Table:
    """A packed day's bytes a tick beside ``raw_bytes`` of the segments it was packed from; ``most``: the target."""
    with Recording.open(folder) as recording:
        found = recording.array(depth=True)
        count = found.ticks.size
        packed, raw = segment_bytes(folder) / count, raw_bytes / count
        met = packed <= most if most else None
        target = f"<= {most}" if most else ""
        first = Row("packed recording", packed, None, raw, None, less(raw, packed), target, met)
        others = [Row(what, size / count) for what, size in _parquet_sizes(recording, found)]
        entropy = Row("entropy", entropy_bits(found) / 8)
    notes = [_ENTROPY, *([note] if note else [])]
    notes += [] if others else ["Parquet is left out: pyarrow isn't installed"]
    return Table(
        "recordings", f"The size of a recording: {title}", "bytes", "raw", [first, *others, *rows, entropy], notes
    )


def segment_bytes(folder: Path) -> int:
    return sum(map(disk_bytes, segment_paths(folder)))


def entropy_bits(found: TickBatch) -> float:
    """Bits a tick."""
    order = np.argsort(found.ticks["token"], kind="stable")
    fresh = np.diff(found.ticks["token"][order], prepend=0) != 0
    fields = (column[order].astype(np.int64) for name, column in _fields(found) if name != "ts_recv_ns")
    received = np.diff(found.ticks["ts_recv_ns"], prepend=0)[1:]  # as they come: over all instruments
    return _bits(received) + sum(_bits(np.where(fresh, column, np.diff(column, prepend=0))) for column in fields)


def _fields(found: TickBatch) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Every number of the ticks, and of their depth where any has one; what only repeats the recording is left out."""
    yield from (
        (name, found.ticks[name]) for name in found.ticks.dtype.names or () if name not in ("connection", "flags")
    )
    if found.depth is None or not (found.ticks["flags"] & FLAG_DEPTH).any():
        return
    yield from ((name, found.depth[name]) for name in ("last_trade_time", "oi_day_high"))
    for side in ("buy", "sell"):
        for level in range(5):
            for name in ("quantity", "price", "orders"):
                yield f"{side}_{name}_{level}", found.depth[side][name][:, level]


def _bits(values: NDArray[np.int64]) -> float:
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _parquet_sizes(recording: Recording, found: TickBatch) -> Iterator[tuple[str, int]]:
    try:
        pyarrow, parquet = arrow()
    except EnvironmentProblem:
        return
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "ticks.parquet")
        columns = {
            name: np.ascontiguousarray(column.astype(column.dtype.newbyteorder("="))) for name, column in _fields(found)
        }
        parquet.write_table(pyarrow.table(columns), path, compression="zstd")
        yield "Parquet, zstd: the packets' integers, as received", path.stat().st_size
        counted = census(batches(recording, (), Span(), depth=False))
        names = DayNames.of(recording.folder, recording.day, recording.master)
        again = batches(recording, (), Span(), depth=counted.depth)
        with by_instrument(counted, again, Path(name)) as ticks, path.open("wb") as file:
            write_parquet(file, ticks, Labels(names))
        yield "Parquet, zstd: what kite data export writes, by instrument", path.stat().st_size
