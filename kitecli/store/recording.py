"""A day's recording, read: records in their order, from an instant on, also while it is being written.

A record's *instant* is the latest stamp at or before it in the file: a clock that is set back doesn't tear records out
of their order, and two neighbouring spans of time hold every record once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError, RecordingDamaged
from kitecli.market.gap import Gap
from kitecli.store.folder import day_begins_ns
from kitecli.store.index import OUTAGES, Bits, load_index
from kitecli.store.layout import FIRST_STRUCTURAL, FRAME, GAP, LOST, LOST_PAYLOAD, ROW_DTYPE, UNRECORDED
from kitecli.store.payloads import Lost, Unrecorded, decode_gap
from kitecli.store.recovery import damage, examine, missing
from kitecli.store.scanning import Stop
from kitecli.store.segment import Buffer, SegmentReader, Walk, born_paths
from kitecli.store.tally import Tally
from kitecli.store.ticks import TickBatch, TickReader, about, joined

OPEN_FILES: Final = 8
Wanted = Callable[[SegmentReader], Bits | None]
"""Which blocks of a segment to read; None: all."""


class Record(NamedTuple):
    """``number`` counts the day's records from 0; ``payload`` stays readable for as long as it is held."""

    number: int
    kind: int
    connection: int
    ts_recv_ns: int
    payload: Buffer


class Frame(NamedTuple):
    """A binary message as it came."""

    payload: Buffer
    ts_recv_ns: int
    connection: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Records that lie side by side: ``rows`` of ROW_DTYPE with ``at`` in ``data``; ``first``: the day's records
    before their segment."""

    data: Buffer
    rows: NDArray[np.void]
    first: int


@dataclass(slots=True)
class _Span:
    """A span of instants as it is read, segment by segment. ``high_ns``: the latest stamp so far."""

    from_ns: int
    to_ns: int | None
    structural: bool
    high_ns: int = 0

    def of(self, walk: Walk, first: int, reached: int) -> Generator[Piece, None, bool]:
        """What of a segment's records lies in it, but for those of the day's that were ``reached`` before. ``first``:
        the day's records before the segment. Returns whether the span is over."""
        for chunk in walk:
            instants = np.maximum(np.maximum.accumulate(chunk.rows["ts_recv_ns"]), self.high_ns)
            self.high_ns = int(instants[-1])
            begin = int(np.searchsorted(instants, self.from_ns))
            end = len(instants) if self.to_ns is None else int(np.searchsorted(instants, self.to_ns))
            rows = self._wanted(chunk.rows[begin:end], reached - first)
            if rows.size:
                yield Piece(chunk.data, rows, first)
            if end < len(instants):
                return True
        return False

    def _wanted(self, rows: NDArray[np.void], known: int) -> NDArray[np.void]:
        if known > 0:
            rows = rows[rows["number"] >= known]
        return rows if self.structural else rows[(rows["kind"] < FIRST_STRUCTURAL) | (rows["kind"] == LOST)]

    def lacking(self, first: int, lost: Lost) -> Iterator[Piece]:
        """The record that salvage would write of records from ``first`` on, stamped within the span: in every span
        that it touches, or whoever reads one of them would take it for whole."""
        if lost.to_ns < self.from_ns or (self.to_ns is not None and lost.from_ns >= self.to_ns):
            return
        rows: NDArray[np.void] = np.zeros(1, ROW_DTYPE)
        rows["ts_recv_ns"] = lost.to_ns if self.to_ns is None else min(lost.to_ns, self.to_ns - 1)
        rows["length"], rows["kind"] = LOST_PAYLOAD.size, LOST
        yield Piece(lost.encoded(), rows, first)


class Recording:
    """One day's recording. Times are epoch nanoseconds; a span holds ``from_ns`` and not ``to_ns``.

    Reading raises :class:`~kitecli.errors.RecordingDamaged` where it comes to damage, and has given all before it; with
    ``past_damage`` it goes on, with an outage in its place, and raises :class:`DataError` only for a segment whose
    header can't be read. ``alone``: one segment of several, and what is before and behind it isn't missed.
    """

    def __init__(self, folder: Path, paths: list[Path], *, past_damage: bool = False, alone: bool = False) -> None:
        self.folder = folder
        self.past_damage = past_damage
        self._paths = paths
        self._alone = alone
        self._readers: dict[int, SegmentReader] = {}

    @classmethod
    def open(cls, place: Path, *, past_damage: bool = False) -> Self:
        """The recording in a day's folder, as far as it has come, or in one segment. Raises :class:`DataError` where
        there is none."""
        if place.is_file():
            return cls(place.parent, [place], past_damage=past_damage, alone=True)
        paths = born_paths(place)
        if not paths:
            raise DataError(f"There is no recording in {place}", hint="kite data list shows what there is")
        return cls(place, paths, past_damage=past_damage)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    @property
    def place(self) -> Path:
        """What was opened: the day's folder, or a segment."""
        return self._paths[0] if self._alone else self.folder

    @property
    def whole(self) -> bool:
        """Whether it begins with the day's first record."""
        return self._reader(0).header.first_record == 0

    @property
    def day(self) -> date:
        """The trading day."""
        return self._reader(0).header.day

    @property
    def master(self) -> bytes:
        """SHA-256 of the day's instrument master as served; zeros where none was known."""
        return self._reader(len(self._paths) - 1).header.master

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(reader.file_bytes for reader in self.segments())

    def segments(self) -> Iterator[SegmentReader]:
        """The day's files in their order."""
        return (self._reader(at) for at in range(len(self._paths)))

    def records(self, from_ns: int = 0, to_ns: int | None = None, kinds: Collection[int] = ()) -> Iterator[Record]:
        """Every record of the span in its order, or those of some ``kinds``; structural ones are left out."""
        for piece in self.pieces(from_ns, to_ns):
            yield from _records(piece, kinds)

    def frames(self, from_ns: int = 0, to_ns: int | None = None) -> Iterator[Frame]:
        """Every binary message of the span, as it came."""
        for piece in self.pieces(from_ns, to_ns):
            rows = piece.rows[piece.rows["kind"] == FRAME]
            stamps, lines = rows["ts_recv_ns"].tolist(), rows["connection"].tolist()
            yield from map(Frame, _payloads(piece.data, rows), stamps, lines)

    def ticks(
        self, tokens: Collection[int] = (), from_ns: int = 0, to_ns: int | None = None, *, depth: bool = False
    ) -> Iterator[TickBatch]:
        """The span's ticks through the decoder, in batches; those of ``tokens``, or all.

        A subscription before ``from_ns`` whose first packet comes after it isn't known, so that packet isn't flagged
        as a snapshot.
        """
        reader = TickReader(tokens, depth=depth)
        try:
            for piece in self.pieces(from_ns, to_ns, tokens=tokens):
                yield from reader.take(piece.data, about(piece.data, piece.rows, tokens))
        except RecordingDamaged:
            yield from reader.rest()
            raise
        yield from reader.rest()

    def array(
        self, tokens: Collection[int] = (), from_ns: int = 0, to_ns: int | None = None, *, depth: bool = False
    ) -> TickBatch:
        """The same ticks as :meth:`ticks`, in one piece: 64 bytes of memory each, and 128 more with ``depth``."""
        return joined(list(self.ticks(tokens, from_ns, to_ns, depth=depth)), depth=depth)

    def gaps(self, from_ns: int = 0, to_ns: int | None = None) -> list[Gap]:
        """Every outage told of in the span: of a connection (once when it begins and once when it ends), of the
        recorder, and what was lost to damage. No instruments named means that any may have missed something."""
        pieces = self._pieces(from_ns, to_ns, _blocks_of_outages)
        return [_outage(record) for piece in pieces for record in _records(piece, OUTAGES)]

    def pieces(
        self, from_ns: int = 0, to_ns: int | None = None, *, structural: bool = False, tokens: Collection[int] = ()
    ) -> Iterator[Piece]:
        """The span's records in arrays, as they lie in the files: what everything else is made of.

        ``tokens``: leave out what is known not to be about any of these; a segment with an index has whole blocks.
        """
        return self._pieces(from_ns, to_ns, partial(_blocks_about, tokens), structural=structural)

    def uncounted(self, tally: Tally) -> Iterator[Piece]:
        """The records of the segments that have no index; what one has counted is added to ``tally`` in its place."""
        return self._pieces(0, None, partial(_blocks_uncounted, tally))

    def _pieces(
        self,
        from_ns: int,
        to_ns: int | None,
        wanted: Callable[[SegmentReader], Bits | None],
        *,
        structural: bool = False,
    ) -> Iterator[Piece]:
        span = _Span(from_ns, to_ns, structural)
        if self.past_damage:
            yield from self._sound_pieces(span)
            return
        self._check_beginning()
        start = self._first_segment(from_ns)
        reached, span.high_ns = self._end_before(start), self._reader(start).header.high_ns
        for at in range(start, len(self._paths)):
            reader = self._reader(at)
            walk = reader.walk(reader.seek(from_ns), wanted(reader))
            if (yield from span.of(walk, reader.header.first_record, reached)):
                return
            reached = max(reached, reader.header.first_record + walk.place.number)
            self._check_end(at, walk, reached)

    def _sound_pieces(self, span: _Span) -> Iterator[Piece]:
        """With a piece of one ``LOST`` record where records are missing. Every byte before the span's end of the
        segments it comes by is looked at twice."""
        start = self._first_segment(span.from_ns)
        span.high_ns, reached = self._known_before(start)
        for at in range(start, len(self._paths)):
            reader = self._reader(at)
            first = reader.header.first_record
            if reached < first:
                yield from span.lacking(reached, Lost(first, span.high_ns, reader.header.high_ns, 0))
            found = examine(reader)
            for number, stretch in enumerate(found.stretches):
                if number:
                    hole = found.holes[number - 1]
                    lost = Lost(first + hole.until, hole.from_ns, hole.to_ns, hole.size)
                    yield from span.lacking(first + hole.first, lost)
                if (yield from span.of(reader.walk(stretch.start), first, reached)):
                    return
            reached = max(reached, first + found.end.number)

    def _known_before(self, at: int) -> tuple[int, int]:
        """The latest stamp and the number of records before a segment, as far as the files before it tell."""
        header = self._reader(at).header
        if at or self._alone:
            return header.high_ns, self._end_before(at)
        return min(day_begins_ns(header.day), header.high_ns), 0

    def _check_beginning(self) -> None:
        header = self._reader(0).header
        if header.first_record > 0 and not self._alone:
            raise missing(header, self.folder, 0, 0, 0)

    def _check_end(self, at: int, walk: Walk, reached: int) -> None:
        """A file must reach the next one's first record; what the last one must reach, its marks say."""
        reader = self._reader(at)
        after = self._reader(at + 1).header if at + 1 < len(self._paths) else None
        if after is not None and reached >= after.first_record:
            return
        if walk.stop is not Stop.ENDED and (holes := examine(reader, walk.place).holes):
            raise damage(reader, holes[0])
        if after is not None:
            raise missing(after, self.folder, reached, reader.header.segment, walk.place.high_ns)

    def _first_segment(self, from_ns: int) -> int:
        """The last segment before which every stamp is below ``from_ns``."""
        return max(0, bisect_left(range(len(self._paths)), from_ns, key=self._high_before) - 1)

    def _high_before(self, at: int) -> int:
        return self._reader(at).header.high_ns

    def _end_before(self, at: int) -> int:
        """The day's records before a segment: its header knows, unless some were written a second time."""
        header = self._reader(at).header
        if not at or header.former_end <= header.first_record:
            return header.first_record
        before = self._reader(at - 1)
        end = before.end or examine(before).end
        return max(before.header.first_record + end.number, header.first_record)

    def _reader(self, at: int) -> SegmentReader:
        """A segment's reader; the few used last stay open."""
        reader = self._readers.pop(at, None) or SegmentReader(self._paths[at])
        self._readers[at] = reader
        if len(self._readers) > OPEN_FILES:
            self._readers.pop(next(iter(self._readers))).close()
        return reader


def _blocks_about(tokens: Collection[int], reader: SegmentReader) -> Bits | None:
    index = load_index(reader) if tokens else None
    return index.blocks_of(tokens) if index is not None else None


def _blocks_of_outages(reader: SegmentReader) -> Bits | None:
    index = load_index(reader)
    return index.told if index is not None else None


def _blocks_uncounted(tally: Tally, reader: SegmentReader) -> Bits | None:
    """Of a segment some of whose records may stand in the one before, too, what was counted is no use."""
    twice = reader.header.former_end > reader.header.first_record
    index = None if twice else load_index(reader)
    if index is None:
        return None
    tally.add(index.tally)
    return np.zeros_like(index.told)


def _records(piece: Piece, kinds: Collection[int]) -> Iterator[Record]:
    """A piece's records, or those of some ``kinds``."""
    rows = piece.rows[np.isin(piece.rows["kind"], list(kinds))] if kinds else piece.rows
    numbers = (rows["number"].astype(np.int64) + piece.first).tolist()
    stamps, lines = rows["ts_recv_ns"].tolist(), rows["connection"].tolist()
    return map(Record, numbers, rows["kind"].tolist(), lines, stamps, _payloads(piece.data, rows))


def _outage(record: Record) -> Gap:
    if record.kind == GAP:
        return decode_gap(record.payload, record.connection)
    if record.kind == UNRECORDED:
        return Unrecorded.decoded(record.payload).as_gap()
    return Lost.decoded(record.payload).as_gap(record.number)


def _payloads(data: Buffer, rows: NDArray[np.void]) -> list[memoryview]:
    view, starts = memoryview(data), rows["at"]
    ends = (starts + rows["length"]).tolist()
    return [view[start:end] for start, end in zip(starts.tolist(), ends, strict=True)]
