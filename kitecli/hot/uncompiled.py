"""The pass where no compiler was: reference decoder and reference writer behind the compiled pass's interface.

Python has no memory barriers, so what this writes can be read in its own process only.
"""

from __future__ import annotations

from collections.abc import Mapping

from kitecli.protocol.decoder import decode_frame
from kitecli.ring.memory import RingMemory
from kitecli.ring.writer import RingWriter


class FramePass:
    """The one writer of a ring: a frame in, ticks in the ring and on the board."""

    def __init__(self, memory: RingMemory) -> None:
        self._writer = RingWriter(memory)

    def ingest(self, payload: bytes | memoryview, ts_recv_ns: int, connection: int = 0) -> int:
        """Take one binary message in; returns the number of ticks it brought. Never raises on bad bytes."""
        frame = decode_frame(payload, ts_recv_ns=ts_recv_ns, connection=connection)
        self._writer.beat(ts_recv_ns)
        self._writer.write(frame.ticks, frame.depth)
        self._writer.count(
            frames=1,
            bytes=len(payload),
            ticks=frame.ticks.size,
            heartbeats=int(frame.heartbeat),
            **frame.damage.as_dict(),
        )
        return frame.ticks.size

    def expect_snapshots(self, modes: Mapping[int, str]) -> None:
        """The next packet of each token is the broker's cached one; see :class:`~kitecli.ring.writer.RingWriter`."""
        self._writer.expect_snapshots(modes)

    def close(self) -> None:
        """Tell readers that nothing will come any more."""
        self._writer.close()
