"""Which liquid instruments have stopped ticking while their connection streams on. Sans I/O, a few NumPy passes a look.

A connection's watchdog can't see it: heartbeats and the other instruments come. An instrument that trades once in ten
minutes says nothing by its silence, so only those count that ticked in each of ``LIQUID_WINDOWS`` looks in a row.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WINDOW_S: Final = 5.0
"""How often to look."""
LIQUID_WINDOWS: Final = 6
SILENT_S: Final = 30.0
_LONGEST_LOOK_S: Final = 2 * WINDOW_S
"""More than this between two looks and it was we who slept: no evidence of silence."""


@dataclass(frozen=True, slots=True)
class Ages:
    """What a look has found: tokens that have fallen ``silent`` since the last one, and that are ``back``."""

    silent: tuple[int, ...] = ()
    back: tuple[int, ...] = ()


class InstrumentAges:
    """To be looked at every ``WINDOW_S`` seconds with the board's latest ticks."""

    def __init__(self) -> None:
        self._looked_s: float | None = None
        self._row_of: dict[int, int] = {}
        self._order = np.zeros(0, np.uint32)
        self._rows = np.zeros(0, np.intp)
        self._stamp_ns = np.zeros(0, np.int64)
        self._windows = np.zeros(0, np.int64)
        self._silent_s = np.zeros(0, np.float64)
        self._liquid = np.zeros(0, np.bool_)
        self._told = np.zeros(0, np.bool_)

    def look(
        self,
        tokens: NDArray[np.uint32],
        ts_recv_ns: NDArray[np.int64],
        connections: NDArray[np.uint8],
        now_s: float,
        wanted: Container[int],
    ) -> Ages:
        """``ts_recv_ns`` and ``connections``: of the latest tick of each of ``tokens``, in any order.

        Silence is time in which another instrument of the same connection ticked: what an outage, a closed market or
        a socket without ticks takes away is known and told by itself. Stamps are compared, not subtracted.
        ``now_s`` is monotonic. Instruments no longer ``wanted`` are passed over.
        """
        rows, elapsed_s = self._rows_of(tokens), self._elapsed_s(now_s)
        told, liquid = self._told[rows], self._liquid[rows]
        ticked = self._stamp_ns[rows] != ts_recv_ns
        streaming = np.bincount(connections[ticked], minlength=256)[connections] > 0
        windows = np.where(ticked, self._windows[rows] + 1, self._windows[rows] * ~streaming)
        silent_s = np.where(ticked, 0.0, self._silent_s[rows] + elapsed_s * streaming)
        back = ticked & told
        liquid = (liquid & ~back) | (windows >= LIQUID_WINDOWS)
        silent = liquid & ~told & (silent_s > SILENT_S)
        liquid[silent] = silent[silent] = [token in wanted for token in tokens[silent].tolist()]
        self._stamp_ns[rows], self._windows[rows], self._silent_s[rows] = ts_recv_ns, windows, silent_s
        self._liquid[rows], self._told[rows] = liquid, (told & ~back) | silent
        return Ages(tuple(tokens[silent].tolist()), tuple(tokens[back].tolist()))

    def _elapsed_s(self, now_s: float) -> float:
        looked_s, self._looked_s = self._looked_s, now_s
        elapsed_s = 0.0 if looked_s is None else now_s - looked_s
        return elapsed_s if elapsed_s <= _LONGEST_LOOK_S else 0.0

    def _rows_of(self, tokens: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Where the state of each token stands. The board's order hardly ever changes, so it is worth remembering."""
        if not np.array_equal(tokens, self._order):
            rows = [self._row_of.setdefault(token, len(self._row_of)) for token in tokens.tolist()]
            self._order, self._rows = tokens.copy(), np.array(rows, np.intp)
            self._grow(len(self._row_of))
        return self._rows

    def _grow(self, count: int) -> None:
        for state in (self._stamp_ns, self._windows, self._silent_s, self._liquid, self._told):
            state.resize(count, refcheck=False)  # new rows are zero
