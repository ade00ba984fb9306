"""Between the feed's thread and the writer's: records that wait to be framed, or to be known on disk.

The reference of the compiled ``Stage``, and what serves where no compiler was. One thread appends, another does the
rest. What is framed stays here until it is known on disk, so that a disk's error costs nothing that memory still has.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from kitecli.store.framing import MOST_ADDED, Framer
from kitecli.store.layout import FRAME, UNRECORDED, room_of
from kitecli.store.payloads import Unrecorded

SHARE_OF_ONE: Final = 4
"""No message may take more than a quarter of the room."""
ROOM_AGAIN: Final = 4
"""What found no room ends when a quarter is free again: few long holes rather than many short ones."""


class Stage:
    """Room for ``capacity`` bytes of records, a power of two."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.limit = capacity // SHARE_OF_ONE
        self.out_bytes = self.limit + MOST_ADDED + room_of(Unrecorded.BYTES)
        self.unrecorded = self.unrecorded_bytes = 0
        self._held: deque[tuple[int, int, int, bytes]] = deque()
        self._framed = self._held_bytes = self._framed_bytes = 0
        self._lacking = Unrecorded()
        self._framer = Framer(0, 0)
        self._released_number = 0

    def append(self, payload: bytes | memoryview, ts_recv_ns: int, connection: int = 0, kind: int = FRAME) -> bool:
        """Take a record in; False where there is no room, and then it is counted and told when there is again."""
        if self._lacking.messages and not self._tell_lack(ts_recv_ns):
            return self._refuse(len(payload), ts_recv_ns)
        if len(payload) > self.limit or self._held_bytes + room_of(len(payload)) > self.capacity:
            return self._refuse(len(payload), ts_recv_ns)
        self._hold(kind, connection, ts_recv_ns, bytes(payload))
        return True

    def begin(self, seed: int, offset: int, high_ns: int) -> None:
        """Frame into another segment from now on, from its ``offset``; its numbers begin at 0."""
        self._framer = Framer(seed, offset, 0, high_ns, offset)
        self._released_number = 0

    def frame(self, out: bytearray, until: int) -> int:
        """Frame what waits into ``out``, of ``out_bytes``, up to the segment's offset ``until``; returns the bytes."""
        size = 0
        while self._framed < len(self._held) and self._framer.offset < until:
            kind, connection, ts_recv_ns, payload = self._held[self._framed]
            if size + MOST_ADDED + room_of(len(payload)) > len(out):
                break
            piece = self._framer.record(kind, connection, ts_recv_ns, payload)
            out[size : size + len(piece)] = piece
            size += len(piece)
            self._framed += 1
            self._framed_bytes += room_of(len(payload))
        return size

    def end(self) -> bytes:
        """The segment's last record."""
        return self._framer.end()

    def synced(self) -> None:
        """All that was framed is on disk: let go of it, and say so in the file."""
        for _ in range(self._framed):
            self._held.popleft()
        self._held_bytes -= self._framed_bytes
        self._framed = self._framed_bytes = 0
        self._framer.synced = self._framer.offset
        self._framer.mark_due = True
        self._released_number = self._framer.number

    def rewind(self) -> int:
        """Frame again what isn't known on disk; returns the number of its first record, in the segment so far."""
        self._framed = self._framed_bytes = 0
        return self._released_number

    def tell_lack(self) -> None:
        """Put in what found no room since it was last told, whatever room there is; at the end of a recording."""
        if self._lacking.messages:
            self._tell()

    @property
    def offset(self) -> int:
        """Where the segment goes on."""
        return self._framer.offset

    @property
    def number(self) -> int:
        """Records framed into the segment."""
        return self._framer.number

    @property
    def high_ns(self) -> int:
        """The latest stamp framed."""
        return self._framer.high_ns

    @property
    def waiting(self) -> int:
        """Bytes that aren't framed yet."""
        return self._held_bytes - self._framed_bytes

    @property
    def held(self) -> int:
        """Bytes that aren't known on disk yet."""
        return self._held_bytes

    def _tell_lack(self, now_ns: int) -> bool:
        if self.capacity - self._held_bytes < self.capacity // ROOM_AGAIN:
            return False
        self._lacking.to_ns = max(self._lacking.to_ns, now_ns)
        self._tell()
        return True

    def _tell(self) -> None:
        lacking, self._lacking = self._lacking, Unrecorded()
        self._hold(UNRECORDED, 0, lacking.to_ns, lacking.encoded())

    def _refuse(self, size: int, ts_recv_ns: int) -> bool:
        self.unrecorded += 1
        self.unrecorded_bytes += size
        self._lacking.add(size, ts_recv_ns)
        return False

    def _hold(self, kind: int, connection: int, ts_recv_ns: int, payload: bytes) -> None:
        self._held_bytes += room_of(len(payload))
        self._held.append((kind, connection, ts_recv_ns, payload))
