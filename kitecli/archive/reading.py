"""A recording's ticks in batches that say which of the ticks asked for they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from kitecli.ring.reader import Batch
from kitecli.store.recording import Recording
from kitecli.store.spans import Span


def batches(recording: Recording, tokens: Collection[int], span: Span, *, depth: bool = True) -> Iterator[Batch]:
    """The ticks of ``tokens`` (all, where there are none) in a span, numbered from 0 as they were received."""
    at = 0
    for found in recording.ticks(tokens, span.from_ns, span.to_ns, depth=depth):
        yield Batch(found.ticks, found.depth, at, 0)
        at += len(found.ticks)


def first_of(found: Iterable[Batch], count: int) -> Iterator[Batch]:
    """The first ``count`` ticks of batches."""
    for batch in found:
        if count <= 0:
            return
        depth = None if batch.depth is None else batch.depth[:count]
        yield Batch(batch.ticks[:count], depth, batch.first_sequence, 0)
        count -= len(batch)
