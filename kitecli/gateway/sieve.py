"""Which ticks of a ring are a reader's own: a gateway that others have joined streams their instruments as well."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kitecli.ring.reader import Batch, View


class Sieve:
    """Passes the instruments of ``modes``; all there are where that is None.

    Changes may come from any thread; batches are sieved by the one that reads. While the ring holds nothing foreign a
    batch passes untouched, and looking whether it does costs 1 us.
    """

    def __init__(self, view: View, modes: Mapping[int, str] | None) -> None:
        self.passed_over = 0
        self._view = view
        self._wanted = None if modes is None else dict(modes)
        self._lock = threading.Lock()
        self._sorted: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self._rows = 0
        self._foreign = False
        self._stale = True

    def want(self, modes: Mapping[int, str]) -> list[int]:
        """Pass these too; returns those that weren't passed before."""
        with self._lock:
            if self._wanted is None:
                return []
            fresh = [token for token in modes if token not in self._wanted]
            self._wanted.update(modes)
            self._stale = self._stale or bool(fresh)
            return fresh

    def drop(self, tokens: Iterable[int]) -> None:
        with self._lock:
            if self._wanted is not None:
                for token in tokens:
                    self._wanted.pop(token, None)
                self._stale = True

    def keep(self, batch: Batch) -> Batch:
        """The batch without what others asked for; the same one where there is nothing of theirs."""
        if self._wanted is None or not self._has_foreign():
            return batch
        mine = np.flatnonzero(self.mask(batch.ticks["token"]))
        self.passed_over += len(batch) - mine.size
        if mine.size == len(batch):
            return batch
        depth = None if batch.depth is None else batch.depth[mine]
        return replace(batch, ticks=batch.ticks[mine], depth=depth, scattered=batch.sequences[mine])

    def mask(self, tokens: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which of ``tokens`` are wanted."""
        if self._wanted is None:
            return np.ones(tokens.size, np.bool_)
        wanted = self._in_order()
        if not wanted.size:
            return np.zeros(tokens.size, np.bool_)
        at = np.minimum(np.searchsorted(wanted, tokens), wanted.size - 1)
        found: NDArray[np.bool_] = wanted[at] == tokens
        return found

    def _in_order(self) -> NDArray[np.uint32]:
        with self._lock:
            if self._stale:
                self._sorted = np.sort(np.fromiter(self._wanted or (), np.uint32))
                self._stale, self._rows, self._foreign = False, 0, False
            return self._sorted

    def _has_foreign(self) -> bool:
        """Whether the ring has ever had an instrument that isn't wanted now."""
        self._in_order()
        rows = self._view.board_rows()
        if rows > self._rows:
            fresh = self._view.tokens(self._rows, rows)
            self._rows = rows
            self._foreign = self._foreign or not self.mask(fresh).all()
        return self._foreign or rows >= self._view.layout.board_capacity  # beyond it, instruments go unseen
