"""What is whole of a recording, with what is lost between told as such: for who asked to go on all the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kitecli.store.layout import FIRST_STRUCTURAL, LOST, LOST_PAYLOAD, ROW_DTYPE
from kitecli.store.recording import Piece, Recording
from kitecli.store.recovery import examine
from kitecli.store.segment import SegmentReader


def sound_pieces(recording: Recording, from_ns: int, to_ns: int | None) -> Iterator[Piece]:
    """As :meth:`Recording.pieces`, with a piece of one ``LOST`` record where records are missing.

    Every byte before ``to_ns`` is looked at, twice. Raises :class:`DataError` for a segment whose header can't be read.
    """
    high_ns = reached = 0
    for segment in recording.segments():
        first = segment.header.first_record
        if first > reached:
            yield _lost(reached, first, high_ns, segment.header.high_ns, 0)
        for piece in _whole(segment):
            fresh = piece.rows[(piece.rows["number"] >= reached - first) | (piece.rows["kind"] == LOST)]
            instants = np.maximum(np.maximum.accumulate(fresh["ts_recv_ns"]), high_ns)
            kept = fresh[(instants >= from_ns) & (instants < (to_ns if to_ns is not None else np.iinfo(np.int64).max))]
            if kept.size:
                yield Piece(piece.data, kept, first)
            high_ns = int(instants[-1]) if instants.size else high_ns
            if to_ns is not None and high_ns >= to_ns:
                return
        reached = max(reached, first + examine(segment).end.number)


def _whole(segment: SegmentReader) -> Iterator[Piece]:
    """A segment's records up to its torn tail, if it has one."""
    found, first = examine(segment), segment.header.first_record
    for at, stretch in enumerate(found.stretches):
        if at:
            hole = found.holes[at - 1]
            yield _lost(first + hole.first, first + hole.until, hole.from_ns, hole.to_ns, hole.size)
        for chunk in segment.walk(stretch.start):
            rows = chunk.rows[(chunk.rows["kind"] < FIRST_STRUCTURAL) | (chunk.rows["kind"] == LOST)]
            if rows.size:
                yield Piece(chunk.data, rows, first)


def _lost(first: int, until: int, from_ns: int, to_ns: int, size: int) -> Piece:
    """The record that salvage would write here."""
    rows: NDArray[np.void] = np.zeros(1, ROW_DTYPE)
    rows["ts_recv_ns"], rows["length"], rows["kind"] = to_ns, LOST_PAYLOAD.size, LOST
    return Piece(LOST_PAYLOAD.pack(until, from_ns, to_ns, size), rows, first)
