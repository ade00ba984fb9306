"""Closes the bars that no tick closes, a slice of the instruments at a time: frames wait for none of it. Sans I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kitecli.hot import COMPILED, FramePass

SWEEP_ROWS: Final = 500 if COMPILED else 4
"""After how many instruments the sockets get their turn.

500 take 0.3 ms where each has two bars to close; the reference takes 3 ms for four.
"""


class Sweep:
    """``recorded``: whether what comes is recorded; ``note(now_ns, rows)`` records a slice, before it is done.

    A round over all instruments is recorded whole or not at all, for who plays it back goes through the same ones.
    Where nothing is due there is no round: most instants close no bar, and a recording would be full of them.
    """

    def __init__(self, frames: FramePass, recorded: Callable[[], bool], note: Callable[[int, int], None]) -> None:
        self._frames = frames
        self._recorded = recorded
        self._note = note
        self._under_way = self._noting = False

    def step(self, now_ns: int) -> bool:
        """One slice; whether more are left."""
        if not self._under_way:
            if not self._frames.bars_due(now_ns):
                return False
            self._noting = self._recorded()
        if self._noting:
            self._note(now_ns, SWEEP_ROWS)
        self._under_way = self._frames.close_bars(now_ns, SWEEP_ROWS)
        return self._under_way
