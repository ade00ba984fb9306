"""What is on its way to a client and may not go yet, sans I/O: a thin or a long line. Time is an argument."""

from __future__ import annotations

from collections import deque
from typing import Final

SLICE_S: Final = 0.02
"""A thin line's bytes go in slices of this much of its time, so that a frame arrives bit by bit."""


class Outlet:
    """A queue of bytes, each with the moment it may go. Seconds of any steady clock."""

    def __init__(self) -> None:
        self.bytes_per_s: int | None = None
        self.delay_s = 0.0
        self.waiting_bytes = 0
        self._queue: deque[tuple[float, bytes]] = deque()
        self._last_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether bytes may go at once, as if there were no outlet."""
        return not self._queue and self.bytes_per_s is None and not self.delay_s

    def put(self, data: bytes, now_s: float, pause_s: float = 0.0) -> None:
        """``pause_s``: not before so long after whatever went or was put before it."""
        due_s = max(now_s + self.delay_s, self._last_s, max(now_s, self._last_s) + pause_s if pause_s else 0.0)
        for part in self._slices(data):
            due_s += len(part) / self.bytes_per_s if self.bytes_per_s else 0.0
            self._queue.append((due_s, part))
            self.waiting_bytes += len(part)
        self._last_s = due_s

    def take(self, now_s: float) -> list[bytes]:
        """What may go by ``now_s``, one write each."""
        out = []
        while self._queue and self._queue[0][0] <= now_s:
            out.append(self._queue.popleft()[1])
            self.waiting_bytes -= len(out[-1])
        return out

    def next_s(self) -> float | None:
        return self._queue[0][0] if self._queue else None

    def _slices(self, data: bytes) -> list[bytes]:
        if self.bytes_per_s is None:
            return [data]
        size = max(1, int(self.bytes_per_s * SLICE_S))
        return [data[at : at + size] for at in range(0, len(data), size)]
