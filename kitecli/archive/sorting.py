"""Ticks by instrument, of a day that needn't fit into memory: two passes, and in between a file of its size.

::

    first pass     how many ticks each instrument has, so where its ticks begin in the file
    second pass    each batch sorted by instrument (stably), each run of one put behind the last
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kitecli.archive.reading import first_of
from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, TICK_DTYPE
from kitecli.ring.reader import Batch

GATHERED: Final = 1 << 18
"""Ticks that are put into the file together, 50 MB: the longer an instrument's runs, the fewer pages are touched."""
_OPAQUE_TICK: Final = np.dtype(f"V{TICK_DTYPE.itemsize}")
_OPAQUE_DEPTH: Final = np.dtype(f"V{DEPTH_DTYPE.itemsize}")


@dataclass(frozen=True, slots=True)
class Census:
    """``tokens``: (m,) ascending. ``starts``: (m + 1,) where each one's ticks begin, and where the last one's end."""

    tokens: NDArray[np.uint32]
    starts: NDArray[np.int64]
    depth: bool

    @property
    def ticks(self) -> int:
        return int(self.starts[-1])


@dataclass(frozen=True, slots=True)
class Sorted:
    """Ticks by token, each one's as they were received; mapped from a file. ``depth``: None where no tick has any."""

    census: Census
    ticks: NDArray[np.void]
    sequences: NDArray[np.int64]
    depth: NDArray[np.void] | None


def census(batches: Iterable[Batch], step: Callable[[int], object] = lambda _: None) -> Census:
    """Count ticks by instrument."""
    counts: dict[int, int] = {}
    depth = False
    for batch in batches:
        tokens, numbers = np.unique(batch.ticks["token"], return_counts=True)
        for token, number in zip(tokens.tolist(), numbers.tolist(), strict=True):
            counts[token] = counts.get(token, 0) + number
        depth = depth or bool((batch.ticks["flags"] & FLAG_DEPTH).any())
        step(len(batch))
    tokens = np.array(sorted(counts), np.uint32)
    starts = np.concatenate([[0], np.cumsum([counts[token] for token in tokens.tolist()], dtype=np.int64)])
    return Census(tokens, starts, depth)


@contextmanager
def by_instrument(
    found: Census,
    batches: Iterable[Batch],
    beside: Path,
    step: Callable[[int], object] = lambda _: None,
    together: int = GATHERED,
) -> Iterator[Sorted]:
    """The ticks that were counted, sorted in a file of a folder below ``beside`` that is removed with the block.

    ``together``: how many are put into the file at a time.
    """
    with TemporaryDirectory(dir=beside, prefix=".sorting-", ignore_cleanup_errors=True) as folder:
        ticks = _mapped(Path(folder, "ticks"), _OPAQUE_TICK, found.ticks)
        sequences = _mapped(Path(folder, "sequences"), np.dtype(np.int64), found.ticks)
        depth = _mapped(Path(folder, "depth"), _OPAQUE_DEPTH, found.ticks) if found.depth else None
        heads = found.starts[:-1].copy()
        for batch in gathered(first_of(batches, found.ticks), together):  # a day that is recorded has more by now
            order, places = _places(batch.ticks["token"], found.tokens, heads)
            ticks[places] = batch.ticks.view(_OPAQUE_TICK)[order]
            sequences[places] = batch.sequences[order]
            if depth is not None and batch.depth is not None:
                depth[places] = batch.depth.view(_OPAQUE_DEPTH)[order]
            step(len(batch))
        yield Sorted(found, ticks.view(TICK_DTYPE), sequences, None if depth is None else depth.view(DEPTH_DTYPE))


def gathered(batches: Iterable[Batch], least: int) -> Iterator[Batch]:
    """Batches of one row joined into fewer of ``least`` ticks or more; the last may be smaller."""
    waiting: list[Batch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(batch)
        if count >= least:
            yield _joined(waiting)
            waiting, count = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(batches: list[Batch]) -> Batch:
    ticks = np.concatenate([batch.ticks.view(_OPAQUE_TICK) for batch in batches]).view(TICK_DTYPE)
    books = [batch.depth.view(_OPAQUE_DEPTH) for batch in batches if batch.depth is not None]
    return Batch(ticks, np.concatenate(books).view(DEPTH_DTYPE) if books else None, batches[0].first_sequence, 0)


def _places(
    tokens: NDArray[np.uint32], known: NDArray[np.uint32], heads: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """The order that sorts a batch, and the rows in the file it goes to; ``heads`` moves on."""
    order = np.argsort(tokens, kind="stable")
    present, firsts, counts = np.unique(tokens[order], return_index=True, return_counts=True)
    slots = np.searchsorted(known, present)
    places = np.arange(len(tokens)) + np.repeat(heads[slots] - firsts, counts)
    heads[slots] += counts
    return order, places


def _mapped(path: Path, dtype: np.dtype[Any], rows: int) -> NDArray[Any]:  # Any: opaque rows, or numbers
    if not rows:
        return np.empty(0, dtype)
    return np.memmap(path, dtype, "w+", shape=(rows,))
