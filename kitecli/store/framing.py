"""Records into a segment's bytes: numbers, checksums, marks and padding. Sans I/O; the reference of the compiled log.

::

    record: as it comes, unless it doesn't fit what is left of the block
    block:  begins with a mark; what its last record leaves is padding: a record if there is room for one, else zeros
    longer than a block: begins right after a mark and runs over the boundaries it covers, where then no mark stands

So a reader that knows no index finds any instant by looking at marks, which carry the latest stamp before them.
"""

from __future__ import annotations

from typing import Final

from kitecli.store.layout import (
    BLOCK_BYTES,
    END,
    END_BYTES,
    END_PAYLOAD,
    LOST,
    LOST_PAYLOAD,
    MARK,
    MARK_BYTES,
    MARK_PAYLOAD,
    PAD,
    RECORD_BYTES,
    encode_record,
    left_in_block,
    room_of,
)

MOST_ADDED: Final = BLOCK_BYTES + 2 * MARK_BYTES
"""The most that padding and marks add before one record."""


class Framer:
    """The end of a segment that is being written: ``offset`` in its file, ``number`` of its next record.

    ``synced``: how much of the file is known to be on disk; each mark says it. ``mark_due``: say it before the next.
    """

    def __init__(self, seed: int, offset: int, number: int = 0, high_ns: int = 0, synced: int = 0) -> None:
        self.seed = seed
        self.offset = self._start = offset
        self.number = number
        self.high_ns = high_ns
        self.synced = synced
        self.mark_due = False

    def record(self, kind: int, connection: int, ts_recv_ns: int, payload: bytes) -> bytes:
        """A record, and what has to stand before it."""
        out = self._make_room(room_of(len(payload)))
        self.high_ns = max(self.high_ns, ts_recv_ns)
        out += self._put(kind, ts_recv_ns, payload, connection)
        self.number += 1
        return out

    def lost(self, until: int, from_ns: int, to_ns: int, size: int) -> bytes:
        """Says that the records up to number ``until`` are lost; the next one is ``until``."""
        payload = LOST_PAYLOAD.pack(until, from_ns, to_ns, size)
        out = self._make_room(room_of(len(payload))) + self._put(LOST, self.high_ns, payload)
        self.number = until
        return out

    def end(self, cut: int = 0) -> bytes:
        """The segment's last record; ``cut``: bytes of a torn tail that stood here."""
        out = self._make_room(END_BYTES)
        return out + self._put(END, self.high_ns, END_PAYLOAD.pack(self.offset, cut))

    def _make_room(self, size: int) -> bytes:
        out = b""
        if self.offset % BLOCK_BYTES == 0:
            out += self._mark()
        if self.mark_due:
            out += self._padding() + self._mark() if left_in_block(self.offset) < MARK_BYTES else self._mark()
        if size > left_in_block(self.offset) and not self._after_mark():
            out += self._padding() + self._mark()
        return out

    def _after_mark(self) -> bool:
        return self.offset == self._start or self.offset % BLOCK_BYTES == MARK_BYTES

    def _mark(self) -> bytes:
        self.mark_due = False
        return self._put(MARK, self.high_ns, MARK_PAYLOAD.pack(self.synced))

    def _padding(self) -> bytes:
        left = left_in_block(self.offset)
        if left >= RECORD_BYTES:
            return self._put(PAD, self.high_ns, bytes(left - RECORD_BYTES))
        self.offset += left
        return bytes(left)

    def _put(self, kind: int, ts_ns: int, payload: bytes, connection: int = 0) -> bytes:
        record = encode_record(kind, self.number, ts_ns, payload, self.seed, connection)
        self.offset += len(record)
        return record
