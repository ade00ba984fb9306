"""Ticks as Parquet: sorted by instrument, each one's in row groups that few others share, so that a query reads few."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from kitecli.archive.columns import columns_of
from kitecli.archive.sorting import Sorted
from kitecli.errors import EnvironmentProblem
from kitecli.market.modes import MODES

GROUP_ROWS: Final = 1 << 17
"""Small instruments share a row group up to so many ticks; of 9,000 groups the file's own index would be its bulk."""
ZONE: Final = "Asia/Kolkata"


def arrow() -> tuple[ModuleType, ModuleType]:
    """``pyarrow`` and ``pyarrow.parquet``. Raises :class:`EnvironmentProblem` where they aren't installed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise EnvironmentProblem(
            "Parquet can't be written here",
            why="it needs the package pyarrow, which isn't installed",
            hint="Run: pip install 'kitecli[lake]', or take --format csv",
        ) from None
    return pa, parquet


def write_parquet(
    file: IO[bytes], found: Sorted, labels: Mapping[int, str], step: Callable[[int], object] = lambda _: None
) -> None:
    """Write sorted ticks; prices in rupees, what a tick's mode doesn't carry is null."""
    pyarrow, parquet = arrow()
    names = _names(found, labels)
    empty = _table(pyarrow, found, slice(0, 0), names)
    with parquet.ParquetWriter(file, empty.schema, compression="zstd", use_dictionary=["instrument", "mode"]) as writer:
        for rows in groups(found.census.starts):
            writer.write_table(_table(pyarrow, found, rows, names), row_group_size=GROUP_ROWS)
            step(rows.stop - rows.start)


def groups(starts: NDArray[np.int64], most: int = GROUP_ROWS) -> Iterator[slice]:
    """Row groups of ``most`` rows: whole instruments together as long as they fit, a larger one in its own."""
    begin = 0
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if end - begin > most and begin < start:
            yield slice(begin, start)
            begin = start
        while end - begin > most:
            yield slice(begin, begin + most)
            begin += most
    if begin < starts[-1]:
        yield slice(begin, int(starts[-1]))


def _names(found: Sorted, labels: Mapping[int, str]) -> list[str]:
    """The instruments' names in the order of their tokens; empty for one that has none."""
    return [labels.get(token, "") for token in found.census.tokens.tolist()]


def _table(pyarrow: ModuleType, found: Sorted, rows: slice, names: list[str]) -> Any:
    """Some rows as an Arrow table. pyarrow has no type hints."""
    ticks = np.ascontiguousarray(found.ticks[rows])
    depth = None if found.depth is None else found.depth[rows]
    places = np.searchsorted(found.census.tokens, ticks["token"]).astype(np.int32)
    nameless = np.array([not name for name in names], np.bool_)[places]  # a dictionary may hold no null, its use may
    modes = pyarrow.DictionaryArray.from_arrays((ticks["mode"] - 1).astype(np.int8), pyarrow.array(MODES))
    leading = {
        "sequence": pyarrow.array(found.sequences[rows]),
        "ts_recv_ns": pyarrow.array(ticks["ts_recv_ns"]),
        "instrument_token": pyarrow.array(ticks["token"]),
        "instrument": pyarrow.DictionaryArray.from_arrays(
            pyarrow.array(places, mask=nameless), pyarrow.array(names, pyarrow.string())
        ),
        "mode": modes,
    }
    rest = {name: _array(pyarrow, *column) for name, column in columns_of(ticks, depth).items()}
    return pyarrow.table({**leading, **rest})


def _array(pyarrow: ModuleType, values: NDArray[Any], there: NDArray[np.bool_] | None) -> Any:
    kind = pyarrow.timestamp("ms", tz=ZONE) if values.dtype.kind == "M" else None
    return pyarrow.array(np.ascontiguousarray(values), kind, mask=None if there is None else ~there)
