"""The reference writer: decoded ticks into a ring's memory, one at a time, to be read rather than to be quick.

What the compiled pass leaves in memory must equal what this leaves there, byte for byte. It has no memory barriers
(Python has none), so its ring can be read in its own process only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.market.modes import MODES
from kitecli.market.tick import FLAG_DEPTH, FLAG_SNAPSHOT, MODE_QUOTE
from kitecli.ring.layout import COUNTERS, STATE_CLOSED
from kitecli.ring.memory import RingMemory
from kitecli.ring.parts import RingParts

_MAX_LINK: Final = 0xFFFFFFFF
_MAX_TOKEN: Final = 0xFFFFFFFF


class RingWriter:
    """The one writer of a ring. ``admit`` is told each instrument that takes a row on the board, in their order."""

    def __init__(self, memory: RingMemory, admit: Callable[[int], None] | None = None) -> None:
        self._admit = admit or (lambda _: None)
        self._parts = RingParts.of(memory)
        self._layout = memory.layout
        self._row_of: dict[int, int] = {}
        self._due: dict[int, tuple[int, int]] = {}  # token: how many snapshots, and the mode that ends them early

    def write(self, ticks: NDArray[np.void], depth: NDArray[np.void]) -> list[tuple[int | None, np.void]]:
        """Append ticks with their depth rows, and bring the board up to date.

        Returns each tick as it was written, with its instrument's row; None for one the board has no row for.
        """
        parts = self._parts
        start = int(parts.cursor[0])
        parts.intent[0] = start + ticks.size
        written = [self._write_one(start + index, ticks[index], depth[index]) for index in range(ticks.size)]
        parts.cursor[0] = start + ticks.size
        return written

    def expect_snapshots(self, modes: Mapping[int, str]) -> None:
        """Say that these instruments are just being subscribed, in these modes; call it before asking the broker.

        The next tick of each carries ``FLAG_SNAPSHOT``: it is the broker's cached packet and no trade. After a bare
        subscription that packet is in quote mode and the one in the wanted mode comes second, so where another mode is
        wanted, flags go on until a tick in that mode came, but for two ticks at most.

        New instruments take their rows on the board at once, in the order given. One that no row is left for gets no
        flag. Raises ValueError for an unknown mode and OverflowError for what is no token, and then changes nothing.
        """
        wanted = {checked_token(token): MODES.index(mode) + 1 for token, mode in modes.items()}
        for token, mode in wanted.items():
            if self.take_row(token) is not None:
                self._due[token] = (1 if mode == MODE_QUOTE else 2, mode)

    def count(self, **counts: int) -> None:
        """Add to the counters of :data:`~kitecli.ring.layout.COUNTERS`."""
        for name, amount in counts.items():
            if amount:
                self._parts.counters[COUNTERS.index(name)] += np.uint64(amount)

    def beat(self, now_ns: int) -> None:
        """Note that bytes came: what tells a quiet market from a dead writer."""
        self._parts.heartbeat_ns[0] = now_ns

    def close(self) -> None:
        """Tell readers that nothing will come any more."""
        self._parts.state[0] = STATE_CLOSED

    def row_of(self, token: int) -> int | None:
        """The instrument's row on the board, if it has one."""
        return self._row_of.get(token)

    def take_row(self, token: int) -> int | None:
        """The instrument's row; a new one takes the next that is free, or None if none is."""
        row = self._row_of.get(token)
        if row is None and len(self._row_of) < self._layout.board_capacity:
            row = self._row_of[token] = len(self._row_of)
            self._parts.meta["token"][row] = token
            self._parts.board_rows[0] = row + 1
            self._admit(token)
        return row

    def _write_one(self, sequence: int, tick: np.void, depth: np.void) -> tuple[int | None, np.void]:
        parts, slot = self._parts, sequence & (self._layout.capacity - 1)
        has_depth = bool(tick["flags"] & FLAG_DEPTH)
        row = self.take_row(int(tick["token"]))
        if int(tick["token"]) in self._due:
            tick = self._snapshot(tick)
        parts.ticks[slot] = tick
        parts.links[slot] = self._link(row, sequence)
        if has_depth:
            parts.depth[sequence & (self._layout.depth_capacity - 1)] = depth
        if row is None:
            self.count(off_board=1)
        else:
            self._update_board(row, sequence, tick, depth if has_depth else None)
        return row, tick

    def _snapshot(self, tick: np.void) -> np.void:
        """The tick, flagged; one less is due now, or none if it came in the wanted mode."""
        due, wanted = self._due.pop(int(tick["token"]))
        if due > 1 and tick["mode"] != wanted:
            self._due[int(tick["token"])] = (due - 1, wanted)
        flagged = tick.copy()
        flagged["flags"] |= np.uint16(FLAG_SNAPSHOT)
        return flagged

    def _link(self, row: int | None, sequence: int) -> int:
        previous = 0 if row is None else int(self._parts.meta["next_sequence"][row])
        distance = sequence + 1 - previous
        return distance if previous and distance <= _MAX_LINK else 0

    def _update_board(self, row: int, sequence: int, tick: np.void, depth: np.void | None) -> None:
        meta = self._parts.meta[row : row + 1]
        meta["version"] += np.uint32(1)  # odd: being written
        self._parts.board_ticks[row] = tick
        if depth is not None:
            self._parts.board_depth[row] = depth
        meta["next_sequence"] = sequence + 1
        meta["version"] += np.uint32(1)


def checked_token(token: int) -> int:
    """The same. Raises OverflowError for what is no instrument token."""
    if not 0 <= token <= _MAX_TOKEN:
        raise OverflowError(f"{token} is no instrument token")
    return token
