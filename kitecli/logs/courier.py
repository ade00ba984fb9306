"""A thread that does, in order, what may take long: who hands it something never waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

ROOM: Final = 10_000


class Courier(Generic[T]):
    """``work`` is called with each item on a thread that begins with the first; it must not raise.

    ``room``: items that may wait.
    """

    def __init__(self, work: Callable[[T], None], name: str, room: int = ROOM) -> None:
        self._work = work
        self._name = name
        self._room = room
        self._box: queue.SimpleQueue[T | None] = queue.SimpleQueue()  # its put never waits, and may be interrupted
        self._thread: threading.Thread | None = None
        self._begin = threading.Lock()
        self._closed = False
        self._lost = 0

    def post(self, item: T) -> bool:
        """False where there is no room for it, or the courier is closed."""
        if self._closed or self._box.qsize() >= self._room:
            self._lost += 1
            return False
        if self._thread is None:
            self._start()
        self._box.put(item)
        return True

    def take_lost(self) -> int:
        """How many items found no room since this was asked last."""
        lost, self._lost = self._lost, 0
        return lost

    def close(self, timeout_s: float) -> bool:
        """Do what waits, for ``timeout_s`` at most; returns whether all was done. A second time changes nothing."""
        self._closed = True
        if self._thread is None:
            return True
        self._box.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _start(self) -> None:
        with self._begin:
            if self._thread is None:
                # Nobody waits for it at the end: the disk or the network may never answer.
                self._thread = threading.Thread(target=self._run, daemon=True, name=self._name)
                self._thread.start()

    def _run(self) -> None:
        while (item := self._box.get()) is not None:
            self._work(item)
